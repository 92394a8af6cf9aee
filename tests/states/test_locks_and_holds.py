"""Guests, cards, taps, locks and holds as a state machine: auth-lock and ledger together.

Both services' handlers run against their own real databases. Between them stands what a test can
bend: questions to the ledger that are answered, answered in vain, or never arrive; processes that
die between lock and hold; events that come late and twice.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pourline.auth_lock import consumers as auth_events
from pourline.auth_lock.handlers import taps, visits
from pourline.auth_lock.handlers.answers import Asked
from pourline.auth_lock.handlers.authorize import Authorize
from pourline.auth_lock.handlers.repair import repair_unanswered
from pourline.auth_lock.invariants import INVARIANTS as AUTH_RULES
from pourline.contracts import guests as contract
from pourline.contracts import money as money_contract
from pourline.contracts.base import Command, Envelope, Event
from pourline.contracts.base import Message as Contract
from pourline.contracts.cellar import BeverageCreated, KegConnected
from pourline.contracts.device import AuthorizeRequest, Decision, PourStatus
from pourline.contracts.problems import Problem
from pourline.contracts.taps import CreateTap, ResumeTap, StopTap
from pourline.kit.db import Database
from pourline.kit.errors import Rejected, Retryable
from pourline.kit.ids import new_id
from pourline.kit.inbox import Inbox
from pourline.kit.nats import Context, EventConsumer, Message
from pourline.kit.nats.requests import Refused
from pourline.ledger import consumers as ledger_events
from pourline.ledger.domain import Report
from pourline.ledger.handlers import money
from pourline.ledger.handlers.pours import TakeInPours
from pourline.ledger.invariants import INVARIANTS as LEDGER_RULES
from pourline.local.verify import ACROSS
from pourline.testkit.clock import FakeClock
from pourline.testkit.machines import searching
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.shaky_bus import Crashed

pytestmark = pytest.mark.long

STAFF = Context(actor="anna", level=5)
TAPS = ("1", "2", "3")
GUESTS = 3
PAID_IN = 4000
PRICE = 900
KEEP = {"alembic_version", "outbox_counter"}
ASKED = {
    money_contract.PlaceHold: money.place_hold,
    money_contract.VoidHold: money.void_hold,
    money_contract.GetGrant: money.get_grant,
}
MOODS = (
    *("answers", "answers", "answers", "answers in vain", "answers the second time"),
    *("is away", "is back the second time", "dies before", "dies after"),
)
Answer = TypeVar("Answer", bound=Contract)


@dataclass
class Ledger:
    """The way to the ledger, in the mood that the test gives it; auth-lock's own death too."""

    database: Database
    mood: str = "answers"

    def waiting(self, share: float) -> "Ledger":
        """Return itself: here who is not answered is told at once."""
        del share
        return self

    async def ask(self, command: Command, answer: type[Answer], *, actor: str = "system") -> Answer:
        del actor
        if self.mood == "dies before":
            raise Crashed
        if self.mood == "is away":
            raise Retryable
        if self.mood == "is back the second time":
            self.mood = "answers"
            raise Retryable
        try:
            async with self.database.transaction() as unit:
                found = await ASKED[type(command)](command, unit, STAFF)  # type: ignore[operator]
        except Rejected as no:
            problem = Problem(title="no", status=409, code=no.wire_code, detail=no.detail)
            raise Refused(problem) from no
        if self.mood == "dies after":
            raise Crashed
        if self.mood == "answers the second time":
            self.mood = "answers"
            raise Retryable
        if self.mood == "answers in vain":
            raise Retryable
        return answer.model_validate_json(found.model_dump_json(by_alias=True))


@dataclass
class Guest:
    """A guest as the test knows him."""

    guest_id: str
    visit_id: str
    card_uid: str
    charged: int = 0


@dataclass
class Live:
    """A valve that may be open: the device holds this grant and has not ended it."""

    visit_id: str
    tap_id: str


@dataclass
class Side:
    """One service: its database, what it reads, and how far its events were delivered."""

    database: Database
    url: str
    reads: EventConsumer
    subjects: frozenset[str] = field(default_factory=frozenset)


