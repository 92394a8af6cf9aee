"""Events that a reader never got are noticed and told again, over the real bus."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg
import pytest
from nats.aio.client import Client
from pourline.contracts.base import Envelope, Event
from pourline.contracts.guests import GuestRegistered
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.dead_letters import DeadLetters
from pourline.kit.errors import Rejected
from pourline.kit.gaps import GapWatch, Patience
from pourline.kit.ids import new_id
from pourline.kit.inbox import Inbox
from pourline.kit.nats import BatchConsumer, EventConsumer, Handler
from pourline.kit.nats.consumer import SUSPECT_AFTER
from pourline.kit.outbox import Relay
from pourline.kit.replay import Retelling
from pourline.local.topology import apply_topology
from pourline.testkit.clock import FakeClock
from pourline.testkit.ending import end
from pourline.testkit.until import until
from pourline.upkeep.retention import Retention

READER = "ledger--events"
"""A durable consumer that the bus has; here it reads every event."""


async def announce(database: Database, *names: str) -> None:
    async with database.transaction() as unit:
        for name in names:
            event = GuestRegistered(guest_id=str(new_id()), name=name)
            unit.announce(event, aggregate=f"guest:{name}")


async def note(events: Sequence[Envelope[GuestRegistered]], unit: UnitOfWork) -> None:
    for event in events:
        if event.data.name == "poison":
            raise ZeroDivisionError
        await unit.execute("INSERT INTO note (text) VALUES (%s)", (event.data.name,))


async def column(database: Database, query: str) -> list[Any]:
    async with database.transaction() as unit:
        return [next(iter(row.values())) for row in await unit.all(query)]


async def names(database: Database) -> list[str]:
    return await column(database, "SELECT text FROM note ORDER BY text")


async def published(database: Database) -> bool:
    return await column(database, "SELECT 1 FROM outbox WHERE published_at IS NULL") == []


class Reader:
    """One service's relay, consumer and gap watch, started one by one."""

    def __init__(self, database: Database, url: str, bus: Client) -> None:
        self.bus = bus
        self._database = database
        self.relay = Relay(url=url, service="ledger", bus=bus)
        self.retelling = Retelling(bus=bus, service="ledger", database=database)
        self.consumer = self.consuming(note)
        self.watch = self.watching("ledger", GuestRegistered.subject())

    def consuming(self, handler: Handler) -> BatchConsumer:
        handlers: dict[type[Event], Handler] = {GuestRegistered: handler}
        events = EventConsumer(
            database=self._database, inbox=Inbox(consumer=READER), handlers=handlers
        )
        aside = DeadLetters(database=self._database, consumer=READER)
        return BatchConsumer(
            bus=self.bus, stream="EVENTS", durable=READER, handle=events, set_aside=aside
        )

    def watching(self, producer: str, *subjects: str) -> GapWatch:
        return GapWatch(
            bus=self.bus,
            database=self._database,
            stream="EVENTS",
            consumer=READER,
            read={producer: subjects},
            patience=Patience(settled_s=0),
        )

    async def declare(self) -> None:
        await apply_topology(self.bus, answer_within_s=60)
        await self.bus.jetstream().delete_consumer("EVENTS", READER)
        await self.bus.jetstream().add_consumer(
            "EVENTS", durable_name=READER, ack_policy="explicit", ack_wait=5
        )

    @contextlib.asynccontextmanager
    async def running(self, *parts: Relay | BatchConsumer | GapWatch) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(part.run()) for part in parts]
        try:
            yield
        finally:
            await end(*tasks)


@pytest.fixture
async def reader(database: Database, database_url: str, bus: Client) -> Reader:
    reader = Reader(database, database_url, bus)
    await reader.declare()
    await reader.retelling.start()
    return reader


