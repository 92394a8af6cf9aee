"""What a commit announces is published in order, numbered without gaps, and taken in once."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg
import pytest
from nats.aio.client import Client
from pourline.contracts.base import Envelope
from pourline.contracts.guests import GuestRegistered, VisitClosed
from pourline.contracts.pack import EVENTS_MAX, HEADER, bodies
from pourline.kit.db import EVENT_BYTES_MAX, Database, UnitOfWork
from pourline.kit.errors import Malformed, Rejected
from pourline.kit.ids import new_id
from pourline.kit.inbox import Inbox
from pourline.kit.nats import BatchConsumer, EventConsumer, Message
from pourline.kit.outbox import Relay
from pourline.local.servers import NatsServer
from pourline.local.topology import apply_topology
from pourline.testkit.ending import end
from pourline.testkit.until import until


def a_guest(name: str = "Ada") -> GuestRegistered:
    return GuestRegistered(guest_id=str(new_id()), name=name)


async def announce(database: Database, *names: str) -> None:
    async with database.transaction() as unit:
        for name in names:
            unit.announce(a_guest(name), aggregate="guest:1")


async def published(bus: Client) -> list[tuple[int, str]]:
    """Return number and name of every event on the stream."""
    jetstream = bus.jetstream()
    state = (await jetstream.stream_info("EVENTS")).state
    found = []
    for sequence in range(state.first_seq or 1, state.last_seq + 1):
        stored = await jetstream.get_msg("EVENTS", sequence)
        first = int((stored.headers or {})["Pourline-Seq"])
        envelopes = bodies("evt.guest.registered", stored.data or b"", stored.headers)
        for seq, body in enumerate(envelopes, start=first):
            event = Envelope[GuestRegistered].model_validate_json(body)
            found.append((seq, event.data.name))
    return found


@contextlib.asynccontextmanager
async def relaying(url: str, bus: Client) -> AsyncIterator[None]:
    task = asyncio.create_task(Relay(url=url, service="ledger", bus=bus).run())
    yield
    await end(task)


async def test_events_are_published_in_order_and_numbered_without_gaps(
    database: Database, database_url: str, bus: Client
) -> None:
    names = [f"guest {number}" for number in range(1200)]
    async with relaying(database_url, bus):
        await announce(database, *names[:700])
        await announce(database, *names[700:])
        await until(lambda: published(bus), lambda found: len(found) == len(names))

    assert await published(bus) == list(enumerate(names, start=1))


async def test_a_burst_travels_in_packs_and_a_lone_event_as_it_is(
    database: Database, database_url: str, bus: Client
) -> None:
    stream = bus.jetstream()
    burst = [f"guest {number}" for number in range(120)]
    await announce(database, *burst)
    async with relaying(database_url, bus):
        await until(lambda: published(bus), lambda found: len(found) == len(burst))
        packs = (await stream.stream_info("EVENTS")).state.messages
        assert packs == math.ceil(len(burst) / EVENTS_MAX)

        await announce(database, "alone")
        await until(
            lambda: stream.stream_info("EVENTS"), lambda one: one.state.messages == packs + 1
        )
    assert HEADER not in ((await stream.get_msg("EVENTS", packs + 1)).headers or {})
    assert await published(bus) == list(enumerate([*burst, "alone"], start=1))


async def test_a_row_that_commits_late_is_not_passed_over(
    database: Database, database_url: str, bus: Client
) -> None:
    stream = bus.jetstream()
    async with relaying(database_url, bus):
        async with database.transaction() as slow:
            slow.announce(a_guest("slow"), aggregate="guest:1")
            await slow.save_announcements()
            slow.announcements.clear()
            await announce(database, "quick")
            await until(lambda: stream.stream_info("EVENTS"), lambda one: one.state.messages == 1)
        await until(lambda: stream.stream_info("EVENTS"), lambda one: one.state.messages == 2)

    assert await published(bus) == [(1, "quick"), (2, "slow")]


async def test_a_refusal_on_record_keeps_what_was_written_before_it(database: Database) -> None:
    for on_record in (True, False):
        refused = Rejected()
        refused.on_record = on_record
        with pytest.raises(Rejected) as raised:
            await refuse(database, refused, text=str(on_record))
        assert raised.value is refused

    async with database.transaction() as unit:
        assert [row["text"] for row in await unit.all("SELECT text FROM note")] == ["True"]
        assert len(await unit.all("SELECT 1 FROM outbox")) == 1


async def refuse(database: Database, refused: Rejected, *, text: str) -> None:
    async with database.transaction() as unit:
        await unit.execute("INSERT INTO note (text) VALUES (%s)", (text,))
        unit.announce(a_guest(text), aggregate="guest:1")
        raise refused


async def test_a_rolled_back_unit_announces_nothing(database: Database) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with database.transaction() as unit:
            unit.announce(a_guest(), aggregate="guest:1")
            raise ZeroDivisionError

    async with database.transaction() as unit:
        assert await unit.all("SELECT 1 FROM outbox") == []


async def test_only_one_relay_leads_and_another_takes_over(
    database: Database, database_url: str, bus: Client
) -> None:
    stream = bus.jetstream()
    first = asyncio.create_task(Relay(url=database_url, service="ledger", bus=bus).run())
    await announce(database, "one")
    await until(lambda: stream.stream_info("EVENTS"), lambda one: one.state.messages == 1)
    second = asyncio.create_task(Relay(url=database_url, service="ledger", bus=bus).run())

    await end(first)
    await announce(database, "two")
    await until(lambda: stream.stream_info("EVENTS"), lambda one: one.state.messages == 2)

    await end(second)
    assert await published(bus) == [(1, "one"), (2, "two")]


async def test_what_a_dead_leader_numbered_and_never_sent_is_published_by_the_next(
    database: Database, database_url: str, bus: Client
) -> None:
    await announce(database, "left over", "new")
    async with database.transaction() as unit:
        await unit.execute("UPDATE outbox SET seq = 1 WHERE id = 1")
        await unit.execute("UPDATE outbox_counter SET value = 1")

    async with relaying(database_url, bus):
        stream = bus.jetstream()
        await until(lambda: stream.stream_info("EVENTS"), lambda one: one.state.messages == 2)

    assert await published(bus) == [(1, "left over"), (2, "new")]


async def test_a_bus_that_was_away_gets_everything_when_it_is_back(
    database: Database, database_url: str, bus: Client, nats_server: NatsServer
) -> None:
    stream = bus.jetstream()
    async with relaying(database_url, bus):
        await announce(database, "before")
        await until(lambda: stream.stream_info("EVENTS"), lambda one: one.state.messages == 1)
        nats_server.kill()
        await announce(database, "meanwhile")
        await nats_server.start()

        async def messages() -> int:
            with contextlib.suppress(Exception):
                return (await stream.stream_info("EVENTS")).state.messages
            return 0

        await until(messages, lambda count: count == 2, within_s=20)

    assert [name for _, name in await published(bus)] == ["before", "meanwhile"]


async def test_what_the_bus_has_not_stored_does_not_count_as_published(
    database: Database, database_url: str, bus: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever starts after a death must see what is still to be told."""
    await bus.jetstream().delete_stream("EVENTS")
    async with relaying(database_url, bus):
        await announce(database, "Ada")
        await until(lambda: said(caplog, "outbox_publish_repeated"))

        assert await unpublished(database) == 1
        await apply_topology(bus)
        await until(lambda: unpublished(database), (0).__eq__)


