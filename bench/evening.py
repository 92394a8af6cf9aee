"""The whole bar under load: pours as fast as they are answered, cards and pours at 50/s."""

import asyncio
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import psutil
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import GuestSeat, RunningBar

from bench import cpu
from bench.echo import Echo
from bench.figures import Figures, share

TAPS = 20
BURST = 20_000
WARM_UP = 1_000
WINDOW = 1_500
PACE_S = 10
PER_SECOND = 50
CARDS = 300
MB = 2**20


async def measure(figures: Figures) -> None:
    """Measure a bar of 20 taps in a folder of its own; every invariant must hold at its end."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "bar"
        figures.first_start_s = await _start_and_stop(data_dir)
        begun = time.perf_counter()
        bar = RunningBar(data_dir)
        await bar.start()
        figures.next_start_s = time.perf_counter() - begun
        try:
            await _drink(bar, figures)
            await bar.verified()
        finally:
            await bar.stop()


async def _start_and_stop(data_dir: Path) -> float:
    begun = time.perf_counter()
    bar = RunningBar(data_dir)
    await bar.start()
    took = time.perf_counter() - begun
    await bar.stop()
    return took


async def _drink(bar: RunningBar, figures: Figures) -> None:
    seats = [await bar.seat_tap(keg_ml=10**8, price_per_litre=100) for _ in range(TAPS)]
    guests = [await bar.seat_guest(amount=10**9) for _ in range(TAPS)]
    taps = [(seat.tap_id, seat.secret) for seat in seats]
    async with Fleet(mqtt_url=bar.mqtt_url, taps=taps) as fleet:
        for tap_id, _ in taps:
            fleet.publish(tap_id, "status", {"online": True, "pending_sync": 0}, retain=True)
        await burst(fleet, taps, guests, WARM_UP)
        begun = cpu.used(bar.processes())
        figures.pours_per_s = await burst(fleet, taps, guests, BURST)
        answered = cpu.used(bar.processes())
        figures.memory_mb = memory(bar)
        figures.memory_peak_mb = sum(figures.memory_mb.values())
        await bar.verified()  # the readers have caught up
        told = cpu.used(bar.processes())
        figures.cpu_to_answer = cpu.per_thousand(begun, answered, BURST)
        figures.cpu_to_all = cpu.per_thousand(begun, told, BURST)
        other = await bar.seat_tap(keg_ml=10**8, price_per_litre=100)
        echo = Echo(other.tap_id)
        async with echo.through(bar, other.secret):
            await pace(fleet, taps, guests, figures, echo)


async def burst(
    fleet: Fleet, taps: list[tuple[str, str]], guests: list[GuestSeat], count: int
) -> float:
    """Return pours a second, from the first publish to the last answer."""
    pours = [
        (
            taps[number % TAPS][0],
            fleet.new_pour(taps[number % TAPS][0], {"visit_id": guests[number % TAPS].visit_id}),
        )
        for number in range(count)
    ]
    measured = await fleet.publish_pours(pours, window=WINDOW, within_s=120)
    assert measured.unanswered == ()
    assert measured.statuses == Counter(accepted=count)
    return measured.per_second


async def pace(
    fleet: Fleet,
    taps: list[tuple[str, str]],
    guests: list[GuestSeat],
    figures: Figures,
    echo: Echo | None = None,
) -> None:
    """Measure cards, echoes between them, and pours, while pours run at 50/s on the other taps."""
    pouring = asyncio.create_task(_steady_pours(fleet, taps[1:], guests[1:]))
    cards: list[float] = []
    echoes: list[float] = []
    while not pouring.done() and len(cards) < CARDS:
        if echo:
            echoes.append(await echo.ms())
        begun = time.perf_counter()
        grant = await fleet.authorize(taps[0][0], guests[0].card_uid)
        cards.append((time.perf_counter() - begun) * 1000)
        assert grant["decision"] == "allow", grant
        await fleet.pour(taps[0][0], {"grant_id": grant["grant_id"], "volume_ml": 0})
    latencies = await pouring
    figures.authorize_p50_ms, figures.authorize_p99_ms = share(cards, 0.5), share(cards, 0.99)
    if echoes:
        figures.echo_p50_ms, figures.echo_p99_ms = share(echoes, 0.5), share(echoes, 0.99)
    figures.accepted_p50_ms = share(latencies, 0.5)
    figures.accepted_p99_ms = share(latencies, 0.99)


async def _steady_pours(
    fleet: Fleet, taps: list[tuple[str, str]], guests: list[GuestSeat]
) -> list[float]:
    latencies: list[float] = []

    async def one(number: int) -> None:
        tap_id = taps[number % len(taps)][0]
        guest = guests[number % len(guests)]
        begun = time.perf_counter()
        answer = await fleet.pour(tap_id, {"visit_id": guest.visit_id})
        assert answer["status"] == "accepted"
        latencies.append((time.perf_counter() - begun) * 1000)

    running = []
    begun = time.perf_counter()
    for number in range(PACE_S * PER_SECOND):
        running.append(asyncio.create_task(one(number)))
        await asyncio.sleep(max(0.0, begun + (number + 1) / PER_SECOND - time.perf_counter()))
    await asyncio.gather(*running)
    return latencies


def memory(bar: RunningBar) -> dict[str, float]:
    """Return the proportional set size of every process, in MB, by what it is."""
    found: defaultdict[str, float] = defaultdict(float)
    for process in bar.processes():
        try:
            words, pss = process.cmdline(), process.memory_full_info().pss
        except psutil.Error:
            continue
        found[cpu.name_of(words)] += pss / MB
    return dict(found)
