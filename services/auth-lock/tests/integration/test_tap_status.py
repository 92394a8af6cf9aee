"""Taps' words on themselves: the newest counts, and a meter that counted more than was told."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from nats.aio.client import Client
from pourline.auth_lock.handlers import meters
from pourline.auth_lock.handlers.taps import know_keg_levels, take_status
from pourline.contracts.base import Envelope
from pourline.contracts.cellar import KegLevelChanged
from pourline.contracts.device import TapStatus
from pourline.kit.db import Database
from pourline.testkit.access import Bar, envelope, open_bar, status_word
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.until import until


@pytest.fixture
async def bar(fresh_database: FreshDatabase, bus: Client, clock: FakeClock) -> AsyncIterator[Bar]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    async with open_bar(database, bus, clock) as bar:
        yield bar


async def say(bar: Bar, pending_sync: int, *, seq: int, seconds: int = 1) -> None:
    """Say a status `seconds` after the last one, under the broker's number `seq`."""
    bar.clock.advance(seconds=seconds)
    status = TapStatus(online=True, pending_sync=pending_sync)
    async with bar.database.transaction() as unit:
        await take_status(unit, [status_word("1", status, bar.clock, seq=seq)])


async def state(bar: Bar) -> str:
    [row] = await bar.rows("SELECT state FROM tap WHERE id = '1'")
    return str(row["state"])


@pytest.mark.requirement("SY-3")
async def test_an_older_status_that_comes_again_never_undoes_a_newer_one(bar: Bar) -> None:
    await say(bar, 3, seq=5)
    assert await state(bar) == "processing_sync"
    await say(bar, 0, seq=6)

    await say(bar, 3, seq=5, seconds=-1)

    assert await state(bar) == "active"


@pytest.mark.requirement("SY-3")
async def test_words_of_one_batch_count_in_the_brokers_order(bar: Bar) -> None:
    async with bar.database.transaction() as unit:
        old = status_word("1", TapStatus(online=True, pending_sync=3), bar.clock, seq=2)
        bar.clock.advance(seconds=1)
        new = status_word("1", TapStatus(online=True), bar.clock, seq=3)
        await take_status(unit, [new, old])

    assert await state(bar) == "active"


@pytest.mark.parametrize(
    ("seq", "seconds"), [(1, 60), (1001, -3600)], ids=["broker wiped", "clock set back"]
)
async def test_numbers_or_times_that_begin_anew_are_heard(bar: Bar, seq: int, seconds: int) -> None:
    await say(bar, 3, seq=1000)

    await say(bar, 0, seq=seq, seconds=seconds)

    assert await state(bar) == "active"


async def shut(bar: Bar, lifetime_pulses: int) -> None:
    bar.clock.advance(seconds=1)
    status = TapStatus(online=True, pending_sync=0, valve="closed", lifetime_pulses=lifetime_pulses)
    async with bar.database.transaction() as unit:
        await take_status(unit, [status_word("1", status, bar.clock, seq=lifetime_pulses)])


async def look(bar: Bar, *, after_s: float = 60) -> list[int]:
    """Look at the meters once the tap rested; return the pulses that were missed so far."""
    bar.clock.advance(seconds=after_s)
    async with bar.database.transaction() as unit:
        await meters.look(unit)
    return [event["pulses"] for event in await bar.told("evt.tap.pour_missed")]


@pytest.mark.requirement("SY-7")
async def test_a_pour_that_was_never_told_is_missed_once(bar: Bar) -> None:
    await shut(bar, 10_000)
    assert await look(bar) == []
    grant = await bar.put_card()
    await bar.hear(bar.pour_told(grant.grant_id, pulses=1_620))
    await shut(bar, 13_240)

    assert await look(bar) == [1_620]
    assert await look(bar) == [1_620]


