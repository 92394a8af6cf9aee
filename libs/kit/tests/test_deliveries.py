"""What becomes of a message that fails, waits, takes long or ends the process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import NoReturn

import psycopg
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from pourline.contracts.pack import EVENTS_MAX, Told, as_message, packs_of
from pourline.kit.errors import Malformed, Unsettled
from pourline.kit.nats import BatchConsumer, Message, consumer
from pourline.kit.nats.consumer import (
    BATCH,
    DELIVERIES_MAX,
    SUSPECT_AFTER,
    batches_of,
    message_of,
)
from pourline.kit.nats.pull import BYTES_MAX, Pull
from pourline.kit.pulse import PULSE, Pulse
from pourline.testkit.ending import end
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


class Died(BaseException):
    """The process ends in the middle of a batch."""


class Handled:
    """What a consumer handled, batch by batch, and what it set aside."""

    def __init__(self) -> None:
        self.linger_s = GATHERED_S
        self.kills: bytes | None = None
        self.needs_what_is_down: bytes | None = None
        self.refuses: bytes | None = None
        self.shelf_is_away = False
        self.before: Callable[[], Awaitable[object]] | None = None
        self.batches: list[list[bytes]] = []
        self.aside: list[tuple[bytes, str, int]] = []

    async def handle(self, messages: Sequence[Message]) -> None:
        if self.before:
            await self.before()
        bodies = [message.data for message in messages]
        if self.refuses in bodies:
            raise Malformed
        if self.kills in bodies:
            raise Died
        done = [body for body in bodies if body != self.needs_what_is_down]
        if done:
            self.batches.append(done)
        if len(done) < len(bodies):
            assert self.needs_what_is_down is not None
            raise Unsettled([bodies.index(self.needs_what_is_down)])

    async def set_aside(self, message: Message, reason: str, deliveries: int) -> None:
        if self.shelf_is_away:
            raise psycopg.OperationalError("the database is away")
        self.aside.append((message.data, reason, deliveries))

    def consumer(self, bus: Client) -> BatchConsumer:
        return BatchConsumer(
            bus=bus,
            stream="EVENTS",
            durable="test",
            handle=self.handle,
            set_aside=self.set_aside,
            linger_s=self.linger_s,
        )

    async def live_until_death(self, bus: Client) -> None:
        """Be a process that starts again each time it has died, until all is settled."""
        while not await settled(bus):
            life = asyncio.create_task(self.consumer(bus).run())

            async def is_over(life: asyncio.Task[NoReturn] = life) -> bool:
                return life.done() or await settled(bus)

            await until(is_over)
            life.cancel()
            with contextlib.suppress(Died, asyncio.CancelledError):
                await life

    @contextlib.asynccontextmanager
    async def consuming(self, bus: Client) -> AsyncIterator[None]:
        task = asyncio.create_task(self.consumer(bus).run())
        try:
            await until(partial(settled, bus))
            yield
        finally:
            await end(task)


async def settled(bus: Client) -> bool:
    """Return whether nothing waits and nothing is in anybody's hand."""
    info = await bus.jetstream().consumer_info("EVENTS", "test")
    return (info.num_pending, info.num_ack_pending) == (0, 0)


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


@pytest.mark.long
async def test_what_came_with_a_message_that_ends_the_process_is_not_set_aside_with_it(
    bus: Client, handled: Handled
) -> None:
    stream = bus.jetstream()
    for body in (b"a", b"killer", b"b", b"c"):
        await stream.publish("evt.guest.registered", body)
    await stream.add_consumer("EVENTS", durable_name="test", ack_policy="explicit", ack_wait=0.2)
    handled.kills, handled.linger_s = b"killer", 0

    await handled.live_until_death(bus)

    assert [body for body, _, _ in handled.aside] == [b"killer"]
    assert sorted(body for batch in handled.batches for body in batch) == [b"a", b"b", b"c"]