async def said(caplog: pytest.LogCaptureFixture, event: str) -> bool:
    return event in caplog.messages


async def unpublished(database: Database) -> int:
    async with database.transaction() as unit:
        row = await unit.one("SELECT count(*) AS rows FROM outbox WHERE published_at IS NULL")
    return int(row["rows"])


async def test_an_event_that_the_bus_would_never_take_is_refused_at_once(
    database: Database,
) -> None:
    """In the outbox it would hold up all that come after it, for ever."""
    with pytest.raises(ValueError, match="too long for the bus"):
        async with database.transaction() as unit:
            unit.announce(a_guest(), aggregate="x" * EVENT_BYTES_MAX)


async def test_a_trace_travels_from_the_outbox_to_the_readers_of_the_bus(
    database: Database, database_url: str, bus: Client
) -> None:
    began_at_the_tap = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await announce(database, "Ada")
    async with database.transaction() as unit:
        await unit.execute("UPDATE outbox SET traceparent = %s", (began_at_the_tap,))

    async with relaying(database_url, bus):
        stream = bus.jetstream()
        await until(lambda: stream.stream_info("EVENTS"), lambda one: one.state.messages == 1)

    stored = await stream.get_msg("EVENTS", 1)
    assert (stored.headers or {})["traceparent"] == began_at_the_tap


