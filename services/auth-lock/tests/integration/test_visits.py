"""Guests, visits and the record against the real database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import psycopg.errors
import pytest
from pourline.auth_lock.handlers import devices, visits
from pourline.auth_lock.store import audit
from pourline.contracts.guests import (
    BindCard,
    CreateGuest,
    Guest,
    ListAudit,
    OpenVisit,
    SearchGuests,
    VerifyAge,
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

    async def search(self, q: str) -> list[str]:
        async with self.database.transaction() as unit:
            found = await visits.search_guests(SearchGuests(q=q), unit, STAFF)
        return [guest.name for guest in found.items]

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


@pytest.mark.requirement("VI-1")
async def test_one_search_finds_a_guest_by_name_phone_card_or_visit_number(door: Door) -> None:
    guest = await door.register("Ada Lovelace", phone="+44 (0)20 7946-0000")
    await door.register("Bob")
    visit = await door.visit_of(guest, CARD)

    for q in ("love", "020 7946", "04:19:EE:B2:75:71:81", str(visit.number)):
        assert await door.search(q) == ["Ada Lovelace"], q
    assert await door.search("100%") == []


@pytest.mark.requirement("VI-6")
async def test_what_staff_did_is_on_record_newest_first(door: Door) -> None:
    guest = await door.register()
    async with door.database.transaction() as unit:
        await visits.verify_age(VerifyAge(guest_id=guest.id), unit, STAFF)
    visit = await door.visit_of(guest)
    await door.bind(visit, CARD)

    async with door.database.transaction() as unit:
        everything = await devices.list_audit(ListAudit(), unit, STAFF)
        of_guest = await devices.list_audit(ListAudit(subject=f"guest:{guest.id}"), unit, STAFF)

    assert [one.action for one in everything.items] == [
        "card_bound",
        "visit_opened",
        "age_verified",
        "guest_registered",
    ]
    assert [one.action for one in of_guest.items] == ["age_verified", "guest_registered"]
    assert {one.actor for one in everything.items} == {"anna"}
    assert everything.items[0].after == {"card_uid": CARD, "instead_of": None}


@pytest.mark.requirement("VI-6")
@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"],
)
async def test_the_record_cannot_be_changed(door: Door, statement: str) -> None:
    await door.register()

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with door.database.transaction() as unit:
            await unit.execute(statement)
    async with door.database.transaction() as unit:
        assert len(await audit.list_entries(unit, subject=None, before=None, limit=10)) == 1


async def test_the_database_itself_refuses_a_closed_visit_without_its_time(door: Door) -> None:
    visit = await door.visit_of(await door.register())

    with pytest.raises(psycopg.errors.CheckViolation):
        async with door.database.transaction() as unit:
            await unit.execute(
                "UPDATE visit SET status = 'closed' WHERE id = %s", (UUID(visit.id),)
            )
