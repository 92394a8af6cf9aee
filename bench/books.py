"""What a pour costs with a million in the books, and whether memory grows with pours.

Both times the guests that are measured have as many pours of their own: nobody drinks five
thousand in an evening, which is what the bursts between leave the first ones with.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

import psycopg
from pourline.controller.simulator import Fleet
from pourline.local.paths import DataDir
from pourline.local.storage import reachable
from pourline.testkit.bar import GuestSeat, RunningBar, run_bar

from bench import evening
from bench.figures import Figures, share

STORED: Final = 1_000_000
GUESTS: Final = 10_000
ROUNDS: Final = 5
"""Bursts of 20,000 pours after which memory is read: 100,000 in all."""
PAGES: Final = 200

PAST_GUESTS = """
    WITH guest AS (SELECT gen_random_uuid() AS id FROM generate_series(1, %(guests)s)),
    visited AS (
        INSERT INTO visit (visit_id, guest_id, opened_at, closed_at)
        SELECT gen_random_uuid(), id, now() - interval '30 days', now() - interval '29 days'
        FROM guest)
    INSERT INTO account (id, kind, guest_id, balance)
    SELECT 'guest:' || id, 'guest', id, -30 * %(each)s FROM guest
    UNION ALL SELECT 'sales:past', 'sales', NULL, 30 * %(each)s * %(guests)s
"""
POURED_AND_BOOKED = """
    poured AS (
        INSERT INTO pour (client_tx_id, digest, short_id, tap_id, location, visit_id, guest_id,
                          volume_ml, amount, balance_after, price_per_litre, status, sync_status,
                          offline, ghost, takes_keg, started_at, ended_at, received_at)
        SELECT id::text, decode(md5(id::text), 'hex'), '000001', 'past', 'main', visit_id, guest_id,
               300, 30, 0, 100, 'accepted', 'synced', false, false, false, at, at, at
        FROM past
    ), booked AS (
        INSERT INTO booking (id, kind, reference, actor, at)
        SELECT id, 'pour', id::text, 'tap-past', at FROM past
    )
"""
"""Pours of `past` (id, visit_id, guest_id, at) with a booking each."""

PAST_POURS = (
    """
    WITH past AS MATERIALIZED (
        SELECT gen_random_uuid() AS id, visit.visit_id, visit.guest_id,
               visit.closed_at - n * interval '1 minute' AS at
        FROM visit, generate_series(1, %(each)s) AS n
        WHERE visit.closed_at IS NOT NULL
    ), """
    + POURED_AND_BOOKED
    + """
    INSERT INTO entry (booking_id, account_id, amount, balance_after)
    SELECT id, 'guest:' || guest_id, -30, 0 FROM past
    UNION ALL SELECT id, 'sales:past', 30, 0 FROM past
"""
)


async def measure() -> str:
    """Return the tables: memory after each burst; costs at a thousand and at a million pours."""
    with tempfile.TemporaryDirectory() as folder:
        async with run_bar(Path(folder) / "bar") as bar:
            seats = [
                await bar.seat_tap(keg_ml=10**9, price_per_litre=100) for _ in range(evening.TAPS)
            ]
            guests = [await bar.seat_guest(amount=10**9) for _ in range(evening.TAPS)]
            taps = [(seat.tap_id, seat.secret) for seat in seats]
            async with Fleet(mqtt_url=bar.mqtt_url, taps=taps) as fleet:
                for tap_id, _ in taps:
                    online = {"online": True, "pending_sync": 0}
                    fleet.publish(tap_id, "status", online, retain=True)
                await evening.burst(fleet, taps, guests, evening.WARM_UP)
                await bar.verified()  # the readers have caught up
                few, many = Figures(), Figures()
                await _settle(bar)
                await evening.pace(fleet, taps, guests, Figures())  # a fresh bar's first seconds
                few_page = await _costs(bar, fleet, taps, guests, few)
                memory = await _endure(bar, fleet, taps, guests)
                await _fill(bar)
                await bar.verified()
                others = [await bar.seat_guest(amount=10**9) for _ in range(evening.TAPS)]
                await evening.burst(fleet, taps, others, evening.WARM_UP)
                await bar.verified()
                await _settle(bar)
                many_page = await _costs(bar, fleet, taps, others, many)
            return f"{memory}\n\n{_table(few, many, few_page, many_page)}"


async def _costs(
    bar: RunningBar,
    fleet: Fleet,
    taps: list[tuple[str, str]],
    guests: list[GuestSeat],
    figures: Figures,
) -> float:
    """Measure cards and pours at 50/s into `figures`; return a guest's page, p50 in ms."""
    await evening.pace(fleet, taps, guests, figures)
    took = []
    for number in range(PAGES):
        begun = time.perf_counter()
        await bar.get(f"/api/visits/{guests[number % len(guests)].visit_id}")
        took.append((time.perf_counter() - begun) * 1000)
    return share(took, 0.5)


async def _endure(
    bar: RunningBar, fleet: Fleet, taps: list[tuple[str, str]], guests: list[GuestSeat]
) -> str:
    lines = [
        "| pours | MB PSS, the whole bar | of it, Pourline's own | pours/s |",
        "|---|---|---|---|",
    ]
    for number in range(1, ROUNDS + 1):
        per_second = await evening.burst(fleet, taps, guests, evening.BURST)
        await bar.verified()
        found = evening.memory(bar)
        own = sum(mb for name, mb in found.items() if name not in {"postgres", "nats-server"})
        count = number * evening.BURST
        lines.append(f"| {count:,} | {sum(found.values()):.0f} | {own:.0f} | {per_second:.0f} |")
    return "\n".join(lines)


async def _fill(bar: RunningBar) -> None:
    """Put pours of past evenings into the books, up to a million."""
    each = STORED // GUESTS
    async with await psycopg.AsyncConnection.connect(
        await _url(bar), autocommit=True
    ) as connection:
        share_of = {"guests": GUESTS, "each": each}
        await connection.execute(PAST_GUESTS, share_of)
        await connection.execute(PAST_POURS, share_of)
    await _settle(bar)


async def _settle(bar: RunningBar) -> None:
    """Do at once what autovacuum does within minutes."""
    async with await psycopg.AsyncConnection.connect(
        await _url(bar), autocommit=True
    ) as connection:
        await connection.execute("VACUUM ANALYZE")


async def _url(bar: RunningBar) -> str:
    async with reachable(DataDir(bar.data_dir)) as surroundings:
        return surroundings.owner_url("ledger")


def _table(few: Figures, many: Figures, few_page: float, many_page: float) -> str:
    rows = (
        ("authorize p50, ms", few.authorize_p50_ms, many.authorize_p50_ms),
        ("authorize p99, ms", few.authorize_p99_ms, many.authorize_p99_ms),
        ("pour to accepted p50, ms", few.accepted_p50_ms, many.accepted_p50_ms),
        ("pour to accepted p99, ms", few.accepted_p99_ms, many.accepted_p99_ms),
        ("a guest's page p50, ms", few_page, many_page),
    )
    head = f"| at 50 pours/s | a thousand pours | {STORED:,} stored pours | ratio (at most 1.1) |"
    lines = [f"| {what} | {a:.1f} | {b:.1f} | {b / a:.2f} |" for what, a, b in rows]
    return "\n".join([head, "|---|---|---|---|", *lines])


if __name__ == "__main__":
    print(asyncio.run(measure()))
