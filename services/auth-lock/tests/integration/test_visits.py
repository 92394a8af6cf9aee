"""Guests, visits and the record against the real database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import psycopg.errors
import pytest
from pourline.auth_lock.handlers import audit, visits
from pourline.contracts.guests import (
    AuditEntry,
    BindCard,
    CreateGuest,
    Guest,
    ListAudit,
    OpenVisit,
    Visit,
)
from pourline.kit.db import Database
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=1)
AT_ONCE = 50
CARD = "0419eeb2757181"


@dataclass(frozen=True)
class Door:
    """Where guests come in."""

    database: Database

    async def register(self, name: str = "Ada", *, phone: str | None = None) -> Guest:
        async with self.database.transaction() as unit:
            return await visits.create_guest(CreateGuest(name=name, phone=phone), unit, STAFF)

    async def open(self, guest: Guest, card_uid: str | None = None) -> Visit | str:
        """Open a visit; return it or the code of the refusal."""
        try:
            async with self.database.transaction() as unit:
                order = OpenVisit(guest_id=guest.id, card_uid=card_uid)
                return await visits.open_visit(order, unit, STAFF)
        except Rejected as refused:
            return refused.wire_code

    async def bind(self, visit: Visit, card_uid: str) -> Visit | str:
        try:
            async with self.database.transaction() as unit:
                order = BindCard(visit_id=visit.id, card_uid=card_uid)
                return await visits.bind_card(order, unit, STAFF)
        except Rejected as refused:
            return refused.wire_code

    async def recorded(self, action: str) -> list[AuditEntry]:
        """Return what is on record of an action, newest first."""
        async with self.database.transaction() as unit:
            return (await audit.list_audit(ListAudit(action=action), unit, STAFF)).items

    async def visit_of(self, guest: Guest, card_uid: str | None = None) -> Visit:
        visit = await self.open(guest, card_uid)
        assert isinstance(visit, Visit)
        return visit


@pytest.fixture
async def door(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Door]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    await database.open()
    yield Door(database)
    await database.close()


@pytest.mark.requirement("VI-2")
async def test_fifty_openings_at_once_give_a_guest_one_visit(door: Door) -> None:
    guest = await door.register()

    opened = await asyncio.gather(*(door.open(guest) for _ in range(AT_ONCE)))

    assert sum(isinstance(one, Visit) for one in opened) == 1
    assert {one for one in opened if isinstance(one, str)} == {"visit_already_active"}


@pytest.mark.requirement("VI-3")
async def test_fifty_guests_who_are_given_one_card_share_one_visit_with_it(door: Door) -> None:
    guests = [await door.register(f"Guest {number}") for number in range(AT_ONCE)]

    opened = await asyncio.gather(*(door.open(guest, CARD) for guest in guests))

    assert sum(isinstance(one, Visit) for one in opened) == 1
    assert {one for one in opened if isinstance(one, str)} == {"card_in_use"}


@pytest.mark.requirement("VI-3")
async def test_a_card_comes_later_and_may_be_replaced(door: Door) -> None:
    guest = await door.register()
    visit = await door.visit_of(guest)
    first = await door.bind(visit, "04:19:EE:B2:75:71:81")
    second = await door.bind(visit, "DD17380A")
    other = await door.visit_of(await door.register("Bob"), CARD)

    assert isinstance(first, Visit)
    assert isinstance(second, Visit)
    assert [visit.card_uid, first.card_uid, second.card_uid] == [None, CARD, "dd17380a"]
    assert await door.bind(other, "DD17380A") == "card_in_use"
    assert await door.bind(other, "08A1B2C3") == "unreadable_card"


async def test_unknown_guests_and_visits_are_not_found(door: Door) -> None:
    stranger = (await door.register()).model_copy(update={"id": str(new_id())})
    nobody = stranger.model_copy(update={"id": "nobody"})
    visit = (await door.visit_of(await door.register())).model_copy(update={"id": str(new_id())})

    assert [await door.open(stranger), await door.open(nobody)] == ["not_found", "not_found"]
    assert await door.bind(visit, CARD) == "not_found"


async def test_the_database_itself_refuses_a_closed_visit_without_its_time(door: Door) -> None:
    visit = await door.visit_of(await door.register())

    with pytest.raises(psycopg.errors.CheckViolation):
        async with door.database.transaction() as unit:
            await unit.execute(
                "UPDATE visit SET status = 'closed' WHERE id = %s", (UUID(visit.id),)
            )


@pytest.mark.requirement("VI-4", "VI-6")
async def test_a_refused_opening_is_on_record_though_nothing_else_of_it_stands(door: Door) -> None:
    guest = await door.register()
    await door.visit_of(guest, CARD)
    other = await door.register("Bob")

    refused = [await door.open(guest), await door.open(other, CARD), await door.open(other, "zz")]

    assert refused == ["visit_already_active", "card_in_use", "unreadable_card"]
    entries = await door.recorded("visit_open_refused")
    assert [(one.actor, one.reason) for one in entries] == [
        ("anna", reason) for reason in reversed(refused)
    ]
    assert [one.subject for one in entries] == [f"guest:{one.id}" for one in (other, other, guest)]


@pytest.mark.requirement("VI-4", "VI-6")
async def test_every_one_of_fifty_openings_is_on_record_opened_or_refused(door: Door) -> None:
    guest = await door.register()

    await asyncio.gather(*(door.open(guest) for _ in range(AT_ONCE)))

    assert len(await door.recorded("visit_opened")) == 1
    assert len(await door.recorded("visit_open_refused")) == AT_ONCE - 1


@pytest.mark.requirement("VI-6")
async def test_what_staff_did_is_on_record_newest_first(door: Door) -> None:
    guest = await door.register()
    visit = await door.visit_of(guest)
    await door.bind(visit, CARD)

    done = [await door.recorded(one) for one in ("card_bound", "visit_opened", "guest_registered")]

    [[bound], [opened], [registered]] = done
    assert bound.id > opened.id > registered.id
    assert {one.actor for one in (bound, opened, registered)} == {"anna"}
    assert (bound.after or {}).items() >= {"card_uid": CARD, "instead_of": None}.items()
