"""Cards on taps against the real database and bus; the ledger is a small stand-in."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from pourline.auth_lock.handlers import locks as lock_handlers
from pourline.auth_lock.handlers import taps as tap_handlers
from pourline.auth_lock.handlers import visits
from pourline.auth_lock.handlers.authorize import Asked, Authorize
from pourline.auth_lock.handlers.repair import repair_unanswered
from pourline.auth_lock.handlers.visits import SettleFirst
from pourline.auth_lock.invariants import INVARIANTS
from pourline.auth_lock.store import locks, taps
from pourline.contracts.base import Envelope, Event
from pourline.contracts.base import Message as Contract
from pourline.contracts.cellar import KegConnected
from pourline.contracts.device import AuthorizeRequest, AuthorizeResult, PourStatus, TapStatus
from pourline.contracts.guests import (
    CloseVisit,
    CreateGuest,
    ForceUnlock,
    GetVisit,
    OpenVisit,
    Visit,
)
from pourline.contracts.money import (
    GetGrant,
    Grant,
    Hold,
    PlaceHold,
    PourAccepted,
    PourSettled,
    VoidHold,
)
from pourline.contracts.problems import Problem
from pourline.contracts.taps import CreateTap, StopTap
from pourline.kit.db import Database, Row
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Caller, Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.until import until

STAFF = Context(actor="anna", level=3)
CARD = "0419eeb2757181"
ROUNDS = 200
Told = TypeVar("Told", bound=Event)


@dataclass
class Ledger:
    """Answers for the ledger; a grant it never heard of is `unknown`."""

    bus: Client
    grants: dict[str, str] = field(default_factory=dict)
    refuses: str | None = None
    away: bool = False
    loses_answers: bool = False
    holds_and_fails: bool = False

    async def open(self) -> None:
        for command in (PlaceHold, GetGrant, VoidHold):
            await self.bus.subscribe(command.subject(), cb=self._answer)

    async def _answer(self, request: Msg) -> None:
        if self.away:
            return None
        asked = orjson.loads(request.data)
        grant_id = asked["grant_id"]
        if request.subject == PlaceHold.subject() and self.refuses:
            problem = Problem(title="No", status=409, code=self.refuses, detail="Please top up.")
            return await self._say(request, problem, status=409)
        if request.subject == PlaceHold.subject():
            self.grants.setdefault(grant_id, "pending")
        if request.subject == VoidHold.subject():
            self.grants[grant_id] = "voided"
        if request.subject == PlaceHold.subject() and self.holds_and_fails:
            bug = Problem(title="Bug", status=500, code="bug", detail="Something is wrong.")
            return await self._say(request, bug, status=500)
        if request.subject == PlaceHold.subject() and self.loses_answers:
            return None
        return await self._say(request, self._said(request.subject, grant_id))

    def _said(self, subject: str, grant_id: str) -> Contract:
        if subject == PlaceHold.subject():
            volume = Decimal("333.333")
            return Hold(grant_id=grant_id, amount=300, max_volume_ml=volume, balance=1000)
        return Grant(grant_id=grant_id, state=self.grants.get(grant_id, "unknown"))

    async def _say(self, request: Msg, answer: Contract, *, status: int = 200) -> None:
        headers = {"Pourline-Status": str(status)}
        await self.bus.publish(request.reply, answer.wire(), headers=headers)


@dataclass(kw_only=True)
class Bar:
    """An auth-lock with taps and one guest's visit."""

    database: Database
    clock: FakeClock
    ledger: Ledger
    caller: Caller
    visit: Visit

    async def put_card(
        self, tap_id: str = "1", request_id: str | None = None, *, card_uid: str = CARD
    ) -> AuthorizeResult:
        request = AuthorizeRequest(request_id=request_id or str(new_id()), card_uid=card_uid)
        asked = Asked(tap_id=tap_id, location="main", request=request, received_at=self.clock.now())
        authorize = Authorize(database=self.database, caller=self.caller, clock=self.clock)
        return await authorize(asked)

    async def crash_before_the_hold(self, request_id: str) -> UUID:
        """Leave what a process leaves that dies between lock and hold."""
        grant_id = new_id()
        question = locks.Question(
            tap_id="1",
            location="main",
            request_id=request_id,
            card_uid=CARD,
            at=self.clock.now(),
        )
        async with self.database.transaction() as unit:
            assert await locks.begin_grant(
                unit, question, grant_id=grant_id, visit_id=UUID(self.visit.id), renews=None
            )
        return grant_id

    async def settle(self, grant_id: str | None, *, kind: type[PourSettled] = PourAccepted) -> None:
        """Hear that a pour is in the books."""
        now = self.clock.now()
        pour = kind(
            client_tx_id=str(new_id()),
            tap_id="1",
            location="main",
            settles_grant_id=grant_id,
            volume_ml=Decimal(300),
            amount=270,
            status=PourStatus.ACCEPTED,
            started_at=now,
            ended_at=now,
            received_at=now,
            accepted_at=now,
        )
        async with self.database.transaction() as unit:
            await lock_handlers.open_locks_of_pours([envelope(pour, now)], unit)

    async def close_visit(self) -> Visit:
        order = CloseVisit(visit_id=self.visit.id, reason="left")
        await SettleFirst(database=self.database, caller=self.caller)(order)
        async with self.database.transaction() as unit:
            return await visits.close_visit(order, unit, STAFF)

    async def say_status(self, tap_id: str, *, online: bool, pending_sync: int = 0) -> None:
        async with self.database.transaction() as unit:
            status = TapStatus(online=online, pending_sync=pending_sync)
            await tap_handlers.take_status(unit, [(tap_id, 1, status)])

    async def stop_tap(self) -> None:
        async with self.database.transaction() as unit:
            await tap_handlers.stop_tap(StopTap(tap_id="1", reason="foam"), unit, STAFF)

    async def force_unlock(self, reason: str) -> None:
        async with self.database.transaction() as unit:
            order = ForceUnlock(visit_id=self.visit.id, reason=reason)
            await visits.force_unlock(order, unit, STAFF)

    async def locked_at(self) -> str | None:
        async with self.database.transaction() as unit:
            query = GetVisit(visit_id=self.visit.id)
            return (await visits.get_visit(query, unit, STAFF)).active_tap_id

    async def rows(self, sql: str) -> list[Row]:
        async with self.database.transaction() as unit:
            return await unit.all(sql)

    async def audited(self, action: str) -> list[Row]:
        rows = await self.rows("SELECT * FROM audit ORDER BY id")
        return [row for row in rows if row["action"] == action]

    async def told(self, kind: str) -> list[Row]:
        rows = await self.rows("SELECT * FROM outbox ORDER BY id")
        return [orjson.loads(row["payload"])["data"] for row in rows if row["subject"] == kind]

    async def offenders(self) -> list[str]:
        return [
            rule.name
            for rule in INVARIANTS
            if rule.name != "outbox_is_published" and await self.rows(rule.sql)
        ]


