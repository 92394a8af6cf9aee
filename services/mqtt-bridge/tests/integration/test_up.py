"""From the foreign broker to a real bus."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Protocol

import pytest
from nats.aio.client import Client
from pourline.kit.nats.publisher import StoredPublisher
from pourline.kit.pulse import PULSE, Pulse
from pourline.kit.trust import SYSTEMS
from pourline.local.servers import NatsServer
from pourline.mqtt_bridge.devices import Address, ForeignBroker, Hooks
from pourline.mqtt_bridge.handlers import (
    Acknowledges,
    Downward,
    Fleeting,
    Received,
    Sieve,
    Stored,
)
from pourline.testkit.ending import end
from pourline.testkit.until import until
from pourline.upkeep.mqtt import MqttLink

POUR = "bar/main/tap/3/pour"
AUTHORIZE = "bar/main/tap/3/authorize"
FLOW = "bar/main/tap/3/flow"


class Gives(Acknowledges, Protocol):
    acknowledged: list[int]
    asked_again: int


def received(topic: str, payload: bytes = b"{}", **fields: Any) -> Received:  # noqa: ANN401 - any field
    given = {"qos": 1, "retained": False, "mid": 1, "epoch": 1, "at_s": 0.0} | fields
    return Received(topic=topic, payload=payload, **given)


@contextlib.asynccontextmanager
async def running(loop: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    task = asyncio.create_task(loop)
    try:
        yield
    finally:
        await end(task)


def stored_by(bus: Client, giver: Gives) -> Stored:
    publisher = StoredPublisher(bus=bus, name="test")
    return Stored(
        bus=bus, publisher=publisher, broker=giver, sieve=Sieve(), answers_heard=lambda: True
    )


async def count(bus: Client, stream: str) -> int:
    return (await bus.jetstream().stream_info(stream)).state.messages


async def test_each_loop_is_heard_of_while_it_has_nothing_to_do(bus: Client, giver: Gives) -> None:
    pulse = Pulse()
    PULSE.set(pulse)
    nowhere = ForeignBroker(
        Address.parse("mqtt://127.0.0.1:9", client_id="b", version="5", trust=SYSTEMS)
    )
    hooks = Hooks(received=ignore, connected=ignore, lost=lambda: None)
    down = Downward(broker=nowhere)
    loops = {
        "foreign": nowhere.run(hooks),
        "stored": stored_by(bus, giver).run(),
        "fleeting": Fleeting(bus=bus, sieve=Sieve()).run(),
        "mirror": down.run(MqttLink(url="mqtt://127.0.0.1:9", client_id="c")),
    }
    tasks = [asyncio.create_task(loop, name=name) for name, loop in loops.items()]

    async def heard_of() -> set[str]:
        return set(pulse.due)

    await until(heard_of, lambda names: names == loops.keys())
    await end(*tasks)


def ignore(word: object) -> None:
    """Be told something, and do nothing about it."""


async def test_messages_are_stored_and_then_acknowledged_as_they_came(
    bus: Client, giver: Gives
) -> None:
    stored = stored_by(bus, giver)
    for mid in range(1, 451):
        stored.take(received(POUR, b'{"n":%d}' % mid, mid=mid))

    async with running(stored.run()):
        await until(lambda: _acknowledged(giver), lambda all_: len(all_) == 450)

    assert giver.acknowledged == list(range(1, 451))
    assert await count(bus, "POURS") == 450


async def _acknowledged(giver: Gives) -> list[int]:
    return list(giver.acknowledged)


async def test_what_the_bus_cannot_carry_is_acknowledged_and_said_once(
    bus: Client, giver: Gives, caplog: pytest.LogCaptureFixture
) -> None:
    stored = stored_by(bus, giver)
    stored.take(received(POUR, mid=1))
    for mid in (2, 3):
        stored.take(received("bar/main/tap/a b/pour", mid=mid))
    stored.take(received(POUR, b"x" * (64 * 1024 + 1), mid=4))
    stored.take(received(POUR, mid=5))

    with caplog.at_level(logging.WARNING):
        async with running(stored.run()):
            await until(lambda: _acknowledged(giver), lambda all_: len(all_) == 5)

    assert giver.acknowledged == [1, 2, 3, 4, 5]
    assert await count(bus, "POURS") == 2
    assert [r.__dict__["reason"] for r in caplog.records] == [
        "topic_not_carried",
        "payload_too_large",
    ]


async def test_while_the_bus_is_away_nothing_is_acknowledged(
    nats_server: NatsServer, bus: Client, giver: Gives, caplog: pytest.LogCaptureFixture
) -> None:
    async def waits() -> bool:
        return "storing_waits" in caplog.messages

    stored = stored_by(bus, giver)
    await nats_server.stop()
    await until(lambda: _is_connected(bus), lambda is_: not is_)
    stored.take(received(POUR, mid=7))
    async with running(stored.run()):
        await until(waits)
        before = list(giver.acknowledged)
        await nats_server.start()
        await until(lambda: _acknowledged(giver), lambda all_: all_ == [7])

    assert before == []
    assert await count(bus, "POURS") >= 1


async def _is_connected(bus: Client) -> bool:
    return bus.is_connected


async def test_one_too_many_is_left_with_the_broker_and_asked_for_again(
    bus: Client, giver: Gives
) -> None:
    stored = stored_by(bus, giver)
    for mid in range(1, 1_002):
        stored.take(received(POUR, mid=mid))

    async with running(stored.run()):
        await until(lambda: _acknowledged(giver), lambda all_: len(all_) == 1_000)
        await until(lambda: _asked_again(giver), lambda times: times == 1)


async def _asked_again(giver: Gives) -> int:
    return giver.asked_again


async def test_what_a_surviving_session_gives_again_is_not_kept_twice(
    bus: Client, giver: Gives
) -> None:
    stored = stored_by(bus, giver)
    stored.take(received(POUR, mid=1))
    stored.connected(session_present=True)
    stored.take(received(POUR, mid=1, epoch=2))

    async with running(stored.run()):
        await until(lambda: _acknowledged(giver), lambda all_: all_ == [1])

    assert await count(bus, "POURS") == 1


async def test_what_a_lost_session_cannot_give_again_is_kept(bus: Client, giver: Gives) -> None:
    stored = stored_by(bus, giver)
    stored.take(received(POUR, mid=1))
    stored.connected(session_present=False)
    stored.take(received(POUR, mid=1, epoch=2))

    async with running(stored.run()):
        await until(lambda: count(bus, "POURS"), lambda stored: stored == 2)


async def test_a_fresh_question_passes_and_an_old_or_retained_one_does_not(bus: Client) -> None:
    fleeting = Fleeting(bus=bus, sieve=Sieve(), now_s=lambda: 10.0)
    for at_s, body in ((4.9, b"old"), (5.1, b"fresh")):
        fleeting.take(received(AUTHORIZE, body, qos=0, at_s=at_s))
    fleeting.take(received(AUTHORIZE, b"retained", qos=0, at_s=10.0, retained=True))

    async with running(fleeting.run()):
        await until(lambda: count(bus, "AUTHORIZE"), lambda stored: stored == 1)

    assert fleeting.dropped == 2


async def test_while_the_bus_is_away_flow_is_dropped_and_a_question_waits_for_its_guest(
    nats_server: NatsServer, bus: Client
) -> None:
    now = [0.0]
    fleeting = Fleeting(bus=bus, sieve=Sieve(), now_s=lambda: now[0])
    await nats_server.stop()
    await until(lambda: _is_connected(bus), lambda is_: not is_)
    for topic in (FLOW, AUTHORIZE):
        fleeting.take(received(topic, qos=0, at_s=0.0))

    async with running(fleeting.run()):
        await until(lambda: _dropped(fleeting), lambda dropped: dropped == 1)
        now[0] = 5.1
        await until(lambda: _dropped(fleeting), lambda dropped: dropped == 2)


async def _dropped(fleeting: Fleeting) -> int:
    return fleeting.dropped