class Evening(RuleBasedStateMachine):
    """Everything that guests, staff, devices and bad luck do."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.guests: list[Guest] = []
        self.live: dict[str, Live] = {}
        self.granted: list[str] = []
        self.ended: set[str] = set()
        self.requests: list[tuple[str, str, str]] = []
        self.pours: dict[str, Report] = {}
        self.urls = urls
        for url in urls.values():
            _empty(url)
        self.looks = {url: psycopg.connect(url, autocommit=True) for url in urls.values()}
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.auth = await self._side("auth-lock", auth_events.handlers())
        self.books = await self._side("ledger", ledger_events.handlers())
        self.ledger = Ledger(self.books.database)
        self.authorize = Authorize(
            database=self.auth.database,
            caller=self.ledger,  # type: ignore[arg-type]
            clock=self.clock,
        )
        self.take_in = TakeInPours(database=self.books.database)
        beverage_id = str(new_id())
        for tap_id in TAPS:
            async with self.auth.database.transaction() as unit:
                await taps.create_tap(CreateTap(id=tap_id, name=f"Tap {tap_id}"), unit, STAFF)
        for event in self._cellar(beverage_id):
            for side in (self.auth, self.books):
                await self._deliver(side, event.subject(), _told(event))
        for number in range(GUESTS):
            await self._seat(number)
        await self._pump(self.auth, self.books, 100, twice=False)

    def _cellar(self, beverage_id: str) -> Iterator[Event]:
        at = self.clock.now() - timedelta(days=1)
        yield BeverageCreated(
            beverage_id=beverage_id, name="Pils", kind="beer", price_per_litre=PRICE, at=at
        )
        for tap_id in TAPS:
            yield KegConnected(
                keg_id=str(new_id()),
                tap_id=tap_id,
                beverage_id=beverage_id,
                beverage_name="Pils",
                volume_ml=Decimal(50_000),
                remaining_ml=Decimal(50_000),
                connected_at=at,
            )

    async def _side(self, service: str, handlers: Mapping[type[Event], Any]) -> Side:
        database = Database(url=self.urls[service], service=service, clock=self.clock)
        await database.open()
        inbox = Inbox(consumer=f"{service}--events")
        return Side(
            database,
            self.urls[service],
            EventConsumer(database=database, inbox=inbox, handlers=handlers),
            frozenset(event.subject() for event in handlers),
        )

    async def _seat(self, number: int) -> None:
        card_uid = f"04{number:012x}"
        async with self.auth.database.transaction() as unit:
            order = contract.CreateGuest(name=f"Guest {number}", age_verified=True)
            guest = await visits.create_guest(order, unit, STAFF)
            opening = contract.OpenVisit(guest_id=guest.id, card_uid=card_uid)
            visit = await visits.open_visit(opening, unit, STAFF)
        async with self.books.database.transaction() as unit:
            await money.top_up(money_contract.TopUp(guest_id=guest.id, amount=PAID_IN), unit, STAFF)
        self.guests.append(Guest(guest.id, visit.id, card_uid))

    @rule(guest=st.integers(0, GUESTS - 1), tap=st.sampled_from(TAPS), mood=st.sampled_from(MOODS))
    def put_card(self, guest: int, tap: str, mood: str) -> None:
        self._card(tap, str(new_id()), self.guests[guest].card_uid, mood)

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), mood=st.sampled_from(MOODS))
    def repeat_a_request(self, data: st.DataObject, mood: str) -> None:
        self._card(*data.draw(st.sampled_from(self.requests)), mood)

    def _card(self, tap_id: str, request_id: str, card_uid: str, mood: str) -> None:
        self.requests.append((tap_id, request_id, card_uid))
        request = AuthorizeRequest(request_id=request_id, card_uid=card_uid)
        asked = Asked(tap_id=tap_id, location="main", request=request, received_at=self.clock.now())
        self.ledger.mood = mood
        with contextlib.suppress(Crashed):
            answer = self.runner.run(self.authorize(asked))
            if answer.decision is Decision.ALLOW and str(answer.grant_id) not in self.ended:
                self._allowed(str(answer.grant_id), Live(str(answer.visit_id), tap_id))
        self.ledger.mood = "answers"

    def _allowed(self, grant_id: str, opened: Live) -> None:
        """Check that nothing else may run for this visit or on this tap."""
        for other, live in list(self.live.items()):
            if live == opened:
                del self.live[other]  # the same visit on the same tap: renewed
            else:
                assert live.visit_id != opened.visit_id, "one visit pours at two taps"
                assert live.tap_id != opened.tap_id, "two visits pour at one tap"
        self.live[grant_id] = opened
        self.granted.append(grant_id)

    @precondition(lambda self: self.granted)
    @rule(data=st.data(), volume_ml=st.sampled_from((0, 1, 300, 500)))
    def end_a_pour(self, data: st.DataObject, volume_ml: int) -> None:
        """A device ends a grant: the one it holds, or one that is long over."""
        grant_id = data.draw(st.sampled_from(self.granted))
        pour = Report(
            client_tx_id=f"tx-{grant_id}",
            short_id="000001",
            tap_id="1",
            location="main",
            volume_ml=Decimal(volume_ml),
            received_at=self.clock.now(),
            grant_id=grant_id,
            duration_ms=5000,
            age_ms=0,
            digest=b"one content",
        )
        pour = self.pours.setdefault(pour.client_tx_id, pour)
        [taken] = self.runner.run(self.take_in([pour]))
        late = taken.result.reason == "began_after_close"  # under a grant that staff had ended
        assert taken.result.status in {PourStatus.ACCEPTED, PourStatus.DUPLICATE} or late
        self.live.pop(grant_id, None)
        self.ended.add(grant_id)  # a device never opens again for a grant that it ended

    @rule(guest=st.integers(0, GUESTS - 1))
    def staff_unlock(self, guest: int) -> None:
        visit_id = self.guests[guest].visit_id
        order = contract.ForceUnlock(visit_id=visit_id, reason="the tap is broken")
        if self._staff(visits.force_unlock, order):
            self.live = {one: live for one, live in self.live.items() if live.visit_id != visit_id}

    @rule(guest=st.integers(0, GUESTS - 1))
    def staff_replace_the_card(self, guest: int) -> None:
        card_uid = f"04{new_id().hex[-12:]}"
        order = contract.BindCard(visit_id=self.guests[guest].visit_id, card_uid=card_uid)
        if self._staff(visits.bind_card, order):
            self.guests[guest].card_uid = card_uid

    @rule(tap=st.sampled_from(TAPS), stop=st.booleans())
    def staff_stop_or_resume(self, tap: str, *, stop: bool) -> None:
        order = StopTap if stop else ResumeTap
        self._staff(taps.stop_tap if stop else taps.resume_tap, order(tap_id=tap, reason="because"))

    @rule(guest=st.integers(0, GUESTS - 1))
    def staff_close_and_open_anew(self, guest: int) -> None:
        one = self.guests[guest]
        if not self._staff(
            visits.close_visit, contract.CloseVisit(visit_id=one.visit_id, reason="left")
        ):
            return
        assert one.visit_id not in {live.visit_id for live in self.live.values()}
        opening = contract.OpenVisit(guest_id=one.guest_id, card_uid=one.card_uid)
        self.clock.advance(seconds=1)

        async def open_anew() -> str:
            async with self.auth.database.transaction() as unit:
                return (await visits.open_visit(opening, unit, STAFF)).id

        one.visit_id = self.runner.run(open_anew())

    def _staff(self, handle: Any, order: Command) -> bool:  # noqa: ANN401 handlers of many orders
        """Carry an order out; return whether the rules allowed it."""

        async def carry_out() -> bool:
            with contextlib.suppress(Rejected):
                async with self.auth.database.transaction() as unit:
                    await handle(order, unit, STAFF)
                return True
            return False

        return self.runner.run(carry_out())

    @rule(count=st.integers(1, 10), twice=st.booleans(), forth=st.booleans())
    def events_arrive(self, count: int, *, twice: bool, forth: bool) -> None:
        sides = (self.auth, self.books) if forth else (self.books, self.auth)
        self.runner.run(self._pump(*sides, count, twice=twice))

    @rule(seconds=st.sampled_from((1, 11, 40)))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(mood=st.sampled_from(("answers", "is away")))
    def repair(self, mood: str) -> None:
        self.ledger.mood = mood
        with contextlib.suppress(Retryable):
            self.runner.run(self._repair())
        self.ledger.mood = "answers"

    async def _repair(self) -> None:
        await repair_unanswered(
            database=self.auth.database,
            caller=self.ledger,  # type: ignore[arg-type]
            clock=self.clock,
        )

    async def _pump(self, source: Side, target: Side, count: int, *, twice: bool) -> int:
        async with source.database.transaction() as unit:
            rows = await unit.all(
                "SELECT id, subject, payload FROM outbox WHERE published_at IS NULL"
                " ORDER BY id LIMIT %s",
                (count,),
            )
        for row in rows:
            for _ in range(1 + twice):
                await self._deliver(target, row["subject"], row["payload"].encode())
        async with source.database.transaction() as unit:
            await unit.execute(
                "UPDATE outbox SET published_at = now() WHERE id = ANY(%s)",
                ([row["id"] for row in rows],),
            )
        return len(rows)

    async def _deliver(self, side: Side, subject: str, payload: bytes) -> None:
        if subject in side.subjects:
            message = Message(
                subject=subject,
                data=payload,
                headers={},
                received_at=datetime.now(UTC),
                sequence=1,
                deliveries=1,
            )
            await side.reads([message])

    @invariant()
    def an_open_valve_has_its_lock(self) -> None:
        standing = set(
            self._column(
                self.auth.url, "SELECT grant_id::text FROM tap_lock WHERE released_at IS NULL"
            )
        )
        assert set(self.live) <= standing

    def teardown(self) -> None:
        """When everything has arrived, locks, holds and money agree."""
        try:
            self.runner.run(self._settle())
            self._agree()
        finally:
            self.runner.run(self.auth.database.close())
            self.runner.run(self.books.database.close())
            self.runner.close()
            for look in self.looks.values():
                look.close()

    async def _settle(self) -> None:
        self.clock.advance(seconds=60)
        await self._repair()
        moved = 1
        while moved:
            moved = await self._pump(self.auth, self.books, 100, twice=True)
            moved += await self._pump(self.books, self.auth, 100, twice=True)

    def _agree(self) -> None:
        connections = {"auth-lock": self.looks[self.auth.url], "ledger": self.looks[self.books.url]}
        for across in ACROSS:
            if across.name in {"no_lock_outlives_its_pour", "no_hold_without_a_lock"}:
                assert list(across.offenders(connections)) == [], across.name
        for url, rules in ((self.auth.url, AUTH_RULES), (self.books.url, LEDGER_RULES)):
            for own in rules:
                if not own.name.startswith("outbox"):
                    assert self.looks[url].execute(own.sql.encode()).fetchall() == [], own.name
        for guest in self.guests:
            query = f"SELECT balance FROM account WHERE guest_id = '{guest.guest_id}'"
            charged = self._column(
                self.books.url,
                f"SELECT coalesce(sum(amount), 0)::bigint FROM pour WHERE guest_id = '{guest.guest_id}'",  # noqa: E501
            )
            assert self._column(self.books.url, query) == [PAID_IN - charged[0]]

    def _column(self, url: str, query: str) -> list[Any]:
        return [row[0] for row in self.looks[url].execute(query.encode()).fetchall()]


def _told(event: Event) -> bytes:
    return Envelope(
        id=str(new_id()),
        type=f"{event.TYPE}.v1",
        source=event.PRODUCER,
        subject="cellar",
        time=datetime.now(UTC),
        aggregate="cellar",
        version=1,
        data=event,
    ).wire()


def _empty(url: str) -> None:
    """Take every row out, past the triggers that forbid it."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        names = ", ".join(f'"{name}"' for (name,) in found if name not in KEEP)
        connection.execute("SET session_replication_role = replica")
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE".encode())


@pytest.fixture
def urls(fresh_database: FreshDatabase) -> Mapping[str, str]:
    return {service: fresh_database(service) for service in ("auth-lock", "ledger")}


@pytest.mark.requirement("LK-2")
@pytest.mark.requirement("LK-5")
def test_no_visit_pours_twice_at_once_whatever_happens_when(urls: Mapping[str, str]) -> None:
    run_state_machine_as_test(
        lambda: Evening(urls),  # type: ignore[arg-type] # a maker serves as the class
        settings=searching(share=8, steps=40),
    )