def envelope(event: Told, at: datetime) -> Envelope[Told]:
    return Envelope(
        id=str(new_id()),
        type=event.TYPE,
        source=event.PRODUCER,
        subject="x",
        time=at,
        aggregate="x",
        version=1,
        data=event,
    )


async def seat_tap(database: Database, clock: FakeClock, tap_id: str, beverage_id: UUID) -> None:
    """Set up a tap that is online and has a keg."""
    now = clock.now()
    keg = KegConnected(
        keg_id=str(new_id()),
        tap_id=tap_id,
        beverage_id=str(beverage_id),
        beverage_name="Pils",
        volume_ml=Decimal(50_000),
        remaining_ml=Decimal(50_000),
        connected_at=now,
    )
    async with database.transaction() as unit:
        await tap_handlers.create_tap(CreateTap(id=tap_id, name=f"Tap {tap_id}"), unit, STAFF)
        await tap_handlers.know_connected_kegs([envelope(keg, now)], unit)
        await tap_handlers.take_status(unit, [(tap_id, 1, TapStatus(online=True))])
        await taps.save_price(unit, beverage_id=beverage_id, from_at=now, price_per_litre=900)


async def seat_guest(database: Database, card_uid: str) -> Visit:
    order = CreateGuest(name="Ada", age_verified=True)
    async with database.transaction() as unit:
        guest = await visits.create_guest(order, unit, STAFF)
        visit = OpenVisit(guest_id=guest.id, card_uid=card_uid)
        return await visits.open_visit(visit, unit, STAFF)