@contextlib.asynccontextmanager
async def consuming(
    bus: Client, database: Database, handlers: dict[Any, Any], aside: list[str]
) -> AsyncIterator[Inbox]:
    inbox = Inbox(consumer="shift--events")

    async def set_aside(message: Message, reason: str, deliveries: int) -> None:
        aside.append(f"{reason} after {deliveries}")

    consumer = BatchConsumer(
        bus=bus,
        stream="EVENTS",
        durable="test",
        handle=EventConsumer(database=database, inbox=inbox, handlers=handlers),
        set_aside=set_aside,
    )
    jetstream = bus.jetstream()
    await jetstream.add_consumer("EVENTS", durable_name="test", ack_policy="explicit")
    task = asyncio.create_task(consumer.run())
    yield inbox
    await end(task)


async def note(events: Sequence[Envelope[GuestRegistered]], unit: UnitOfWork) -> None:
    for event in events:
        await unit.execute("INSERT INTO note (text) VALUES (%s)", (event.data.name,))


async def notes(database: Database) -> list[str]:
    async with database.transaction() as unit:
        return [row["text"] for row in await unit.all("SELECT text FROM note ORDER BY text")]


async def test_an_event_that_comes_five_times_is_taken_in_once(
    database: Database, database_url: str, bus: Client
) -> None:
    await announce(database, "Ada")
    aside: list[str] = []
    stream = bus.jetstream()
    async with relaying(database_url, bus):
        await until(lambda: stream.stream_info("EVENTS"), lambda one: one.state.messages == 1)
    stored = await stream.get_msg("EVENTS", 1)
    for number in range(4):
        headers = {"Nats-Msg-Id": f"another {number}"}
        await stream.publish("evt.guest.registered", stored.data or b"", headers=headers)

    async with consuming(bus, database, {GuestRegistered: note}, aside):
        await until(
            lambda: stream.consumer_info("EVENTS", "test"),
            lambda one: one.ack_floor.stream_seq == 5,
        )

    assert (await notes(database), aside) == (["Ada"], [])


async def test_a_poisoned_event_is_set_aside_and_its_neighbours_are_taken_in(
    database: Database, database_url: str, bus: Client
) -> None:
    stream = bus.jetstream()
    aside: list[str] = []
    await stream.publish("evt.guest.registered", b"garbage")
    await announce(database, "Ada", "Bob")
    async with relaying(database_url, bus):
        await until(lambda: stream.stream_info("EVENTS"), lambda one: one.state.messages == 2)

        async with consuming(bus, database, {GuestRegistered: note}, aside):
            await until(lambda: notes(database), lambda found: found == ["Ada", "Bob"])
            await until(
                lambda: stream.consumer_info("EVENTS", "test"),
                lambda one: one.ack_floor.stream_seq == 2,
            )

    assert len(aside) == 1
    assert aside[0].startswith("malformed")


