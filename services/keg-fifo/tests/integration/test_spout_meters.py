"""Pours that no spout told of: its meter says more than its pours."""

from collections.abc import AsyncIterator

import pytest
from pourline.contracts.device import SpoutHealth
from pourline.keg_fifo.handlers import health
from pourline.testkit.cellar import Cellar, open_cellar
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase


@pytest.fixture
async def bar(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Cellar]:
    async with open_cellar(fresh_database("keg-fifo"), clock) as cellar:
        await cellar.calibrate(await cellar.item())
        yield cellar


async def counts(bar: Cellar, lifetime: int, *, after_s: int = 20, online: bool = True) -> None:
    """Let the spout say what its meter counted, `after_s` later."""
    bar.clock.advance(seconds=after_s)
    word = SpoutHealth(online=online, lifetime_pulses=lifetime)
    async with bar.database.transaction() as unit:
        await health.note(unit, [(bar.device, word, bar.clock.now())])


async def missed(bar: Cellar) -> list[tuple[int, float]]:
    told = await bar.told("spout.pour_missed")
    return [(one["pulses"], one["volume_ml"]) for one in told]


async def test_what_the_meter_counted_and_no_pour_told_is_told_once(bar: Cellar) -> None:
    await counts(bar, 1_000)
    await bar.say(bar.signed(80, "one"))
    await counts(bar, 1_160)
    assert await missed(bar) == [], "it may be on its way"
    for lifetime in (1_160, 1_160, 1_160):
        await counts(bar, lifetime)

    assert await missed(bar) == [(80, 40)]
    [found] = await bar.told("spout.pour_missed")
    assert (found["device_id"], found["name"]) == (str(bar.device), "Gin spout")
    await counts(bar, 1_260)
    await counts(bar, 1_260)
    assert await missed(bar) == [(80, 40), (100, 50)]


async def test_a_pour_that_comes_after_its_count_is_not_missed(bar: Cellar) -> None:
    await counts(bar, 1_000)
    await counts(bar, 1_080)
    await counts(bar, 1_080, after_s=14)
    await bar.say(bar.signed(80, "late"), bar.signed(80, "late"))
    for lifetime in (1_080, 1_080, 1_080):
        await counts(bar, lifetime)
    await bar.say(bar.signed(40, "ahead of its count"))
    await counts(bar, 1_080)
    await counts(bar, 1_120, after_s=5)
    await counts(bar, 1_120)

    assert await missed(bar) == []


async def test_a_count_that_begins_anew_and_a_will_with_an_old_one_say_nothing(
    bar: Cellar,
) -> None:
    await counts(bar, 1_000)
    await bar.say(bar.signed(900, "one"))
    await counts(bar, 1_900)
    await counts(bar, 1_000, online=False)
    for lifetime in (1_900, 1_900, 3, 3, 3, 20, 20, 20):
        await counts(bar, lifetime)

    assert await missed(bar) == [], "17 pulses are 8.5 ml"


async def test_an_uncalibrated_spout_is_compared_once_it_is(bar: Cellar) -> None:
    await bar.rows(
        "UPDATE calibration SET effective_from = effective_from + interval '1 h' RETURNING 1"
    )
    await counts(bar, 0)
    await bar.say(bar.signed(60, "waits"))
    await counts(bar, 100)
    await counts(bar, 100)
    assert await missed(bar) == []
    bar.clock.advance(hours=2)
    await counts(bar, 100)
    await counts(bar, 100)

    assert await missed(bar) == [(40, 20)]