@pytest.fixture
async def bar(fresh_database: FreshDatabase, bus: Client, clock: FakeClock) -> AsyncIterator[Bar]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    await database.open()
    ledger = Ledger(bus)
    await ledger.open()
    beverage = new_id()
    for tap_id in ("1", "2"):
        await seat_tap(database, clock, tap_id, beverage)
    visit = await seat_guest(database, CARD)
    caller = Caller(bus=bus, wait_s=0.3)
    bar = Bar(database=database, clock=clock, ledger=ledger, caller=caller, visit=visit)
    yield bar
    assert await bar.offenders() == []
    await database.close()


@pytest.mark.requirement("LK-1", "LK-2", "LK-4")
async def test_an_allow_takes_the_lock_and_says_what_the_tap_needs_to_pour_alone(bar: Bar) -> None:
    answer = await bar.put_card()

    assert (answer.decision, answer.guest_name, answer.visit_id) == ("allow", "Ada", bar.visit.id)
    assert (answer.price_per_litre, answer.balance, answer.currency) == (900, 1000, "EUR")
    assert answer.max_volume_ml == Decimal("333.333")
    assert answer.expires_at is not None
    assert answer.expires_at > bar.clock.now()
    assert await bar.locked_at() == "1"
    assert bar.ledger.grants == {answer.grant_id: "pending"}
    assert [event["grant_id"] for event in await bar.told("evt.lock.taken")] == [answer.grant_id]


async def test_a_repeat_hears_the_stored_answer_and_holds_nothing_again(bar: Bar) -> None:
    answer = await bar.put_card(request_id="r")
    bar.ledger.away = True
    bar.clock.advance(seconds=4)

    assert await bar.put_card(request_id="r") == answer
    assert len(await bar.told("evt.lock.taken")) == 1


async def test_an_answer_is_not_repeated_once_it_expired_or_its_lock_is_open(bar: Bar) -> None:
    first = await bar.put_card(request_id="first")
    await bar.settle(first.grant_id)
    await bar.put_card(request_id="second")

    opened = await bar.put_card(request_id="first")
    bar.clock.advance(seconds=31)
    expired = await bar.put_card(request_id="second")

    assert [opened.reason, expired.reason] == ["bad_request", "bad_request"]


async def test_a_second_card_by_the_same_visit_renews_the_grant(bar: Bar) -> None:
    first = await bar.put_card()
    second = await bar.put_card()

    assert second.decision == "allow"
    assert second.grant_id != first.grant_id
    [lock] = await bar.rows("SELECT grant_id::text FROM tap_lock WHERE released_at IS NULL")
    assert lock["grant_id"] == second.grant_id


@pytest.mark.requirement("LK-2")
async def test_two_taps_that_race_for_one_card_have_one_winner_every_time(bar: Bar) -> None:
    for _ in range(ROUNDS):
        answers = await asyncio.gather(bar.put_card("1"), bar.put_card("2"))

        winners = [one for one in answers if one.decision == "allow"]
        losers = [one for one in answers if one.decision == "deny"]
        assert [len(winners), len(losers)] == [1, 1], answers
        assert losers[0].reason == "card_in_use"
        await bar.settle(winners[0].grant_id)
    assert await bar.locked_at() is None


@pytest.mark.requirement("LK-2")
async def test_twenty_guests_that_race_for_one_tap_have_one_winner(bar: Bar) -> None:
    cards = [f"04{number:012x}" for number in range(20)]
    for card in cards:
        await seat_guest(bar.database, card)

    answers = await asyncio.gather(*(bar.put_card(card_uid=card) for card in cards))

    reasons = sorted(one.reason for one in answers)
    assert reasons == ["allowed", *["tap_in_use"] * 19]


async def test_a_request_sent_twice_at_once_is_one_grant(bar: Bar) -> None:
    answers = await asyncio.gather(*(bar.put_card(request_id="r") for _ in range(5)))

    assert {one.decision for one in answers} == {"allow"}
    assert len({one.grant_id for one in answers}) == 1
    assert len(bar.ledger.grants) == 1
    assert len(await bar.told("evt.lock.taken")) == 1