async def test_a_poisoned_event_inside_a_pack_is_set_aside_alone(
    database: Database, database_url: str, bus: Client
) -> None:
    aside: list[str] = []
    await announce(database, "Ada", "poison", "Bob")

    async def picky(events: Sequence[Envelope[GuestRegistered]], unit: UnitOfWork) -> None:
        if any(event.data.name == "poison" for event in events):
            raise Malformed
        await note(events, unit)

    async with (
        relaying(database_url, bus),
        consuming(bus, database, {GuestRegistered: picky}, aside),
    ):
        await until(lambda: notes(database), lambda found: found == ["Ada", "Bob"])
        await until(
            lambda: bus.jetstream().consumer_info("EVENTS", "test"),
            lambda one: one.ack_floor.stream_seq == 1,
        )
    assert len(aside) == 1
    assert aside[0].startswith("malformed")


async def test_what_says_that_it_is_a_pack_and_is_none_is_set_aside_with_its_body(
    database: Database, bus: Client
) -> None:
    aside: list[str] = []
    await bus.jetstream().publish("evt.guest.registered", b"garbage", headers={HEADER: "3"})
    async with consuming(bus, database, {GuestRegistered: note}, aside):
        await until(
            lambda: bus.jetstream().consumer_info("EVENTS", "test"),
            lambda one: one.ack_floor.stream_seq == 1,
        )
    assert len(aside) == 1
    assert aside[0].startswith("malformed")


async def test_a_handler_with_a_bug_is_tried_a_few_times_and_rolls_back(
    database: Database, bus: Client
) -> None:
    tries = 0

    async def broken(events: Sequence[Envelope[Any]], unit: UnitOfWork) -> None:
        nonlocal tries
        tries += 1
        await unit.execute("INSERT INTO note (text) VALUES ('half')")
        raise ZeroDivisionError

    envelope = Envelope[VisitClosed](
        id=str(new_id()),
        type="visit.closed.v1",
        source="auth-lock",
        subject="visit:1",
        time="2026-11-20T20:00:00Z",
        aggregate="visit:1",
        version=1,
        data=VisitClosed(
            visit_id="1", guest_id="1", reason="done", closed_at="2026-11-20T20:00:00Z"
        ),
    )
    await bus.jetstream().publish("evt.visit.closed", envelope.wire())
    aside: list[str] = []

    async with consuming(bus, database, {VisitClosed: broken}, aside):

        async def seen() -> list[str]:
            return aside

        await until(seen, within_s=20)

    assert tries == 5
    assert aside == ["bug: ZeroDivisionError() after 5"]
    assert await notes(database) == []


async def test_waiting_for_an_event_ends_when_it_is_in(
    database: Database, database_url: str, bus: Client
) -> None:
    async with database.transaction() as unit:
        event_id = unit.announce(a_guest(), aggregate="guest:1")
    aside: list[str] = []

    async with consuming(bus, database, {GuestRegistered: note}, aside) as inbox:
        assert not await inbox.wait_for(database, [event_id], 0.05)
        async with relaying(database_url, bus):
            assert await inbox.wait_for(database, [event_id], 10.0)


async def test_the_databases_absence_is_waited_out(database: Database, bus: Client) -> None:
    calls = 0

    async def handle(messages: Sequence[Message]) -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise psycopg.OperationalError("the database is away")

    async def set_aside(message: Message, reason: str, deliveries: int) -> None:
        pytest.fail("nothing is set aside for trouble")

    await bus.jetstream().add_consumer("EVENTS", durable_name="test", ack_policy="explicit")
    await bus.jetstream().publish("evt.guest.registered", b"{}")
    consumer = BatchConsumer(
        bus=bus, stream="EVENTS", durable="test", handle=handle, set_aside=set_aside
    )
    task = asyncio.create_task(consumer.run())
    await until(
        lambda: bus.jetstream().consumer_info("EVENTS", "test"),
        lambda one: one.ack_floor.stream_seq == 1,
    )
    await end(task)

    assert calls == 3
