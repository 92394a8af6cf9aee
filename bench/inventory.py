"""What the snapshot and a page of the inventory ledger cost with 1,000,000 rows behind them.

Asked over HTTP as a screen asks; half of the rows are of one item.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx
import psycopg
from pourline.local.paths import DataDir
from pourline.local.storage import reachable
from pourline.testkit.bar import RunningBar, run_bar

from bench.figures import share

FEW: Final = 1_000
MANY: Final = 1_000_000
ITEMS: Final = 1_000
ASKED: Final = 200
WARM_UP: Final = 20

PAST_ITEMS = """
    INSERT INTO inventory_item (item_id, name, unit, facts_version, version)
    SELECT gen_random_uuid(), 'Item ' || n, 'ml', 1, 1 FROM generate_series(1, %s) AS n
"""
PAST_ENTRIES = """
    WITH known AS (SELECT array_agg(item_id ORDER BY item_id) AS ids FROM inventory_item),
    past AS (
        INSERT INTO inventory_entry (id, item_id, delta, source, actor, transaction_id, at,
                                     occurred_at)
        SELECT gen_random_uuid(), CASE WHEN n %% 2 = 0 THEN %s::uuid
                                  ELSE ids[1 + n %% array_length(ids, 1)] END,
               -1, 'pour', 'spout', gen_random_uuid()::text, now(), now()
        FROM generate_series(1, %s) AS n, known
        RETURNING item_id, delta, at
    )
    UPDATE inventory_item SET current_stock = current_stock + sums.delta, last_activity_at = sums.at
    FROM (SELECT item_id, sum(delta) AS delta, max(at) AS at FROM past GROUP BY item_id) AS sums
    WHERE inventory_item.item_id = sums.item_id
"""

Costs = dict[str, list[float]]
"""Milliseconds of each asking, by what was asked."""


async def measure() -> str:
    """Return the costs at a thousand and at a million rows as a table."""
    with tempfile.TemporaryDirectory() as folder:
        async with run_bar(Path(folder) / "bar") as bar:
            item = await bar.post("/api/items", name="Gin", unit="ml")
            await _fill(bar, item["id"], items=ITEMS, entries=FEW)
            few = await _ask(bar, item["id"])
            await _fill(bar, item["id"], items=0, entries=MANY - FEW)
            many = await _ask(bar, item["id"])
    return _table(few, many)


async def _ask(bar: RunningBar, item_id: str) -> Costs:
    """Ask for each page again and again, and correct the item's stock."""
    listed = "/api/inventory/ledger"
    deep = (await bar.get(listed, item_id=item_id, limit="400"))["next"]
    pages: dict[str, tuple[str, dict[str, str]]] = {
        "snapshot, 100 items": ("/api/inventory", {}),
        "ledger, newest 100": (listed, {}),
        "ledger of an item, newest 100": (listed, {"item_id": item_id}),
        "ledger of an item, further back": (listed, {"item_id": item_id, "cursor": deep}),
    }
    costs: Costs = {}
    headers = {"Authorization": f"Bearer {await bar.token(level=3)}"}
    async with httpx.AsyncClient(base_url=bar.base_url, timeout=30, headers=headers) as web:
        for name, (path, query) in pages.items():
            costs[name] = [await _timed(web, "GET", path, params=query) for _ in range(ASKED)]
        adjust, body = f"/api/inventory/{item_id}/adjust", {"delta": -1, "reason": "bench"}
        costs["a correction, booked and shown"] = [
            await _timed(web, "POST", adjust, json=body) for _ in range(ASKED)
        ]
    return {name: times[WARM_UP:] for name, times in costs.items()}


async def _timed(
    web: httpx.AsyncClient, method: str, path: str, **options: dict[str, object] | dict[str, str]
) -> float:
    began = time.perf_counter()
    answer = await web.request(method, path, **options)  # type: ignore[arg-type] # httpx's own
    answer.raise_for_status()
    return (time.perf_counter() - began) * 1000


async def _fill(bar: RunningBar, item_id: str, *, items: int, entries: int) -> None:
    """Write the past into the ledger's books, and do at once what autovacuum does in minutes."""
    async with reachable(DataDir(bar.data_dir)) as surroundings:
        url = surroundings.owner_url("ledger")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(PAST_ITEMS, (items,))
        await connection.execute(PAST_ENTRIES, (item_id, entries))
        await connection.execute("VACUUM ANALYZE")


def _table(few: Costs, many: Costs) -> str:
    head = f"| ms, p50 (p99) | {FEW:,} rows | {MANY:,} rows | ratio of p50 |"
    lines = []
    for what, before in few.items():
        after = many[what]
        (a, b), (c, d) = ((share(one, 0.5), share(one, 0.99)) for one in (before, after))
        lines.append(f"| {what} | {a:.1f} ({b:.1f}) | {c:.1f} ({d:.1f}) | {c / a:.2f} |")
    return "\n".join([head, "|---|---|---|---|", *lines])


if __name__ == "__main__":
    print(asyncio.run(measure()))
