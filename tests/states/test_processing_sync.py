"""A tap's state, and above all `processing_sync`: entered and left by itself, whatever happens.

auth-lock's handlers run on its real database. The model keeps the facts that a person at the bar
could name; after every step each tap must say what follows from them, so that no fact changes
unheard. At any moment two ways lead out of `processing_sync`: the tap comes back with nothing to
sync, or a person resets it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from pourline.auth_lock import consumers
from pourline.auth_lock.handlers import taps, visits
from pourline.auth_lock.handlers.answers import Asked
from pourline.auth_lock.handlers.authorize import Authorize
from pourline.auth_lock.store.taps import StatusWord
from pourline.contracts import guests as contract
from pourline.contracts.base import Command, Event
from pourline.contracts.base import Message as Contract
from pourline.contracts.books import PourReconciled
from pourline.contracts.cellar import KegLevelChanged
from pourline.contracts.device import AuthorizeRequest, Decision, PourStatus, TapStatus
from pourline.contracts.money import (
    GetGrant,
    Grant,
    Hold,
    PlaceHold,
    PourAccepted,
    PourHeld,
    PourMismatched,
    PourSettled,
    VoidHold,
)
from pourline.contracts.taps import CleanTap, CreateTap, ResetTapSync, ResumeTap, StopTap
from pourline.kit.db import Database
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.testkit.access import connect_keg, envelope, seat_guest, seat_tap, status_word
from pourline.testkit.clock import FakeClock
from pourline.testkit.machines import searching
from pourline.testkit.plugin import FreshDatabase

pytestmark = pytest.mark.long

STAFF = Context(actor="anna", level=5)
TAPS = st.sampled_from(("1", "2"))
CARDS = ("04000000000001", "04000000000002")
KINDS: tuple[type[PourSettled], ...] = (PourAccepted, PourHeld, PourMismatched, PourReconciled)
ORDERS: dict[str, tuple[Any, type[Command], str | None]] = {
    "stop": (taps.stop_tap, StopTap, "stopped"),
    "clean": (taps.clean_tap, CleanTap, "cleaning"),
    "resume": (taps.resume_tap, ResumeTap, None),
}


class Ledger:
    """Holds everything it is asked to hold."""

    def waiting(self, share: float) -> "Ledger":
        """Return itself: it never lets anybody wait."""
        del share
        return self

    async def ask(
        self, command: Command, answer: type[Contract], *, actor: str = "system"
    ) -> Contract:
        del answer, actor
        match command:
            case PlaceHold():
                volume = Decimal(500)
                return Hold(grant_id=command.grant_id, amount=1, max_volume_ml=volume, balance=1)
            case GetGrant() | VoidHold():
                return Grant(grant_id=command.grant_id, state="pending")
        raise AssertionError(command)


@dataclass
class Tap:
    """What a person at the bar could say of a tap."""

    beverage: Any
    keg_id: str = ""
    keg_version: int = 1
    online: bool = True
    pending_sync: int = 0
    is_reset: bool = False
    order: str | None = None
    has_beer: bool = True
    locks: set[str] = field(default_factory=set)
    words: list[StatusWord] = field(default_factory=list)

    @property
    def state(self) -> str:
        if self.order:
            return self.order
        if not self.has_beer:
            return "out_of_keg"
        unsettled = self.pending_sync > 0 or (bool(self.locks) and not self.online)
        return "processing_sync" if unsettled and not self.is_reset else "active"


class Wall(RuleBasedStateMachine):
    """Two taps, two guests, staff, and a link that comes and goes."""

    def __init__(self, make: Callable[[], str]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.database = Database(url=make(), service="auth-lock", clock=self.clock)
        self.authorize = Authorize(
            database=self.database,
            caller=Ledger(),  # type: ignore[arg-type]
            clock=self.clock,
        )
        self.seq = 10
        self.taps: dict[str, Tap] = {}
        self.visits: list[str] = []
        self.runner.run(self._open())

    async def _open(self) -> None:
        await self.database.open()
        for tap_id in ("1", "2"):
            self.taps[tap_id] = Tap(beverage=new_id())
            tap = CreateTap(id=tap_id, name=f"Tap {tap_id}")
            await seat_tap(self.database, self.clock, self.taps[tap_id].beverage, tap)
            await self._know_keg(tap_id)
        for card_uid in CARDS:
            self.visits.append((await seat_guest(self.database, card_uid)).id)

    async def _know_keg(self, tap_id: str) -> None:
        async with self.database.transaction() as unit:
            row = await unit.one("SELECT keg_id FROM tap WHERE id = %s", (tap_id,))
        self.taps[tap_id].keg_id = str(row["keg_id"])
        self.taps[tap_id].keg_version = 1

    @rule(tap_id=TAPS, online=st.booleans(), pending_sync=st.sampled_from((0, 0, 1, 7)))
    def the_tap_says_how_it_is(self, tap_id: str, pending_sync: int, *, online: bool) -> None:
        self.clock.advance(seconds=1)
        self.seq += 1
        self._say(tap_id, TapStatus(online=online, pending_sync=pending_sync), self.seq)

    def _say(self, tap_id: str, status: TapStatus, seq: int) -> None:
        tap = self.taps[tap_id]
        tap.online, tap.pending_sync = status.online, status.pending_sync
        tap.is_reset = False
        word = status_word(tap_id, status, self.clock, seq=seq)
        tap.words.append(word)
        self.runner.run(self._hear_status(word))

    async def _hear_status(self, word: StatusWord) -> None:
        async with self.database.transaction() as unit:
            await taps.take_status(unit, [word])

    @rule(tap_id=TAPS, data=st.data())
    def an_old_word_comes_again(self, tap_id: str, data: st.DataObject) -> None:
        """The broker delivers an older status once more: nothing changes."""
        words = self.taps[tap_id].words[:-1]
        if words:
            self.runner.run(self._hear_status(data.draw(st.sampled_from(words))))

    @rule(tap_id=TAPS)
    def the_broker_loses_everything(self, tap_id: str) -> None:
        """Its numbers begin anew and old words are gone; the tap says again how it is."""
        self.clock.advance(seconds=1)
        self.seq = 1
        for each in self.taps.values():
            each.words.clear()
        tap = self.taps[tap_id]
        self._say(tap_id, TapStatus(online=tap.online, pending_sync=tap.pending_sync), self.seq)

    @rule(tap_id=TAPS, guest=st.integers(0, 1))
    def put_card(self, tap_id: str, guest: int) -> None:
        tap = self.taps[tap_id]
        request = AuthorizeRequest(request_id=str(new_id()), card_uid=CARDS[guest])
        asked = Asked(tap_id=tap_id, location="main", request=request, received_at=self.clock.now())
        answer = self.runner.run(self.authorize(asked))
        if tap.state != "active":
            assert answer.decision is Decision.DENY, f"{tap.state} lets a card pour"
        if answer.decision is Decision.ALLOW:
            tap.locks = {str(answer.grant_id)}

    @rule(tap_id=TAPS, kind=st.sampled_from(KINDS), times=st.integers(1, 2))
    def the_pour_is_in_the_books(self, tap_id: str, kind: type[PourSettled], times: int) -> None:
        """Word of a pour comes, once or twice; accepted, late or held, it opens its lock."""
        for grant_id in list(self.taps[tap_id].locks):
            told = self._told(kind, tap_id, grant_id)
            for _ in range(times):
                self._hear(told)
            self.taps[tap_id].locks.discard(grant_id)

    def _told(self, kind: type[PourSettled], tap_id: str, grant_id: str) -> PourSettled:
        now = self.clock.now()
        return kind.model_validate(
            {
                "client_tx_id": str(new_id()),
                "tap_id": tap_id,
                "location": "main",
                "settles_grant_id": grant_id,
                "volume_ml": 300,
                "amount": 270,
                "status": PourStatus.ACCEPTED,
                "started_at": now,
                "ended_at": now,
                "received_at": now,
                "accepted_at": now,
            }
        )

    def _hear(self, event: Event, version: int = 1) -> None:
        async def hear() -> None:
            told = envelope(event, self.clock.now()).model_copy(update={"version": version})
            async with self.database.transaction() as unit:
                await consumers.handlers()[type(event)]([told], unit)

        self.runner.run(hear())

    @rule(guest=st.integers(0, 1))
    def staff_unlock(self, guest: int) -> None:
        order = contract.ForceUnlock(visit_id=self.visits[guest], reason="broken")

        async def unlock() -> list[str]:
            async with self.database.transaction() as unit:
                rows = await unit.all(
                    "SELECT grant_id FROM tap_lock WHERE visit_id = %s AND released_at IS NULL",
                    (order.visit_id,),
                )
                if rows:
                    await visits.force_unlock(order, unit, STAFF)
            return [str(row["grant_id"]) for row in rows]

        for grant_id in self.runner.run(unlock()):
            for tap in self.taps.values():
                tap.locks.discard(grant_id)

    @rule(tap_id=TAPS, what=st.sampled_from(sorted(ORDERS)))
    def staff_order(self, tap_id: str, what: str) -> None:
        handle, order, state = ORDERS[what]

        async def carry_out() -> bool:
            try:
                async with self.database.transaction() as unit:
                    await handle(order(tap_id=tap_id, reason="because"), unit, STAFF)
            except Rejected:
                return False
            return True

        if self.runner.run(carry_out()):
            self.taps[tap_id].order = state

    @rule(tap_id=TAPS)
    def staff_reset(self, tap_id: str) -> None:
        """A person resets a tap: it never stays in `processing_sync` after that."""

        async def reset() -> int:
            async with self.database.transaction() as unit:
                await taps.reset_sync(ResetTapSync(tap_id=tap_id, reason="seen"), unit, STAFF)
                row = await unit.one(
                    "SELECT count(*) AS times FROM audit WHERE action = 'tap_sync_reset'"
                )
            return int(row["times"])

        assert self.runner.run(reset()) > 0, "a reset is on record"
        self.taps[tap_id].is_reset = True
        assert self._states()[tap_id] != "processing_sync"

    @rule(tap_id=TAPS, remaining_ml=st.sampled_from((0, 20_000)))
    def the_keg_says_what_is_left(self, tap_id: str, remaining_ml: int) -> None:
        tap = self.taps[tap_id]
        tap.keg_version += 1
        tap.has_beer = remaining_ml > 0
        level = KegLevelChanged(
            keg_id=tap.keg_id,
            beverage_id=str(tap.beverage),
            beverage_name="Pils",
            tap_id=tap_id,
            volume_ml=Decimal(50_000),
            remaining_ml=Decimal(remaining_ml),
        )
        self._hear(level, tap.keg_version)

    @rule(tap_id=TAPS)
    def a_new_keg_comes(self, tap_id: str) -> None:
        self.clock.advance(seconds=1)
        tap = self.taps[tap_id]
        self.runner.run(connect_keg(self.database, self.clock, tap_id, tap.beverage))
        self.runner.run(self._know_keg(tap_id))
        tap.has_beer = True

    @invariant()
    def each_tap_says_what_follows_from_the_facts(self) -> None:
        assert self._states() == {tap_id: tap.state for tap_id, tap in self.taps.items()}

    def _states(self) -> dict[str, str]:
        async def look() -> dict[str, str]:
            async with self.database.transaction() as unit:
                rows = await unit.all("SELECT id, state FROM tap")
            return {row["id"]: row["state"] for row in rows}

        return self.runner.run(look())

    def teardown(self) -> None:
        """From wherever it is: back with an empty queue, its pour in the books, a tap pours."""
        try:
            for tap_id, tap in self.taps.items():
                self.the_pour_is_in_the_books(tap_id, PourAccepted, 1)
                self.the_tap_says_how_it_is(tap_id, 0, online=True)
                assert self._states()[tap_id] == (tap.order or tap.state)
                assert self._states()[tap_id] != "processing_sync"
        finally:
            self.runner.run(self.database.close())
            self.runner.close()


@pytest.mark.requirement("SY-3")
def test_no_sequence_of_events_leaves_a_tap_in_processing_sync(
    fresh_database: FreshDatabase,
) -> None:
    run_state_machine_as_test(
        lambda: Wall(lambda: fresh_database("auth-lock")),  # type: ignore[arg-type] # a maker
        settings=searching(share=5, steps=40),
    )