async def test_a_wiped_stream_is_made_good_from_the_outbox(
    database: Database, bus: Client, reader: Reader
) -> None:
    async with reader.running(reader.relay):
        await announce(database, *(f"guest {number:04}" for number in range(1200)))
        await until(lambda: published(database))
        await bus.jetstream().delete_stream("EVENTS")
        await reader.declare()

        async with reader.running(reader.consumer):
            # One answer holds a thousand numbers; the rest is looked at the next time.
            missing = [await reader.watch.close_gaps("ledger")]
            await until(lambda: names(database), lambda found: len(found) == 1000)
            missing.append(await reader.watch.close_gaps("ledger"))
            await until(lambda: names(database), lambda found: len(found) == 1200)
            await until(lambda: published(database))
            missing.append(await reader.watch.close_gaps("ledger"))

    assert missing == [1000, 200, 0]


@pytest.mark.long
async def test_a_pack_that_keeps_coming_back_is_let_go_and_told_again_one_by_one(
    database: Database, bus: Client, reader: Reader
) -> None:
    """One of its events may be what ends the process; it must not take the others with it."""
    stream = bus.jetstream()
    async with reader.running(reader.relay):
        await announce(database, "Ada", "poison", "Bob")
        await until(lambda: published(database))
        assert (await stream.stream_info("EVENTS")).state.messages == 1
        pull = await stream.pull_subscribe_bind(READER, "EVENTS")
        for _ in range(SUSPECT_AFTER):
            for message in await pull.fetch(1, timeout=5):
                await message.nak()

        async with reader.running(reader.consumer):
            await until(
                lambda: stream.consumer_info("EVENTS", READER),
                lambda one: one.ack_floor.stream_seq == 1,
            )
            assert await names(database) == []

            assert await reader.watch.close_gaps("ledger") == 3

            await until(lambda: names(database), lambda found: found == ["Ada", "Bob"])
            await until(lambda: column(database, "SELECT reason FROM dead_letter"), within_s=20)
        assert (await stream.stream_info("EVENTS")).state.messages == 4
        assert await reader.watch.close_gaps("ledger") == 0


@pytest.mark.long
async def test_what_still_waits_on_the_stream_is_not_missing(
    database: Database, reader: Reader
) -> None:
    async with reader.running(reader.relay):
        await announce(database, "Ada")
        await until(lambda: published(database))

        assert await reader.watch.close_gaps("ledger") == 0

    assert await published(database)


@pytest.mark.long
async def test_an_event_that_was_set_aside_is_not_missing(
    database: Database, reader: Reader
) -> None:
    async with reader.running(reader.relay, reader.consumer):
        await announce(database, "Ada", "poison", "Bob")
        await until(lambda: column(database, "SELECT reason FROM dead_letter"), within_s=20)
        await until(lambda: names(database), lambda found: found == ["Ada", "Bob"])

        assert await reader.watch.close_gaps("ledger") == 0


async def test_a_watch_that_cannot_ask_goes_on(
    database: Database, bus: Client, reader: Reader
) -> None:
    """Nobody answers for the producer yet; the loop must not end."""
    await bus.jetstream().delete_stream("EVENTS")
    async with reader.running(reader.watch) as _:
        await announce(database, "Ada")
        watching = next(task for task in asyncio.all_tasks() if "GapWatch" in repr(task.get_coro()))
        await until(lambda: published_or_not(database))

        assert not watching.done()


async def published_or_not(database: Database) -> bool:
    return await column(database, "SELECT count(*) FROM outbox") == [1]


async def age(database: Database, days: int, where: str = "true") -> None:
    async with database.transaction() as unit:
        await unit.execute(
            f"UPDATE outbox SET created_at = created_at - interval '{days} days' WHERE {where}"
        )


async def test_events_are_kept_for_fourteen_days_and_go_from_the_front(
    database: Database, reader: Reader
) -> None:
    async with reader.running(reader.relay):
        await announce(database, *(f"guest {number}" for number in range(10)))
        await until(lambda: published(database))
    await age(database, 13)

    assert await Retention(database=database).tidy() == 0

    await age(database, 2, where="seq <> 4")
    assert await Retention(database=database).tidy() == 3
    await age(database, 2)
    await Retention(database=database).tidy()
    assert await column(database, "SELECT seq FROM outbox") == [10]


