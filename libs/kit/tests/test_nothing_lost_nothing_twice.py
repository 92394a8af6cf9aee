"""Outbox, bus, inbox and gap watch as a state machine: whatever dies, is lost, doubled or late."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

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
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.gaps import GapWatch, Patience
from pourline.kit.ids import new_id
from pourline.kit.inbox import Inbox
from pourline.kit.nats import EventConsumer
from pourline.kit.outbox import Relay
from pourline.kit.replay import Retelling
from pourline.testkit.clock import FakeClock
from pourline.testkit.machines import searching
from pourline.testkit.shaky_bus import Crashed, ShakyBus, Stored

CONSUMER = "shift--events"
KEPT = "outbox, inbox, inbox_confirmed, dead_letter, effect"


class Plumbing(RuleBasedStateMachine):
    """A producer and a reader on one database, with a bus that keeps no promise between them."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.url = url
        self.announced: list[str] = []
        self.crash_at: str | None = None
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
        self.take_in = EventConsumer(
            database=self.database,
            inbox=Inbox(consumer=CONSUMER),
            handlers={GuestRegistered: self.effect},
        )
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
        if self.crash_at == "before the commit":
            raise Crashed

    @rule(count=st.integers(1, 4), commits=st.booleans())
    def announce(self, count: int, *, commits: bool) -> None:
        self.runner.run(self._announce(count, commits=commits))

    async def _announce(self, count: int, *, commits: bool) -> None:
        names = [f"guest {len(self.announced) + number}" for number in range(count)]
        with contextlib.suppress(ZeroDivisionError):
            async with self.database.transaction() as unit:
                for name in names:
                    event = GuestRegistered(guest_id=str(new_id()), name=name)
                    unit.announce(event, aggregate=f"guest:{name}")
                if not commits:
                    raise ZeroDivisionError
            self.announced += names

    @rule(crash_before=st.none() | st.integers(0, 4))
    def relay_turns(self, crash_before: int | None) -> None:
        self.bus.crash_before = crash_before
        self.runner.run(self._relay_turns())
        self.bus.crash_before = None

    async def _relay_turns(self) -> bool:
        with contextlib.suppress(Crashed):
            async with await self.relay.lead.connect() as connection:
                return await self.relay.publish_some(connection)
        return True

    @precondition(lambda self: self.bus.unacknowledged)
    @rule(data=st.data(), crash_at=st.sampled_from((None, "before the commit", "after the commit")))
    def deliver(self, data: st.DataObject, crash_at: str | None) -> None:
        """Deliver some messages in any order, some of them twice."""
        waiting = st.sampled_from(self.bus.unacknowledged)
        batch = data.draw(st.lists(waiting, min_size=1, max_size=6))
        self.crash_at = crash_at
        self.runner.run(self._deliver(batch))
        self.crash_at = None

    async def _deliver(self, batch: Sequence[Stored]) -> None:
        with contextlib.suppress(Crashed):
            await self.take_in([one for stored in batch for one in stored.delivered()])
            if self.crash_at is None:
                handled = {stored.number for stored in batch}
                left = [one for one in self.bus.unacknowledged if one.number not in handled]
                self.bus.unacknowledged = left

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

    @invariant()
    def nothing_had_its_effect_twice_or_unannounced(self) -> None:
        effects = self._column("SELECT name FROM effect")
        assert len(effects) == len(set(effects))
        assert set(effects) <= set(self.announced)

    @invariant()
    def numbers_have_no_gaps(self) -> None:
        numbers = self._column("SELECT seq FROM outbox WHERE seq IS NOT NULL ORDER BY seq")
        assert numbers == list(range(1, len(numbers) + 1))

    def teardown(self) -> None:
        """When everything works again, everything arrives."""
        try:
            missing = self.runner.run(self._settle())
        finally:
            self.runner.run(self.database.close())
            self.runner.close()
        assert missing == 0
        assert sorted(self._column("SELECT name FROM effect")) == sorted(self.announced)
        assert self._column("SELECT 1 FROM outbox WHERE published_at IS NULL") == []

    async def _settle(self) -> int:
        self.bus.two_minutes_pass()
        for _ in range(3):
            while await self._relay_turns():
                pass
            if self.bus.unacknowledged:
                await self._deliver(list(self.bus.unacknowledged))
            await self.watch.close_gaps("ledger")
        return await self.watch.close_gaps("ledger")

    def _column(self, query: str) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            return [row[0] for row in connection.execute(query.encode()).fetchall()]


@pytest.fixture
def plumbing_url(database_url: str) -> str:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE effect (name text NOT NULL)")
    return database_url


@pytest.mark.long
def test_every_event_has_its_effect_once_whatever_happens_on_the_way(plumbing_url: str) -> None:
    run_state_machine_as_test(
        lambda: Plumbing(plumbing_url),  # type: ignore[arg-type] # a maker serves as the class
        settings=searching(share=6, steps=25),
    )