async def test_a_message_that_needs_what_is_down_keeps_no_other_waiting(
    bus: Client, handled: Handled
) -> None:
    await delivered_in_vain(bus, 0, b"a", b"needy", b"b")
    handled.needs_what_is_down = b"needy"
    stream = bus.jetstream()
    pulse = Pulse()
    PULSE.set(pulse)

    async def done() -> list[bytes]:
        return [body for batch in handled.batches for body in batch]

    consuming = asyncio.create_task(handled.consumer(bus).run(), name="reads")
    try:
        await until(done, [b"a", b"b"].__eq__)
        await stream.publish("evt.guest.registered", b"later")
        await until(done, [b"a", b"b", b"later"].__eq__)
        await until(partial(given, bus), (1).__eq__)

        handled.needs_what_is_down = None
        await until(done, [b"a", b"b", b"later", b"needy"].__eq__)
        await until(partial(settled, bus))
    finally:
        await end(consuming)
    assert handled.aside == []
    assert pulse.due.keys() == {"reads"}, "what waits ends some time, and is no loop"


async def test_a_message_that_waits_for_what_is_down_comes_again_to_the_next_life(
    bus: Client, handled: Handled
) -> None:
    stream = bus.jetstream()
    await stream.publish("evt.guest.registered", b"needy")
    await stream.add_consumer("EVENTS", durable_name="test", ack_policy="explicit", ack_wait=0.5)
    handled.needs_what_is_down = b"needy"
    life = asyncio.create_task(handled.consumer(bus).run())
    await until(lambda: given(bus), (1).__eq__)
    await end(life)
    handled.needs_what_is_down = None

    async with handled.consuming(bus):
        assert handled.batches == [[b"needy"]]


async def given(bus: Client) -> int:
    return (await bus.jetstream().consumer_info("EVENTS", "test")).num_ack_pending or 0


async def test_while_a_batch_takes_long_the_bus_is_told_that_it_is_in_hand(
    bus: Client, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "KEEP_EVERY_S", 0.05)
    await delivered_in_vain(bus, 0, b"a", b"b")
    said: list[bytes] = []

    async def hear(message: Msg) -> None:
        said.append(message.data)

    await bus.subscribe("$JS.ACK.EVENTS.test.>", cb=hear)
    goes_on = asyncio.Event()
    handled.before = goes_on.wait
    consuming = asyncio.create_task(handled.consumer(bus).run())

    async def heard() -> list[bytes]:
        return said

    try:
        await until(heard, lambda words: words.count(b"+WPI") >= 4)
        goes_on.set()
        await until(partial(settled, bus))
    finally:
        await end(consuming)
    assert handled.batches == [[b"a", b"b"]]


async def test_what_could_not_be_set_aside_comes_again(bus: Client, handled: Handled) -> None:
    stream = bus.jetstream()
    await stream.publish("evt.guest.registered", b"garbage")
    await stream.add_consumer("EVENTS", durable_name="test", ack_policy="explicit", ack_wait=0.3)
    handled.refuses, handled.shelf_is_away, handled.linger_s = b"garbage", True, 0

    consuming = asyncio.create_task(handled.consumer(bus).run())
    await until(lambda: given(bus), (1).__eq__)
    with pytest.raises(AssertionError):
        await until(partial(settled, bus), within_s=1)
    handled.shelf_is_away = False
    await until(partial(settled, bus))
    await end(consuming)

    assert [body for body, _, _ in handled.aside] == [b"garbage"]


def test_a_suspect_is_handled_alone_among_fresh_messages() -> None:
    def raw(number: int, deliveries: int) -> Msg:
        reply = f"$JS.ACK.EVENTS.test.{deliveries}.{number}.{number}.1763690000123456000.0"
        return Msg(_client=Client(), subject="evt.happened", reply=reply, data=b"%d" % number)

    came = [raw(1, 1), raw(2, 1), raw(3, SUSPECT_AFTER + 1), raw(4, 1), raw(5, SUSPECT_AFTER)]

    batches = [[one.data for one in messages] for _, messages in batches_of(came)]

    assert batches == [[b"1", b"2"], [b"3"], [b"4", b"5"]]


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