async def test_a_tap_without_a_valve_that_says_its_status_again_and_again_misses_none_unseen(
    bar: Bar,
) -> None:
    async def beats(lifetime_pulses: int, *seqs: int) -> None:
        status = TapStatus(online=True, pending_sync=0, lifetime_pulses=lifetime_pulses)
        for seq in seqs:
            bar.clock.advance(seconds=5)
            async with bar.database.transaction() as unit:
                await take_status(unit, [status_word("1", status, bar.clock, seq=seq)])

    await beats(10_000, 1, 2, 3, 4, 5)
    assert await look(bar, after_s=1) == []
    await beats(11_620, 6, 7)
    assert await look(bar, after_s=1) == []
    await beats(11_620, 8, 9)

    assert await look(bar, after_s=1) == [1_620]


async def test_a_tap_whose_pours_are_all_told_misses_none(bar: Bar) -> None:
    await shut(bar, 10_000)
    await look(bar)
    await bar.hear(bar.pour_told(None, pulses=1_620), bar.pour_told(None, pulses=540))
    await shut(bar, 12_160)

    assert await look(bar) == []


async def test_a_pour_on_its_way_is_not_missed_yet(bar: Bar) -> None:
    await shut(bar, 10_000)
    await look(bar)
    await shut(bar, 11_620)

    assert await look(bar, after_s=5) == []

    await bar.hear(bar.pour_told(None, pulses=1_620))
    assert await look(bar) == []


async def test_a_locked_tap_and_one_with_pours_to_sync_are_not_looked_at(bar: Bar) -> None:
    await shut(bar, 10_000)
    await look(bar)
    grant = await bar.put_card()
    await shut(bar, 11_620)
    assert await look(bar) == []

    await bar.hear(bar.pour_told(grant.grant_id, pulses=1_620))
    assert await look(bar) == []


async def test_pours_without_pulses_begin_the_count_anew(bar: Bar) -> None:
    await shut(bar, 10_000)
    await look(bar)
    await bar.hear(bar.pour_told(None))
    await shut(bar, 11_620)

    assert await look(bar) == []


@pytest.mark.parametrize("pulses", [10**30, -1])
async def test_pulses_that_no_meter_counts_open_the_lock_all_the_same(
    bar: Bar, pulses: int
) -> None:
    await shut(bar, 10_000)
    await look(bar)
    grant = await bar.put_card()
    await bar.hear(bar.pour_told(grant.grant_id, pulses=pulses))
    await shut(bar, 11_620)

    assert (await bar.put_card()).decision == "allow"
    assert await look(bar) == []


async def level_of(bar: Bar, tap_id: str) -> Envelope[KegLevelChanged]:
    """Return the event that a tap's keg holds 40 litres."""
    [row] = await bar.rows(f"SELECT * FROM tap WHERE id = '{tap_id}'")
    level = KegLevelChanged(
        keg_id=str(row["keg_id"]),
        beverage_id=str(row["beverage_id"]),
        beverage_name="Pils",
        tap_id=tap_id,
        volume_ml=Decimal(50_000),
        remaining_ml=Decimal(40_000),
    )
    return envelope(level, bar.clock.now()).model_copy(update={"version": 2})


async def test_batches_about_the_same_taps_never_wait_for_each_other_in_a_ring(bar: Bar) -> None:
    """Levels come in the order of kegs, statuses in that of taps; both take taps in one order."""
    levels = [await level_of(bar, "2"), await level_of(bar, "1")]
    words = [status_word(tap_id, TapStatus(online=False), bar.clock) for tap_id in ("1", "2")]

    async def hear_levels() -> None:
        async with bar.database.transaction() as unit:
            await know_keg_levels(levels, unit)

    async def hear_statuses() -> None:
        async with bar.database.transaction() as unit:
            await take_status(unit, words)

    async def waiting() -> int:
        return len(await bar.rows("SELECT FROM pg_locks WHERE NOT granted"))

    async with bar.database.transaction() as somebody:
        await somebody.execute("SELECT FROM tap WHERE id = '1' FOR UPDATE")
        first = asyncio.create_task(hear_statuses())
        await until(waiting, lambda count: count == 1)
        second = asyncio.create_task(hear_levels())
        await until(waiting, lambda count: count == 2)

    await asyncio.gather(first, second)
    rows = await bar.rows("SELECT online, remaining_ml FROM tap ORDER BY id")
    assert [(row["online"], row["remaining_ml"]) for row in rows] == [(False, 40_000)] * 2
