"""A message that may be what ends the process is handled alone, and not for ever."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from pourline.contracts.pack import EVENTS_MAX, Told, as_message, packs_of
from pourline.kit.nats import BatchConsumer, Message
from pourline.kit.nats.consumer import BATCH, DELIVERIES_MAX, SUSPECT_AFTER, message_of
from pourline.kit.nats.pull import BYTES_MAX, Pull
from pourline.testkit.until import until

GATHERED_S = 0.2
"""Time for messages stored one after the other to come as one delivery."""


async def delivered_in_vain(bus: Client, times: int, *bodies: bytes) -> None:
    """Store messages and have each of them delivered `times` times to nobody's use."""
    stream = bus.jetstream()
    for body in bodies:
        await stream.publish("evt.guest.registered", body)
    await stream.add_consumer("EVENTS", durable_name="test", ack_policy="explicit")
    pull = await stream.pull_subscribe_bind("test", "EVENTS")
    for _ in range(times):
        taken = 0
        while taken < len(bodies):
            for message in await pull.fetch(len(bodies) - taken, timeout=5):
                await message.nak()
                taken += 1


class Handled:
    """What a consumer handled, batch by batch, and what it set aside."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.aside: list[tuple[bytes, str, int]] = []

    async def handle(self, messages: Sequence[Message]) -> None:
        self.batches.append([message.data for message in messages])

    async def set_aside(self, message: Message, reason: str, deliveries: int) -> None:
        self.aside.append((message.data, reason, deliveries))

    @contextlib.asynccontextmanager
    async def consuming(self, bus: Client) -> AsyncIterator[None]:
        consumer = BatchConsumer(
            bus=bus,
            stream="EVENTS",
            durable="test",
            handle=self.handle,
            set_aside=self.set_aside,
            linger_s=GATHERED_S,
        )
        task = asyncio.create_task(consumer.run())
        try:
            await until(
                lambda: bus.jetstream().consumer_info("EVENTS", "test"),
                lambda one: one.num_pending == one.num_ack_pending == 0,
            )
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def handled() -> Handled:
    return Handled()


async def test_messages_of_one_delivery_are_handled_together(bus: Client, handled: Handled) -> None:
    await delivered_in_vain(bus, 0, b"a", b"b", b"c")

    async with handled.consuming(bus):
        assert handled.batches == [[b"a", b"b", b"c"]]


async def test_large_messages_come_a_bounded_number_of_bytes_at_a_time(bus: Client) -> None:
    """What is asked for waits in the memory of bus and reader."""
    stream = bus.jetstream()
    await stream.add_consumer("EVENTS", durable_name="test", ack_policy="explicit")
    bodies = [b"%02d" % number + b"x" * 40_000 for number in range(40)]
    for body in bodies:
        await stream.publish("evt.guest.registered", body)

    pull = Pull(bus=bus, stream="EVENTS", durable="test", batch=BATCH)
    await pull.open()
    batches: list[list[bytes]] = []
    async with asyncio.timeout(20):
        while sum(map(len, batches)) < len(bodies):
            if batch := await pull.next_batch(linger_s=GATHERED_S):
                batches.append([message.data for message in batch])
                for message in batch:
                    await message.ack()
    await pull.close()

    assert [body for batch in batches for body in batch] == bodies
    assert max(sum(map(len, batch)) for batch in batches) <= 2 * BYTES_MAX


async def test_packs_are_handled_in_batches_of_a_bounded_number_of_events(
    bus: Client, handled: Handled
) -> None:
    stream = bus.jetstream()
    await stream.add_consumer("EVENTS", durable_name="test", ack_policy="explicit")
    subject = "evt.guest.registered"
    numbers = range(1, 3 * BATCH + 1)
    told = [Told(subject, number, f"id-{number}", "", b"%d" % number) for number in numbers]
    for pack in packs_of(told):
        body, headers = as_message(pack)
        await stream.publish(subject, body, headers=headers)

    async with handled.consuming(bus):
        assert [int(one) for batch in handled.batches for one in batch] == list(numbers)
        assert max(len(batch) for batch in handled.batches) <= BATCH + EVENTS_MAX


async def test_messages_that_keep_coming_back_are_handled_one_by_one(
    bus: Client, handled: Handled
) -> None:
    await delivered_in_vain(bus, SUSPECT_AFTER, b"a", b"b", b"c")

    async with handled.consuming(bus):
        assert sorted(handled.batches) == [[b"a"], [b"b"], [b"c"]]


async def test_a_message_that_is_never_acknowledged_is_set_aside_in_the_end(
    bus: Client, handled: Handled
) -> None:
    await delivered_in_vain(bus, DELIVERIES_MAX, b"poison")
    await bus.jetstream().publish("evt.guest.registered", b"neighbour")

    async with handled.consuming(bus):
        assert handled.batches == [[b"neighbour"]]
        assert handled.aside == [(b"poison", "never_acknowledged", DELIVERIES_MAX + 1)]


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.ACK.EVENTS.shift--events.2.1001.1500.1763690000123456000.7",
        "$JS.ACK._.ACCOUNT.EVENTS.shift--events.2.1001.1500.1763690000123456000.7",
        "$JS.ACK.hub.ACCOUNT.EVENTS.shift--events.2.1001.1500.1763690000123456000.7.token",
    ],
)
def test_a_delivery_is_read_as_the_client_library_reads_it(reply: str) -> None:
    raw = Msg(_client=Client(), subject="evt.happened", reply=reply)

    message = message_of(raw)

    assert (message.deliveries, message.sequence) == (2, 1001)
    assert message.deliveries == raw.metadata.num_delivered
    assert message.sequence == raw.metadata.sequence.stream
    assert message.received_at == raw.metadata.timestamp
