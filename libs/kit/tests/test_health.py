"""A service says that it is alive at once, and how its parts are as soon as they have answered."""

import asyncio

import orjson
from nats.aio.client import Client
from pourline.contracts import subjects
from pourline.kit.health import Health


async def test_a_part_that_hangs_delays_the_report_and_not_the_sign_of_life(bus: Client) -> None:
    released, asked = asyncio.Event(), 0

    async def hangs() -> None:
        nonlocal asked
        asked += 1
        await released.wait()

    await Health(bus=bus, service="shift", parts={"database": hangs}).start()
    reports = [
        asyncio.create_task(bus.request(subjects.health("shift"), timeout=5)) for _ in range(20)
    ]

    await bus.request(subjects.alive("shift"), timeout=1)
    released.set()
    answers = [orjson.loads(one.data) for one in await asyncio.gather(*reports)]

    assert answers == [{"service": "shift", "ready": True, "parts": {"database": "ok"}}] * 20
    assert asked == 1