async def test_an_event_that_was_never_published_is_never_let_go(database: Database) -> None:
    await announce(database, "Ada")
    await age(database, 100)

    await Retention(database=database).tidy()

    assert await column(database, "SELECT count(*) FROM outbox") == [1]


async def test_records_of_what_was_seen_outlive_what_may_be_told_again(
    database: Database,
) -> None:
    async with database.transaction() as unit:
        for days in (15, 27, 29):
            await unit.execute(
                """
                INSERT INTO inbox (consumer, msg_id, producer, seq, at)
                VALUES ('x', gen_random_uuid(), 'ledger', %s, now() - make_interval(days => %s))
                """,
                (days, days),
            )

    assert await Retention(database=database).tidy() == 1
    assert await column(database, "SELECT seq FROM inbox ORDER BY seq") == [15, 27]


@pytest.mark.parametrize(("replayed", "left"), [(False, 1), (True, 0)])
async def test_what_was_taken_in_is_known_as_long_as_a_letter_of_it_waits(
    database: Database, *, replayed: bool, left: int
) -> None:
    """A reader may have died between setting it aside and acknowledging it."""
    msg_id = str(new_id())
    async with database.transaction() as unit:
        await unit.execute(
            "INSERT INTO inbox (consumer, msg_id, producer, seq, at)"
            " VALUES ('x', %s, 'ledger', 1, now() - interval '29 days')",
            (msg_id,),
        )
        await unit.execute(
            "INSERT INTO dead_letter (consumer, subject, payload, headers, reason, deliveries,"
            " received_at, replayed_at) VALUES"
            " ('x', 's', '', json_build_object('Nats-Msg-Id', %s::text), 'bug', 1, now(), %s)",
            (msg_id, unit.clock.now() if replayed else None),
        )

    await Retention(database=database).tidy()

    assert await column(database, "SELECT count(*) FROM inbox") == [left]


async def test_an_event_that_nobody_remembers_any_more_is_not_told_to_a_newer_version(
    database: Database, bus: Client, reader: Reader
) -> None:
    """The newest stays in the outbox for ever; who took it in forgets it after four weeks."""
    async with reader.running(reader.relay, reader.consumer):
        await announce(database, "Ada", "Last")
        await until(lambda: names(database), lambda found: len(found) == 2)
        await until(lambda: published(database))
        assert await reader.watch.close_gaps("ledger") == 0
        await age(database, 29)
        async with database.transaction() as unit:
            await unit.execute("UPDATE inbox SET at = at - interval '29 days'")
        await Retention(database=database).tidy()
        assert await column(database, "SELECT seq FROM outbox") == [2]
        assert await column(database, "SELECT count(*) FROM inbox") == [0]

        newer = reader.watching("ledger", GuestRegistered.subject(), "evt.of.another.kind")
        assert await newer.close_gaps("ledger") == 0

    assert await column(database, "SELECT max(seq) FROM inbox_confirmed") == [2]


