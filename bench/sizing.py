"""What a venue costs: disk a pour, and one machine under one, two and four venues' load.

Each venue is a bar of its own (`pourline up` in a folder), as a group would place them on
machines: no venue knows of another. Each pours at a busy pace while its latencies are taken.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat, run_bar

from bench.evening import memory
from bench.figures import share

VENUES: Final = (1, 2, 4)
TAPS: Final = 10
PER_SECOND: Final = 10
"""Twenty taps with a beer every two minutes each pour 0.17/s: a pace no bar reaches for long."""
PACE_S: Final = 15
STORED: Final = 20_000
WINDOW: Final = 1_000
POURS_A_YEAR: Final = 365 * 800
"""A bar of twenty taps and 800 pours a day."""
MB: Final = 2**20


@dataclass(kw_only=True)
class Venue:
    """A bar with its taps and guests."""

    bar: RunningBar
    fleet: Fleet
    seats: list[TapSeat]
    guests: list[GuestSeat]
    latencies: list[float] = field(default_factory=list)

    async def pour(self, number: int) -> None:
        """Pour once and note how long the answer took, ms."""
        begun = time.perf_counter()
        fields = {"visit_id": self.guests[number % TAPS].visit_id}
        answer = await self.fleet.pour(self.seats[number % TAPS].tap_id, fields)
        assert answer["status"] == "accepted"
        self.latencies.append((time.perf_counter() - begun) * 1000)

    async def pace(self) -> None:
        """Pour at the pace."""
        begun, running = time.perf_counter(), []
        for number in range(PACE_S * PER_SECOND):
            running.append(asyncio.create_task(self.pour(number)))
            await asyncio.sleep(max(0.0, begun + (number + 1) / PER_SECOND - time.perf_counter()))
        await asyncio.gather(*running)


async def measure() -> str:
    """Return both as tables."""
    with _folder() as folder:
        stored = await _stored(folder)
    rows = []
    for count in VENUES:
        with _folder() as folder:
            rows.append(await _together(folder, count))
    return "\n".join([*stored, "", *_head(), *rows])


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o711)  # PostgreSQL's own account must pass
        yield Path(made) / "bar"


def _head() -> list[str]:
    venues = f"venues on one machine, {PER_SECOND} pours/s each"
    titles = (venues, "answer p50, ms", "p99, ms", "processors used", "memory, MB")
    return [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]


async def _stored(folder: Path) -> list[str]:
    """Return what pours leave on the disk."""
    async with run_bar(folder) as bar, _venue(bar) as venue:
        before = _sizes(folder)
        pours = [
            (
                venue.seats[number % TAPS].tap_id,
                venue.fleet.new_pour(
                    venue.seats[number % TAPS].tap_id,
                    {"visit_id": venue.guests[number % TAPS].visit_id},
                ),
            )
            for number in range(STORED)
        ]
        measured = await venue.fleet.publish_pours(pours, window=WINDOW, within_s=120)
        assert measured.unanswered == ()
        await bar.verified()
        after = _sizes(folder)
    lines = ["| where | bytes a pour | a bar's year, GB |", "|---|---|---|"]
    for name, size in after.items():
        each = (size - before[name]) / STORED
        lines.append(f"| {name} | {each:,.0f} | {each * POURS_A_YEAR / 2**30:.2f} |")
    return lines


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes that databases and streams take."""
    return {
        "databases": _bytes(folder / "postgres", but="pg_wal"),
        "streams (kept for 7 to 14 days)": _bytes(folder / "nats"),
    }


def _bytes(folder: Path, *, but: str = "") -> int:
    found = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and (not but or but not in path.parts):
                found += path.stat().st_size
    return found


async def _together(folder: Path, count: int) -> str:
    """Return the row of so many venues at once."""
    async with contextlib.AsyncExitStack() as parts:
        bars = [
            await parts.enter_async_context(run_bar(folder.with_name(f"venue-{number}")))
            for number in range(count)
        ]
        venues = [await parts.enter_async_context(_venue(bar)) for bar in bars]
        processes = [one for bar in bars for one in bar.processes()]
        begun, used = time.perf_counter(), _used(processes)
        await asyncio.gather(*(venue.pace() for venue in venues))
        busy = (_used(processes) - used) / (time.perf_counter() - begun)
        size = sum(sum(memory(bar).values()) for bar in bars)
        for bar in bars:
            await bar.verified()
    times = [one for venue in venues for one in venue.latencies]
    cells = (share(times, 0.5), share(times, 0.99))
    figures = " | ".join(f"{one:.1f}" for one in cells)
    return f"| {count} | {figures} | {busy:.2f} | {size:.0f} |"


@contextlib.asynccontextmanager
async def _venue(bar: RunningBar) -> AsyncIterator[Venue]:
    seats = [await bar.seat_tap(keg_ml=10**8, price_per_litre=100) for _ in range(TAPS)]
    guests = [await bar.seat_guest(amount=10**9) for _ in range(TAPS)]
    taps = [(seat.tap_id, seat.secret) for seat in seats]
    async with Fleet(mqtt_url=bar.mqtt_url, taps=taps) as fleet:
        for tap_id, _ in taps:
            fleet.publish(tap_id, "status", {"online": True, "pending_sync": 0}, retain=True)
        venue = Venue(bar=bar, fleet=fleet, seats=seats, guests=guests)
        for number in range(TAPS):
            await venue.pour(number)
        venue.latencies.clear()
        yield venue


def _used(processes: list[psutil.Process]) -> float:
    """Return the seconds of processor time that processes have used."""
    used = 0.0
    for one in processes:
        with contextlib.suppress(psutil.Error):
            times = one.cpu_times()
            used += times.user + times.system
    return used


if __name__ == "__main__":
    print(asyncio.run(measure()))