@pytest.mark.requirement("LK-3")
async def test_a_refused_hold_gives_the_lock_back_and_the_same_denial_again(bar: Bar) -> None:
    bar.ledger.refuses = "insufficient_balance"
    first = await bar.put_card(request_id="r")
    bar.ledger.refuses = None
    again = await bar.put_card(request_id="r")

    assert (first.decision, first.reason) == ("deny", "insufficient_balance")
    assert first.message == "Please top up."
    assert again == first
    assert await bar.locked_at() is None
    assert [row["why"] for row in await bar.told("evt.lock.released")] == ["hold_refused"]
    assert (await bar.put_card()).decision == "allow"


async def test_a_hold_that_was_voided_first_is_asked_for_anew_by_the_repeat(bar: Bar) -> None:
    bar.ledger.refuses = "grant_voided"
    first = await bar.put_card(request_id="r")
    bar.ledger.refuses = None
    again = await bar.put_card(request_id="r")

    assert (first.reason, again.decision) == ("unavailable", "allow")


async def test_without_the_ledger_a_card_is_told_so_and_no_lock_is_left(bar: Bar) -> None:
    bar.ledger.away = True
    answer = await bar.put_card(request_id="r")
    locked = await bar.locked_at()
    bar.ledger.away = False
    again = await bar.put_card(request_id="r")

    assert (answer.decision, answer.reason, locked) == ("deny", "unavailable", None)
    assert again.decision == "allow"


async def test_a_hold_left_by_a_renewal_without_an_answer_is_voided(bar: Bar) -> None:
    first = await bar.put_card()
    bar.ledger.loses_answers = True
    unanswered = await bar.put_card()
    bar.ledger.loses_answers = False
    bar.clock.advance(seconds=11)

    await repair(bar)

    assert unanswered.reason == "unavailable"
    [left] = [state for grant, state in bar.ledger.grants.items() if grant != first.grant_id]
    assert left == "voided"
    assert await bar.locked_at() == "1"


async def test_a_hold_whose_renewal_was_answered_with_a_bug_is_voided_too(bar: Bar) -> None:
    first = await bar.put_card()
    bar.ledger.holds_and_fails = True
    refused = await bar.put_card()
    bar.ledger.holds_and_fails = False
    bar.clock.advance(seconds=11)

    await repair(bar)

    assert refused.reason == "unavailable"
    [left] = [state for grant, state in bar.ledger.grants.items() if grant != first.grant_id]
    assert left == "voided"
    assert await bar.locked_at() == "1"


async def repair(bar: Bar) -> int:
    return await repair_unanswered(database=bar.database, caller=bar.caller, clock=bar.clock)


async def test_a_lock_that_a_crash_left_without_hold_is_given_back(bar: Bar) -> None:
    grant_id = await bar.crash_before_the_hold("r")
    early = await repair(bar)
    bar.clock.advance(seconds=11)

    assert (early, await repair(bar), await repair(bar)) == (0, 1, 0)
    assert await bar.locked_at() is None
    [released] = await bar.told("evt.lock.released")
    assert (released["grant_id"], released["why"]) == (str(grant_id), "hold_unanswered")
    assert (await bar.put_card(request_id="r")).decision == "allow"


async def test_a_repeat_goes_on_where_a_crash_stopped(bar: Bar) -> None:
    grant_id = await bar.crash_before_the_hold("r")

    answer = await bar.put_card(request_id="r")

    assert (answer.decision, answer.grant_id) == ("allow", str(grant_id))
    assert bar.ledger.grants == {str(grant_id): "pending"}


async def test_a_repeat_that_is_denied_after_a_crash_leaves_no_lock(bar: Bar) -> None:
    await bar.crash_before_the_hold("r")
    await bar.stop_tap()

    answer = await bar.put_card(request_id="r")

    assert (answer.reason, await bar.locked_at()) == ("tap_not_active", None)


