"""A hundred spouts: exact stock however their events are repeated, and how soon the stock shows.

Prints events a second (published until every one is booked) and the latency from a spout's publish
to the stock's server-sent event at 50 events a second.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from pourline.testkit import spouts
from pourline.testkit.bar import RunningBar
from pourline.testkit.until import until

from bench.figures import share

SPOUTS = 100
ITEMS = 10
TIMES = 5
SEED = 7
PER_SECOND = 50
PACED_S = 20
BOOKED_WITHIN_S = 1800.0
P99_MS = 500
VERIFIES_MAX = 10
"""Each waits half a minute for what is in flight."""


async def measure(events: int) -> str:
    """Return the table of one run on a bar of its own; its invariants must hold at the end."""
    with tempfile.TemporaryDirectory() as folder:
        bar = RunningBar(Path(folder) / "bar")
        await bar.start()
        try:
            seats = await spouts.seat(bar, spouts=SPOUTS, items=ITEMS)
            async with spouts.lines(bar) as lines:
                paced = await _pace(bar, lines, seats)
                table = await _flood(bar, lines, seats, events)
            await _all_took_it_in(bar)
        finally:
            await bar.stop()
    p50, p99 = share(paced, 0.5), share(paced, 0.99)
    word = "reached" if p99 <= P99_MS else "not reached"
    shown = f"| publish to the stock's event at {PER_SECOND}/s, ms | p50 {p50:.0f}, p99 {p99:.0f} "
    return f"{table}\n{shown}| p99 {P99_MS}: {word} |"


async def _all_took_it_in(bar: RunningBar) -> None:
    """Let the readers of so many events come after; then every invariant must hold."""
    for _ in range(VERIFIES_MAX - 1):
        code, _ = await bar.run("verify")
        if code == 0:
            return
    await bar.verified()


async def _pace(bar: RunningBar, lines: spouts.Lines, seats: list[spouts.Seat]) -> list[float]:
    """Measure the latency on a quiet bar, each spout in turn."""
    poured = [
        spouts.pour(seats[number % SPOUTS], -1 - number, 60)
        for number in range(PER_SECOND * PACED_S)
    ]
    left = await spouts.stock_of(bar)
    return await spouts.paced(bar, lines, poured, per_second=PER_SECOND, left=left)


async def _flood(
    bar: RunningBar, lines: spouts.Lines, seats: list[spouts.Seat], events: int
) -> str:
    before = await spouts.stock_of(bar)
    poured = spouts.evening(seats, events=events, seed=SEED)
    order = spouts.jumbled(poured, times=TIMES, seed=SEED)
    clean = spouts.left_of(poured)
    wanted = {item: before[item] - spouts.STOCK_ML + left for item, left in clean.items()}
    begun = time.perf_counter()
    await lines.flood(order)
    published = time.perf_counter() - begun

    async def stock() -> dict[str, object]:
        return dict(await spouts.stock_of(bar))

    await until(stock, lambda found: found == wanted, within_s=BOOKED_WITHIN_S)
    booked = time.perf_counter() - begun
    return "\n".join(
        [
            "| what | measured | to reach |",
            "|---|---|---|",
            (
                f"| {len(poured):,} events, each sent {TIMES} times in random order | "
                "stock exact to the microlitre | exact |"
            ),
            f"| messages/s, published and stored by the broker | {len(order) / published:.0f} | |",
            f"| messages/s, published until all is booked | {len(order) / booked:.0f} | |",
            f"| new events/s, published until all is booked | {len(poured) / booked:.0f} | |",
        ]
    )


def main() -> int:
    """Print what was measured; a figure that is not reached fails nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1000, help="of each spout")
    print(asyncio.run(measure(parser.parse_args().events)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
