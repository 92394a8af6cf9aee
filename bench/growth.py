"""What a card costs in a bar with years behind it, beside the same bar when it was empty."""

import asyncio
import tempfile
from pathlib import Path

import psycopg
from pourline.controller.simulator import Fleet
from pourline.local.paths import DataDir
from pourline.local.storage import reachable
from pourline.testkit.bar import RunningBar, run_bar
from pourline.testkit.until import until

from bench import evening
from bench.figures import Figures

GUESTS = 100_000
AUDIT_ROWS = 1_000_000
CHUNK = 100_000
LINKED_WITHIN_S = 300.0

PAST_GUESTS = """
    INSERT INTO guest (id, name, phone, age_verified_at)
    SELECT gen_random_uuid(), 'Guest ' || n, '+49170' || (1000000 + n), now()
    FROM generate_series(1, %s) AS n
"""
PAST_VISITS = """
    INSERT INTO visit (id, guest_id, status, card_uid, opened_at, opened_by, closed_at, closed_by,
                       close_reason)
    SELECT gen_random_uuid(), id, 'closed', '04' || substr(md5(id::text), 1, 12),
           now() - interval '30 days', 'bench', now() - interval '29 days', 'bench', 'left'
    FROM guest WHERE name LIKE 'Guest %%' AND id NOT IN (SELECT guest_id FROM visit)
"""
PAST_AUDIT = """
    INSERT INTO audit (actor, action, subject, after)
    SELECT 'tap-t1', 'access_allowed', 'visit:' || n, '{"tap_id": "t1"}'
    FROM generate_series(1, %s) AS n
"""


async def measure() -> str:
    """Return authorize at 50 pours/s, empty and grown, as lines of a table."""
    with tempfile.TemporaryDirectory() as folder:
        async with run_bar(Path(folder) / "bar") as bar:
            seats = [
                await bar.seat_tap(keg_ml=10**8, price_per_litre=100) for _ in range(evening.TAPS)
            ]
            guests = [await bar.seat_guest(amount=10**9) for _ in range(evening.TAPS)]
            taps = [(seat.tap_id, seat.secret) for seat in seats]
            async with Fleet(mqtt_url=bar.mqtt_url, taps=taps) as fleet:
                for tap_id, _ in taps:
                    fleet.publish(
                        tap_id, "status", {"online": True, "pending_sync": 0}, retain=True
                    )
                await evening.burst(fleet, taps, guests, evening.WARM_UP)
                await bar.verified()  # the readers have caught up
                empty, grown = Figures(), Figures()
                await _analyse(bar)
                await evening.pace(fleet, taps, guests, Figures())  # a fresh bar's first seconds
                await evening.pace(fleet, taps, guests, empty)
                await _grow(bar)
                await bar.verified()
                await evening.pace(fleet, taps, guests, grown)
            return _table(empty, grown)


async def _grow(bar: RunningBar) -> None:
    """Fill auth-lock with guests, their visits and a record, and wait until it is chained."""
    async with await psycopg.AsyncConnection.connect(
        await _url(bar), autocommit=True
    ) as connection:
        await connection.execute(PAST_GUESTS, (GUESTS,))
        await connection.execute(PAST_VISITS)
        for _ in range(AUDIT_ROWS // CHUNK):
            await connection.execute(PAST_AUDIT, (CHUNK,))

        async def unlinked() -> int:
            cursor = await connection.execute("SELECT count(*) FROM audit_unlinked")
            row = await cursor.fetchone()
            return int(row[0]) if row else 0

        await until(unlinked, lambda left: left < CHUNK // 100, within_s=LINKED_WITHIN_S)
    await _analyse(bar)


async def _analyse(bar: RunningBar) -> None:
    """Do at once what autovacuum does within minutes."""
    async with await psycopg.AsyncConnection.connect(
        await _url(bar), autocommit=True
    ) as connection:
        await connection.execute("VACUUM ANALYZE")


async def _url(bar: RunningBar) -> str:
    async with reachable(DataDir(bar.data_dir)) as surroundings:
        return surroundings.owner_url("auth-lock")


def _table(empty: Figures, grown: Figures) -> str:
    rows = (
        ("authorize p50, ms", empty.authorize_p50_ms, grown.authorize_p50_ms),
        ("authorize p99, ms", empty.authorize_p99_ms, grown.authorize_p99_ms),
        ("pour to accepted p50, ms", empty.accepted_p50_ms, grown.accepted_p50_ms),
        ("pour to accepted p99, ms", empty.accepted_p99_ms, grown.accepted_p99_ms),
    )
    head = f"| at 50 pours/s | empty | {GUESTS:,} guests, {AUDIT_ROWS:,} audit rows | ratio |"
    lines = [f"| {what} | {a:.1f} | {b:.1f} | {b / a:.2f} |" for what, a, b in rows]
    return "\n".join([head, "|---|---|---|---|", *lines])


if __name__ == "__main__":
    print(asyncio.run(measure()))