@pytest.mark.requirement("LK-5", "VI-6")
async def test_a_lock_opened_by_force_is_on_record_with_its_reason(bar: Bar) -> None:
    await bar.put_card()

    await bar.force_unlock("controller broken")

    assert await bar.locked_at() is None
    [line] = await bar.audited("lock_released")
    assert (line["actor"], line["reason"]) == ("anna", "controller broken")
    assert line["subject"] == f"visit:{bar.visit.id}"
    with pytest.raises(Rejected) as refused:
        await bar.force_unlock("again")
    assert refused.value.wire_code == "visit_not_locked"


@pytest.mark.requirement("LK-5")
async def test_only_a_pour_of_its_own_grant_opens_a_lock(bar: Bar) -> None:
    first = await bar.put_card()
    second = await bar.put_card()

    await bar.settle(first.grant_id)
    await bar.settle(None)
    after_others = await bar.locked_at()
    await bar.settle(second.grant_id)

    assert (after_others, await bar.locked_at()) == ("1", None)
    assert [row["why"] for row in await bar.told("evt.lock.released")] == ["pour"]


async def test_a_card_is_not_in_use_once_the_ledger_settled_its_pour(bar: Bar) -> None:
    first = await bar.put_card("1")
    assert (await bar.put_card("2")).reason == "card_in_use"
    bar.ledger.grants[str(first.grant_id)] = "captured"

    assert (await bar.put_card("2")).decision == "allow"
    assert await bar.locked_at() == "2"


@pytest.mark.requirement("VI-4")
async def test_a_visit_with_a_lock_cannot_close(bar: Bar) -> None:
    grant = await bar.put_card()

    with pytest.raises(Rejected) as locked:
        await bar.close_visit()
    await bar.say_status("1", online=False)
    with pytest.raises(Rejected) as pending:
        await bar.close_visit()
    bar.ledger.grants[str(grant.grant_id)] = "captured"
    closed = await bar.close_visit()

    assert [locked.value.wire_code, pending.value.wire_code] == ["visit_locked", "pour_pending"]
    assert (closed.status, closed.close_reason) == ("closed", "left")


@pytest.mark.requirement("VI-4")
async def test_closing_takes_effect_at_the_next_card(bar: Bar) -> None:
    await bar.close_visit()

    assert (await bar.put_card()).reason == "no_active_visit"
    with pytest.raises(Rejected) as refused:
        await bar.close_visit()
    assert refused.value.wire_code == "visit_closed"


@pytest.mark.requirement("VI-4")
async def test_closing_waits_for_a_card_on_its_way_and_sees_its_lock(bar: Bar) -> None:
    async with bar.database.transaction() as unit:
        visit_id = UUID(bar.visit.id)
        await locks.take_lock(unit, visit_id=visit_id, tap_id="1", grant_id=new_id())
        closing = asyncio.create_task(bar.close_visit())
        await until(lambda: waiting(bar))
    with pytest.raises(Rejected) as refused:
        await closing

    assert refused.value.wire_code == "visit_locked"


async def waiting(bar: Bar) -> bool:
    rows = await bar.rows(
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(rows)


async def test_a_card_denied_is_on_record_and_told(bar: Bar) -> None:
    unknown = await bar.put_card(card_uid="0a0b0c0d")
    unreadable = await bar.put_card(card_uid="08a1b2c3")
    nowhere = await bar.put_card("7")

    assert [unknown.reason, unreadable.reason] == ["unknown_card", "unreadable_card"]
    assert nowhere.reason == "bad_request"
    reasons = ["unknown_card", "unreadable_card", "bad_request"]
    assert [row["reason"] for row in await bar.audited("access_denied")] == reasons
    assert [event["reason"] for event in await bar.told("evt.access.denied")] == reasons


async def test_a_request_that_was_long_on_its_way_locks_nothing(bar: Bar) -> None:
    request = AuthorizeRequest(request_id="r", card_uid=CARD)
    asked = Asked(tap_id="1", location="main", request=request, received_at=bar.clock.now())
    bar.clock.advance(seconds=6)
    authorize = Authorize(database=bar.database, caller=bar.caller, clock=bar.clock)

    answer = await authorize(asked)

    assert (answer.reason, await bar.locked_at()) == ("unavailable", None)
