"""The ledger's books against a model that fits on a page, whatever people and taps do.

The model knows three guests' money, what was entered by hand, and what every pour was told. The
ledger runs on its real database.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pourline.contracts.base import Command
from pourline.contracts.books import CorrectAccount, DecidePour, Decision, PayOut, ReconcilePour
from pourline.contracts.money import PlaceHold, Refund, TopUp, VoidHold
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.ledger.domain import Report
from pourline.ledger.handlers import by_hand, closing, decisions, money
from pourline.ledger.handlers.pours import TakeInPours
from pourline.ledger.store import copies
from pourline.testkit.books import STAFF, Books, open_books
from pourline.testkit.clock import FakeClock
from pourline.testkit.machines import searching
from pourline.testkit.plugin import FreshDatabase

pytestmark = pytest.mark.long

PRICE = 500
TAPS = ("1", "2")
GUESTS = st.integers(0, 2)
VOLUMES = st.sampled_from((0, 100, 300, 301, 450))
SHORT_IDS = st.sampled_from(("000001", "000002", "000003"))
AMOUNTS = st.integers(1, 3000)
Handle = Callable[..., Coroutine[Any, Any, Any]]


def worth(volume_ml: int) -> int:
    exact = Decimal(volume_ml) * PRICE / 1000
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@dataclass
class Entered:
    """A pour entered by hand that no tap has sent."""

    tap_id: str
    short_id: str
    volume_ml: int
    amount: int
    at: datetime


@dataclass
class Sent:
    """A pour that a tap sent, and what it was told first."""

    report: Report
    guest: int
    status: str
    amount: int | None
    given_back: int = 0


@dataclass
class Person:
    """A guest as the model knows him."""

    guest_id: UUID
    visit_id: UUID
    opened_at: datetime
    closed_at: datetime | None = None
    balance: int = 0
    held: dict[str, tuple[str, int]] = field(default_factory=dict)
    entered: list[Entered] = field(default_factory=list)
    known: dict[tuple[str, str], int] = field(default_factory=dict)
    placed: dict[str, datetime] = field(default_factory=dict)

    @property
    def free(self) -> int:
        return self.balance - sum(amount for _, amount in self.held.values())


class Evening(RuleBasedStateMachine):
    """Every rule does a thing to the ledger and to the model, and compares."""

    def __init__(self, make: Callable[[], str]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.stack = contextlib.AsyncExitStack()
        self.books: Books = self.runner.run(
            self.stack.enter_async_context(open_books(make(), self.clock))
        )
        self.take_in = TakeInPours(database=self.books.database)
        self.sent: dict[str, Sent] = {}
        self.people = [self.runner.run(self._seat()) for _ in range(3)]
        self.runner.run(self._second_tap())
        self.clock.advance(minutes=10)

    async def _seat(self) -> Person:
        one = Person(guest_id=new_id(), visit_id=new_id(), opened_at=self.clock.now())
        await self._know(one)
        return one

    async def _know(self, one: Person) -> None:
        async with self.books.database.transaction() as unit:
            await copies.save_visit(
                unit, visit_id=one.visit_id, guest_id=one.guest_id, opened_at=one.opened_at
            )

    async def _second_tap(self) -> None:
        async with self.books.database.transaction() as unit:
            at = self.clock.now() - timedelta(hours=1)
            await copies.connect_keg(
                unit, tap_id="2", keg_id=new_id(), beverage_id=self.books.beverage, at=at
            )

    def do(self, handle: Handle, order: Command) -> Any:  # noqa: ANN401 answers of many orders
        """Carry an order out; return its answer, or the code of its refusal."""

        async def carry_out() -> Any:  # noqa: ANN401 as above
            try:
                async with self.books.database.transaction() as unit:
                    return await handle(order, unit, STAFF)
            except Rejected as refused:
                return refused.wire_code

        return self.runner.run(carry_out())

    @rule(guest=GUESTS, amount=AMOUNTS)
    def top_up(self, guest: int, amount: int) -> None:
        one = self.people[guest]
        one.balance += amount
        booked = self.do(money.top_up, TopUp(guest_id=str(one.guest_id), amount=amount))
        assert booked.balance == one.balance

    @rule(guest=GUESTS, amount=AMOUNTS)
    def refund(self, guest: int, amount: int) -> None:
        one = self.people[guest]
        answer = self.do(money.refund, Refund(guest_id=str(one.guest_id), amount=amount))
        if amount > one.free:
            assert answer == "insufficient_balance"
        else:
            one.balance -= amount
            assert answer.balance == one.balance

    @rule(guest=GUESTS)
    def pay_out(self, guest: int) -> None:
        one = self.people[guest]
        expected = max(one.free, 0)
        one.balance -= expected
        answer = self.do(closing.pay_out, PayOut(guest_id=str(one.guest_id)))
        assert (answer.amount, answer.balance) == (expected, one.balance)

    @rule(guest=GUESTS, amount=st.integers(-500, 500).filter(bool))
    def correct(self, guest: int, amount: int) -> None:
        one = self.people[guest]
        order = CorrectAccount(guest_id=str(one.guest_id), amount=amount, reason="because")
        answer = self.do(closing.correct_account, order)
        if amount < 0 and one.free + amount < 0:
            assert answer == "insufficient_balance"
        else:
            one.balance += amount
            assert answer.balance == one.balance

    @rule(guest=GUESTS, tap=st.sampled_from(TAPS))
    def hold(self, guest: int, tap: str) -> None:
        """Hold everything that is free for one pour; a newer hold takes an older one's place."""
        one = self.people[guest]
        if one.closed_at:
            return  # auth-lock grants nothing to a closed visit
        pending = {key: held for key, held in one.held.items() if held[0] == "pending"}
        free = one.free + sum(amount for _, amount in pending.values())
        order = PlaceHold(
            grant_id=str(new_id()),
            request_id="r",
            visit_id=str(one.visit_id),
            guest_id=str(one.guest_id),
            tap_id=tap,
            location="main",
            price_per_litre=PRICE,
            keg_limit_ml=Decimal(1000),
            min_pour_ml=Decimal(50),
        )
        answer = self.do(money.place_hold, order)
        if free < worth(50):
            assert answer == "insufficient_balance"
            return
        assert answer.amount == min(worth(1000), free)
        for key in pending:
            del one.held[key]
        one.held[order.grant_id] = ("pending", answer.amount)
        one.placed[order.grant_id] = self.clock.now()

    @precondition(lambda self: any(one.held for one in self.people))
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from([one for one in self.people if one.held]))
        grant_id = data.draw(st.sampled_from(sorted(one.held)))
        self.do(money.void_hold, VoidHold(grant_id=grant_id, visit_id=str(one.visit_id)))
        if one.held[grant_id][0] == "pending":
            del one.held[grant_id]

    @rule(
        guest=GUESTS,
        tap=st.sampled_from(TAPS),
        short_id=SHORT_IDS,
        volume_ml=VOLUMES,
        minutes_ago=st.sampled_from((0, 0, 5, 60)),
        with_grant=st.booleans(),
    )
    def pour(
        self,
        guest: int,
        tap: str,
        short_id: str,
        volume_ml: int,
        minutes_ago: int,
        *,
        with_grant: bool,
    ) -> None:
        one = self.people[guest]
        grants = sorted(key for key, held in one.held.items() if held[0] == "pending")
        report = Report(
            client_tx_id=str(new_id()),
            short_id=short_id,
            tap_id=tap,
            location="main",
            volume_ml=Decimal(volume_ml),
            received_at=self.clock.now(),
            age_ms=minutes_ago * 60_000,
            visit_id=str(one.visit_id),
            grant_id=grants[0] if with_grant and grants else None,
            digest=b"content",
        )
        self._send(report, guest, grants[0] if grants else None)

    def _send(self, report: Report, guest: int, pending: str | None) -> None:
        one = self.people[guest]
        holder = self._held_at(one, report, pending)
        status, amount = self._expected(one, report, holder)
        [answer] = self.runner.run(self.take_in([report]))
        told = answer.result
        assert (told.status, told.amount) == (status, amount)
        if holder:
            self._settle(one, holder, status)
        if status == "accepted":
            one.balance -= amount or 0
        assert told.balance == (None if status == "held" else one.balance)
        one.known.setdefault((report.tap_id, report.short_id), 0)
        self.sent[report.client_tx_id] = Sent(report, guest, status, amount)

    def _held_at(self, one: Person, report: Report, pending: str | None) -> str | None:
        """Return the grant that the pour ends: the one it names, or its own tap's."""
        if report.grant_id:
            return report.grant_id
        if pending is None:
            return None
        row = self._one("SELECT tap_id FROM grant_hold WHERE grant_id = %s", (UUID(pending),))
        return pending if row["tap_id"] == report.tap_id else None

    def _settle(self, one: Person, grant_id: str, status: str) -> None:
        kept = one.held.pop(grant_id, None)
        if kept and status == "held":
            one.held[grant_id] = ("held", kept[1])

    def _expected(self, one: Person, report: Report, holder: str | None) -> tuple[str, int | None]:
        volume_ml = int(report.volume_ml)
        for entry in one.entered:
            if (entry.tap_id, entry.short_id) == (report.tap_id, report.short_id):
                one.entered.remove(entry)
                agrees = abs(entry.volume_ml - volume_ml) <= 1
                return ("reconciled" if agrees else "mismatch"), entry.amount
        if volume_ml == 0:
            return "accepted", 0
        began = report.received_at - timedelta(milliseconds=report.age_ms or 0)
        if one.closed_at and began > one.closed_at:
            return "held", None
        began = max(began, one.opened_at)
        if holder:  # no tap of these says how long it poured: its session began with its grant
            began = min(began, one.placed[holder])
        if any(entry.tap_id == report.tap_id and began < entry.at for entry in one.entered):
            return "held", None
        return "accepted", worth(volume_ml)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), times=st.integers(1, 3))
    def repeat(self, data: st.DataObject, times: int) -> None:
        """A tap that heard no answer sends again: same words, no money."""
        sent = self.sent[data.draw(st.sampled_from(sorted(self.sent)))]
        for answer in self.runner.run(self.take_in([sent.report] * times)):
            first = "duplicate" if sent.status == "accepted" else sent.status
            assert (answer.result.status, answer.result.amount) == (first, sent.amount)

    @rule(guest=GUESTS, tap=st.sampled_from(TAPS), short_id=SHORT_IDS, volume_ml=VOLUMES)
    def enter(self, guest: int, tap: str, short_id: str, volume_ml: int) -> None:
        """Staff enter a pour; the first word on it stands."""
        one = self.people[guest]
        known = self._one(
            """
            SELECT client_tx_id FROM pour WHERE visit_id = %s AND tap_id = %s AND short_id = %s
            ORDER BY (entered_by IS NULL), number DESC LIMIT 1
            """,
            (one.visit_id, tap, short_id),
        )
        order = ReconcilePour(
            visit_id=str(one.visit_id), short_id=short_id, tap_id=tap, volume_ml=Decimal(volume_ml)
        )
        pour = self.do(by_hand.reconcile_pour, order)
        if known:
            assert pour.client_tx_id == known["client_tx_id"]
            return
        assert pour.amount == worth(volume_ml)
        one.balance -= pour.amount
        one.entered.append(Entered(tap, short_id, volume_ml, pour.amount, self.clock.now()))
        for grant_id, (state, _) in list(one.held.items()):
            row = self._one("SELECT tap_id FROM grant_hold WHERE grant_id = %s", (UUID(grant_id),))
            if state == "pending" and row["tap_id"] == tap:
                del one.held[grant_id]

    @precondition(lambda self: any(sent.status == "held" for sent in self.sent.values()))
    @rule(data=st.data(), decision=st.sampled_from(list(Decision)))
    def decide(self, data: st.DataObject, decision: Decision) -> None:
        waiting = sorted(key for key, sent in self.sent.items() if sent.status == "held")
        key = data.draw(st.sampled_from(waiting))
        sent, one = self.sent[key], self.people[self.sent[key].guest]
        undecided = self._one("SELECT decision, grant_id FROM pour WHERE client_tx_id = %s", (key,))
        order = DecidePour(
            client_tx_id=key,
            decision=decision,
            visit_id=sent.report.visit_id if decision is Decision.BILL else None,
            reason="looked",
        )
        answer = self.do(decisions.decide_pour, order)
        if undecided["decision"]:
            assert answer == "not_held"
            return
        if decision is Decision.BILL:
            assert answer.amount == worth(int(sent.report.volume_ml))
            one.balance -= answer.amount
        else:
            assert answer.amount == 0
        one.held.pop(str(undecided["grant_id"]), None)
        self._forget_matched(one)

    def _forget_matched(self, one: Person) -> None:
        """Drop entries that a rejected pour was joined with."""
        one.entered = [
            entry
            for entry in one.entered
            if self._one(
                """
                SELECT 1 AS found FROM pour WHERE visit_id = %s AND tap_id = %s AND short_id = %s
                  AND entered_by IS NOT NULL AND matched_by IS NULL
                """,
                (one.visit_id, entry.tap_id, entry.short_id),
            )
        ]

    @rule(guest=GUESTS)
    def close(self, guest: int) -> None:
        one = self.people[guest]
        if one.closed_at or any(state == "pending" for state, _ in one.held.values()):
            return
        one.closed_at = self.clock.now()
        self.runner.run(self._close(one))

    async def _close(self, one: Person) -> None:
        assert one.closed_at
        async with self.books.database.transaction() as unit:
            await copies.close_visit(
                unit, visit_id=one.visit_id, guest_id=one.guest_id, closed_at=one.closed_at
            )

    @rule(guest=GUESTS)
    def come_back(self, guest: int) -> None:
        """A guest who left opens another visit; what was entered for the old one stays there."""
        one = self.people[guest]
        if one.closed_at is None:
            return
        one.visit_id, one.opened_at, one.closed_at = new_id(), self.clock.now(), None
        one.entered, one.known = [], {}
        self.runner.run(self._know(one))

    @rule(minutes=st.sampled_from((1, 30)))
    def time_passes(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)

    @invariant()
    def every_balance_is_the_models(self) -> None:
        for one in self.people:
            row = self._one("SELECT balance FROM account WHERE guest_id = %s", (one.guest_id,))
            assert (row["balance"] if row else 0) == one.balance

    def _one(self, sql: str, arguments: tuple[object, ...]) -> dict[str, Any]:
        async def look() -> dict[str, Any]:
            async with self.books.database.transaction() as unit:
                return dict(await unit.maybe(sql, arguments) or {})

        return self.runner.run(look())

    def teardown(self) -> None:
        """In the end the books balance."""
        try:
            assert self.runner.run(self.books.offenders()) == []
        finally:
            self.runner.run(self.stack.aclose())
            self.runner.close()


@pytest.mark.requirement("LE-1", "SY-1", "SY-5", "SY-6")
def test_the_books_are_the_models_whatever_happens_in_whatever_order(
    fresh_database: FreshDatabase,
) -> None:
    run_state_machine_as_test(
        lambda: Evening(lambda: fresh_database("ledger")),  # type: ignore[arg-type] # a maker serves
        settings=searching(share=4, steps=30),
    )