async def test_a_producer_whose_numbers_went_back_is_looked_at_anew(
    database: Database, bus: Client, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    async with reader.running(reader.relay, reader.consumer):
        await announce(database, *(f"guest {number:04}" for number in range(20)))
        await until(lambda: names(database), lambda found: len(found) == 20)
        await until(lambda: published(database))
        assert await reader.watch.close_gaps("ledger") == 0
        async with database.transaction() as unit:
            await unit.execute("DELETE FROM outbox WHERE seq > 10")
            await unit.execute("UPDATE outbox_counter SET value = 10")
    async with reader.running(reader.relay):
        await announce(database, "lost 1", "lost 2")
        await until(lambda: published(database))
        await bus.jetstream().delete_stream("EVENTS")
        await reader.declare()
        async with reader.running(reader.consumer):
            assert await reader.watch.close_gaps("ledger") == 2
            await until(lambda: names(database), lambda found: "lost 2" in found)

    assert "producer_went_back" in caplog.messages


async def test_what_a_handler_refuses_is_set_aside_and_no_gap(
    database: Database, bus: Client, reader: Reader
) -> None:
    """What has happened is not refused."""

    async def refuse(events: Sequence[Envelope[GuestRegistered]], unit: UnitOfWork) -> None:
        if any(event.data.name == "no" for event in events):
            raise Rejected("Not here.")
        await note(events, unit)

    consumer = reader.consuming(refuse)
    async with reader.running(reader.relay, consumer):
        await announce(database, "Ada", "no", "Bob")
        await until(lambda: names(database), lambda found: found == ["Ada", "Bob"])
        await until(lambda: published(database))
        assert await reader.watch.close_gaps("ledger") == 0

    assert await column(database, "SELECT reason FROM dead_letter") == [
        "malformed: rejected: Not here."
    ]
    assert await column(database, "SELECT seq FROM inbox_confirmed") == [3]


async def test_a_reader_that_was_away_too_long_says_what_nobody_can_tell_it_any_more(
    database: Database, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    async with reader.running(reader.relay, reader.consumer):
        await announce(database, "Ada", "Bob")
        await until(lambda: names(database), lambda found: len(found) == 2)
        await until(lambda: published(database))
        await reader.watch.close_gaps("ledger")
        assert "events_no_longer_told" not in caplog.messages
    async with reader.running(reader.relay):
        await announce(database, *(f"guest {number}" for number in range(5)))
        await until(lambda: published(database))
        async with database.transaction() as unit:
            await unit.execute("DELETE FROM outbox WHERE seq <= 5")
    async with reader.running(reader.consumer):
        await until(lambda: names(database), lambda found: len(found) == 7)
        assert await reader.watch.close_gaps("ledger") == 0

    (said,) = [one for one in caplog.records if one.message == "events_no_longer_told"]
    assert (vars(said)["after_seq"], vars(said)["before_seq"]) == (2, 6)


async def test_a_reader_that_missed_what_is_gone_for_good_starts_at_what_is_left(
    database: Database, reader: Reader
) -> None:
    async with reader.running(reader.relay, reader.consumer):
        await announce(database, *(f"guest {number:04}" for number in range(3000)))
        await until(lambda: names(database), lambda found: len(found) == 3000)
        await until(lambda: published(database))
        async with database.transaction() as unit:
            await unit.execute("DELETE FROM outbox WHERE seq <= 2500")
            await unit.execute("DELETE FROM inbox WHERE seq <= 2500")

        assert await reader.watch.close_gaps("ledger") == 0

    assert await column(database, "SELECT seq FROM inbox_confirmed") == [3000]


async def test_a_transaction_on_a_line_that_leads_nowhere_ends(
    database_url: str, clock: FakeClock
) -> None:
    database = Database(url=database_url, service="ledger", clock=clock, silence_max_s=0.2)
    await database.open()

    with pytest.raises(psycopg.OperationalError):
        async with database.transaction() as unit:
            await unit.execute("SELECT pg_sleep(9)")

    assert await column(database, "SELECT 1") == [1]
    await database.close()


async def test_a_newer_version_that_reads_more_asks_for_what_the_older_one_let_pass(
    database: Database, bus: Client, reader: Reader
) -> None:
    older = reader.watching("ledger", "evt.of.another.kind")
    async with reader.running(reader.relay):
        await announce(database, "anna", "bert", "carl")
        await until(lambda: published(database))
        await bus.jetstream().delete_stream("EVENTS")
        await reader.declare()
        assert await older.close_gaps("ledger") == 0

        async with reader.running(reader.consumer):
            assert await reader.watch.close_gaps("ledger") == 3
            await until(lambda: names(database), lambda found: len(found) == 3)
