"""Outbox, bus, inbox, gap watch and dead letters as a state machine: nothing lost, nothing twice.

Whatever dies, is lost, doubled or late; whatever a reader cannot handle until it is mended.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
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
from nats.aio.client import Client
from pourline.contracts.base import Envelope
from pourline.contracts.guests import GuestRegistered
from pourline.contracts.upkeep import DeadLetter, close_of, list_of, replay_of
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.dead_letters import DeadLetters
from pourline.kit.errors import Rejected
from pourline.kit.gaps import GapWatch, Patience
from pourline.kit.ids import new_id
from pourline.kit.inbox import Inbox
from pourline.kit.nats import BatchConsumer, Context, EventConsumer, Message
from pourline.kit.outbox import Relay
from pourline.kit.replay import Retelling
from pourline.testkit.clock import FakeClock
from pourline.testkit.machines import searching
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.shaky_bus import Crashed, ShakyBus
from pourline.upkeep.letters import AlreadyClosed, FailedAgain, Letters
from pourline.upkeep.retention import Retention

CONSUMER = "shift--events"
KEPT = "outbox, inbox, inbox_confirmed, dead_letter, effect"
AGED = {"outbox": "created_at", "inbox": "at", "dead_letter": "at"}
ListLetters, Replay, Close = list_of("ledger"), replay_of("ledger"), close_of("ledger")
Found = TypeVar("Found")
MANAGER = Context(actor="anna", level=4)
POINTS = ("before the commit", "after the commit", "before a letter", "after a letter")
LIVES = st.none() | st.sampled_from(POINTS)
DELIVERIES = st.sampled_from((1, 1, 4, 21, 21))
"""Once, often enough to be a suspect, or so often that it is set aside untried."""


class Plumbing(RuleBasedStateMachine):
    """A producer and a reader on one database, with a bus that keeps no promise between them."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.url = url
        self.announced: list[str] = []
        self.crash_at: str | None = None
        self.is_broken = False
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {KEPT} RESTART IDENTITY".encode())
            connection.execute("UPDATE outbox_counter SET value = 0")
        self.bus = ShakyBus()
        self.runner.run(self.open())

    async def open(self) -> None:
        self.database = Database(url=self.url, service="ledger", clock=FakeClock())
        await self.database.open()
        bus: Client = self.bus  # type: ignore[assignment]
        self.relay = Relay(url=self.url, service="ledger", bus=bus)
        await Retelling(bus=bus, service="ledger", database=self.database).start()
        self.retention = Retention(database=self.database)
        self.start_reader()

    def start_reader(self) -> None:
        """Begin a life of the reader's process: what it had in memory is gone."""
        bus: Client = self.bus  # type: ignore[assignment]
        take_in = EventConsumer(
            database=self.database,
            inbox=Inbox(consumer=CONSUMER),
            handlers={GuestRegistered: self.effect},
        )
        self.reader = BatchConsumer(
            bus=bus, stream="EVENTS", durable=CONSUMER, handle=take_in, set_aside=self.set_aside
        )
        self.letters = Letters(database=self.database, readers={CONSUMER: take_in})
        self.watch = GapWatch(
            bus=bus,
            database=self.database,
            stream="EVENTS",
            consumer=CONSUMER,
            read={"ledger": [GuestRegistered.subject()]},
            patience=Patience(settled_s=0, taken_in_s=0),
        )

    async def effect(self, events: Sequence[Envelope[GuestRegistered]], unit: UnitOfWork) -> None:
        for event in events:
            await unit.execute("INSERT INTO effect VALUES (%s)", (event.data.name,))
        self.dies("before the commit")
        if self.is_broken and any(event.data.name.startswith("odd") for event in events):
            raise Rejected("It is odd.")

    async def set_aside(self, message: Message, reason: str, deliveries: int) -> None:
        self.dies("before a letter")
        keep = DeadLetters(database=self.database, consumer=CONSUMER)
        await keep(message, reason, deliveries)
        self.dies("after a letter")

    def dies(self, point: str) -> None:
        if self.crash_at == point:
            self.crash_at = None
            raise Crashed

    @rule(oddities=st.lists(st.booleans(), min_size=1, max_size=3), commits=st.booleans())
    def announce(self, oddities: list[bool], *, commits: bool) -> None:
        self.runner.run(self._announce(oddities, commits=commits))

    async def _announce(self, oddities: list[bool], *, commits: bool) -> None:
        first = len(self.announced)
        names = [
            f"{'odd' if odd else 'even'} guest {first + number}"
            for number, odd in enumerate(oddities)
        ]
        with contextlib.suppress(ZeroDivisionError):
            async with self.database.transaction() as unit:
                for name in names:
                    event = GuestRegistered(guest_id=str(new_id()), name=name)
                    unit.announce(event, aggregate=f"guest:{name}")
                if not commits:
                    raise ZeroDivisionError
            self.announced += names

    @rule(crash_before=st.none() | st.integers(0, 4), stores_the_last=st.booleans())
    def relay_turns(self, crash_before: int | None, *, stores_the_last: bool) -> None:
        """Publish some; the relay may die before a message, or before it hears it is stored."""
        self.bus.crash_before, self.bus.stores_the_last = crash_before, stores_the_last
        self.runner.run(self._relay_turns())
        self.bus.crash_before = None

    async def _relay_turns(self) -> bool:
        with contextlib.suppress(Crashed):
            async with await self.relay.lead.connect() as connection:
                return await self.relay.publish_some(connection)
        return True

    @precondition(lambda self: self.bus.unacknowledged)
    @rule(
        data=st.data(),
        crash_at=LIVES,
        crash_at_ack=st.none() | st.integers(0, 2),
        deliveries=DELIVERIES,
    )
    def deliver(
        self, data: st.DataObject, crash_at: str | None, crash_at_ack: int | None, deliveries: int
    ) -> None:
        """Deliver some messages in any order, some of them twice."""
        waiting = st.sampled_from(self.bus.unacknowledged)
        batch = data.draw(st.lists(waiting, min_size=1, max_size=6))
        self.bus.crash_at_ack = 0 if crash_at == "after the commit" else crash_at_ack
        with self._maybe_dying(crash_at):
            raw = self.bus.delivered(batch, deliveries=deliveries)
            self.runner.run(self.reader.take(raw))
        self.bus.crash_at_ack = None

    @contextlib.contextmanager
    def _maybe_dying(self, crash_at: str | None) -> Iterator[None]:
        self.crash_at = crash_at
        try:
            yield
        except Crashed:
            self.start_reader()
        self.crash_at = None

    @precondition(lambda self: self.bus.stream)
    @rule(data=st.data())
    def a_message_is_lost(self, data: st.DataObject) -> None:
        self.bus.forget(data.draw(st.sampled_from(sorted(self.bus.stream))))

    @precondition(lambda self: self.bus.stream)
    @rule(data=st.data())
    def a_message_comes_again(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.bus.stream)))
        self.bus.unacknowledged.append(self.bus.stream[number])

    @rule()
    def the_store_is_wiped(self) -> None:
        self.bus.wipe()

    @rule()
    def look_for_gaps(self) -> None:
        self.runner.run(self.watch.close_gaps("ledger"))

    @rule(is_broken=st.booleans())
    def another_version_of_the_reader(self, *, is_broken: bool) -> None:
        self.is_broken = is_broken
        self.start_reader()

    @rule(data=st.data(), crash_at=LIVES | st.just("before it is settled"))
    def replay_a_letter(self, data: st.DataObject, crash_at: str | None) -> None:
        """Hand a letter to its reader again, one that was closed too; the process may die."""
        found = [*self._letters(), *self._letters(closed=True)]
        if not found:
            return
        letter = data.draw(st.sampled_from(found))
        with self._maybe_dying(crash_at), contextlib.suppress(FailedAgain):
            self.runner.run(self._replay(letter))

    async def _replay(self, letter: DeadLetter) -> None:
        order = Replay(letter_id=str(letter.id))
        await self.letters.hand_again(order, MANAGER)
        self.dies("before it is settled")
        async with self.database.transaction() as unit:
            await self.letters.settle(order, unit, MANAGER)

    @rule(data=st.data())
    def close_a_letter(self, data: st.DataObject) -> None:
        if found := self._letters():
            letter = data.draw(st.sampled_from(found))
            order = Close(letter_id=str(letter.id), reason="of no use")
            self.runner.run(self._in_a_unit(lambda unit: self.letters.close(order, unit, MANAGER)))
            with pytest.raises(AlreadyClosed):
                self.runner.run(
                    self._in_a_unit(lambda unit: self.letters.close(order, unit, MANAGER))
                )

    @rule()
    def forty_days_pass(self) -> None:
        """Let everything arrive that can, and forget what is old; letters wait all the while."""
        assert self.runner.run(self._arrive()) == 0
        with psycopg.connect(self.url, autocommit=True) as connection:
            for table, column in AGED.items():
                connection.execute(
                    f"UPDATE {table} SET {column} = {column} - interval '40 days'".encode()
                )
        self.bus.wipe()
        self.runner.run(self.retention.tidy())

    @invariant()
    def nothing_had_its_effect_twice_or_unannounced(self) -> None:
        effects = self._column("SELECT name FROM effect")
        assert len(effects) == len(set(effects))
        assert set(effects) <= set(self.announced)

    @invariant()
    def numbers_have_no_gaps(self) -> None:
        numbers = self._column("SELECT seq FROM outbox WHERE seq IS NOT NULL ORDER BY seq")
        assert numbers == list(range(numbers[0], numbers[-1] + 1) if numbers else ())

    def teardown(self) -> None:
        """When everything works again and letters are replayed, everything has its effect."""
        try:
            missing = self.runner.run(self._arrive())
            self.is_broken = False
            while found := [*self._letters(), *self._letters(closed=True)]:
                for letter in found:
                    self.runner.run(self._replay(letter))
        finally:
            self.runner.run(self.database.close())
            self.runner.close()
        assert missing == 0
        assert sorted(self._column("SELECT name FROM effect")) == sorted(self.announced)
        assert self._column("SELECT 1 FROM outbox WHERE published_at IS NULL") == []

    async def _arrive(self) -> int:
        """Publish, deliver and close gaps, without mishaps; return how many are missing."""
        self.bus.two_minutes_pass()
        for _ in range(3):
            while await self._relay_turns():
                pass
            if self.bus.unacknowledged:
                await self.reader.take(self.bus.delivered(self.bus.unacknowledged))
            await self.watch.close_gaps("ledger")
        return await self.watch.close_gaps("ledger")

    def _letters(self, *, closed: bool = False) -> list[DeadLetter]:
        return self.runner.run(
            self._in_a_unit(
                lambda unit: self.letters.list_waiting(ListLetters(closed=closed), unit, MANAGER)
            )
        ).items

    async def _in_a_unit(self, work: Callable[[UnitOfWork], Awaitable[Found]]) -> Found:
        async with self.database.transaction() as unit:
            return await work(unit)

    def _column(self, query: str) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            return [row[0] for row in connection.execute(query.encode()).fetchall()]


@pytest.mark.long
def test_every_event_has_its_effect_once_whatever_happens_on_the_way(
    fresh_database: FreshDatabase,
) -> None:
    url = fresh_database("shift")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE effect (name text NOT NULL)")
    run_state_machine_as_test(
        lambda: Plumbing(url),  # type: ignore[arg-type] # a maker serves as the class
        settings=searching(share=6, steps=50),
    )
