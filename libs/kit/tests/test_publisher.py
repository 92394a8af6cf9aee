"""What counts as stored is what the bus said that it stored, to this life of the publisher."""

import asyncio
from functools import partial

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from pourline.kit.errors import Retryable
from pourline.kit.nats.publisher import Publication, StoredPublisher
from pourline.testkit.ending import end
from pourline.testkit.until import until

STORED = "evt.guest.registered"
HELD_BACK = "held.back"
"""Nobody stores it: who reads it answers in the place of the bus, or does not."""


@pytest.fixture
async def asked(bus: Client) -> list[Msg]:
    messages: list[Msg] = []

    async def keep(message: Msg) -> None:
        messages.append(message)

    await bus.subscribe(HELD_BACK, cb=keep)
    return messages


async def test_a_round_is_over_once_the_bus_has_stored_all_of_it(bus: Client) -> None:
    before = (await bus.jetstream().stream_info("EVENTS")).state.messages

    await StoredPublisher(bus=bus, name="ledger").publish(
        [Publication(STORED, b"%d" % number) for number in range(200)], wait_s=10
    )

    assert (await bus.jetstream().stream_info("EVENTS")).state.messages == before + 200


async def test_what_no_stream_takes_is_not_stored(bus: Client) -> None:
    publisher = StoredPublisher(bus=bus, name="ledger")

    with pytest.raises(Retryable):
        await publisher.publish([Publication("nobody.stores.this", b"x")], wait_s=10)


async def test_a_round_waits_for_its_last_acknowledgement(bus: Client, asked: list[Msg]) -> None:
    publisher = StoredPublisher(bus=bus, name="ledger")
    round_ = [Publication(STORED, b"one"), Publication(HELD_BACK, b"two")]
    publishing = asyncio.create_task(publisher.publish(round_, wait_s=30))
    await until(lambda: came(asked, 1))

    done, _ = await asyncio.wait([publishing], timeout=0.3)
    assert not done
    await asked[0].respond(b'{"stream":"EVENTS","seq":1}')

    await publishing


async def test_an_acknowledgement_to_a_former_life_counts_for_nothing(
    bus: Client, asked: list[Msg]
) -> None:
    """Both lives number their rounds from one."""
    for life in (1, 2):
        publisher = StoredPublisher(bus=bus, name="ledger")
        publishing = asyncio.create_task(
            publisher.publish([Publication(HELD_BACK, b"x")], wait_s=1)
        )
        await until(partial(came, asked, life))
        if life == 1:
            await end(publishing)

    await asked[0].respond(b'{"stream":"EVENTS","seq":1}')

    with pytest.raises(Retryable):
        await publishing


async def came(messages: list[Msg], count: int) -> bool:
    return len(messages) >= count
