"""A service says that it is alive at once, and how its parts are as soon as they have answered."""

import asyncio

import orjson
import pytest
from nats.aio.client import Client
from pourline.contracts import subjects
from pourline.contracts.upkeep import ASK_FIGURES, Figures, HealthReport
from pourline.kit import health
from pourline.kit.health import Health


async def test_a_part_that_hangs_delays_the_report_and_not_the_sign_of_life(
    bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PART_WAIT_S", 60.0)
    released, asked = asyncio.Event(), 0

    async def hangs() -> None:
        nonlocal asked
        asked += 1
        await released.wait()

    await Health(bus=bus, service="shift", parts={"database": hangs}).start()
    reports = [
        asyncio.create_task(bus.request(subjects.health("shift"), timeout=30)) for _ in range(20)
    ]

    await bus.request(subjects.alive("shift"), timeout=30)
    released.set()
    answers = [orjson.loads(one.data) for one in await asyncio.gather(*reports)]

    assert answers == [{"service": "shift", "ready": True, "parts": {"database": "ok"}}] * 20
    assert asked == 1


async def test_figures_are_taken_for_those_only_who_ask_for_them(bus: Client) -> None:
    taken = 0

    async def measure() -> Figures:
        nonlocal taken
        taken += 1
        return Figures(dead_letters=3, commit_ms=1.5)

    await Health(bus=bus, service="shift", parts={}, measure=measure).start()
    short = await bus.request(subjects.health("shift"), timeout=30)
    full = await bus.request(subjects.health("shift"), ASK_FIGURES, timeout=30)
    told = HealthReport.model_validate_json(full.data)

    assert orjson.loads(short.data) == {"service": "shift", "ready": True, "parts": {}}
    assert taken == 1
    assert (told.figures, told.ready) == (Figures(dead_letters=3, commit_ms=1.5), True)
    assert told.version
    assert told.uptime_s is not None
