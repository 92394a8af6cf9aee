"""What the availability of 500 packages of 10 parts each costs to read, and how soon it is right.

Read over HTTP as a point of sale reads it; stock is corrected and the answer watched until it
is what the new stock allows.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx
from pourline.testkit.bar import RunningBar, run_bar

from bench.figures import share

PACKAGES: Final = 500
PARTS: Final = 10
ITEMS: Final = 100
STOCK: Final = 1_000
ASKED: Final = 200
CORRECTED: Final = 50
SALES: Final = 200
AT_ONCE: Final = 8


async def measure() -> str:
    """Return the costs of reading, of a change and of sales as a table."""
    with tempfile.TemporaryDirectory() as folder:
        async with run_bar(Path(folder) / "bar") as bar:
            headers = {"Authorization": f"Bearer {await bar.token(level=4)}"}
            async with httpx.AsyncClient(base_url=bar.base_url, timeout=30, headers=headers) as web:
                items = [await _item(web, number) for number in range(ITEMS)]
                made = [await _package(web, items, number) for number in range(PACKAGES)]
                await _settled(bar, made[0], STOCK)
                return _table(
                    {
                        "one package": await _reads(web, f"/api/packages/{made[0]}/availability"),
                        "a page of 100": await _reads(web, "/api/packages/availability"),
                        "all 500": await _reads(web, "/api/packages/availability?limit=1000"),
                        "corrected stock, answered, to be sold": await _changes(web, items, made),
                        f"a sale, {AT_ONCE} at once": await _sales(web, made),
                    }
                )


async def _item(web: httpx.AsyncClient, number: int) -> str:
    made = await web.post("/api/items", json={"name": f"Item {number}", "unit": "each"})
    item_id = str(made.raise_for_status().json()["id"])
    received = {"item_id": item_id, "quantity": STOCK}
    (await web.post("/api/stock/receipts", json=received)).raise_for_status()
    return item_id


async def _package(web: httpx.AsyncClient, items: list[str], number: int) -> str:
    parts = [
        {"item_id": items[(number + step * 7) % ITEMS], "quantity": 1} for step in range(PARTS)
    ]
    body = {"name": f"Package {number}", "price": 900, "items": parts}
    return str((await web.post("/api/packages", json=body)).raise_for_status().json()["id"])


async def _settled(bar: RunningBar, package_id: str, count: int) -> None:
    async with asyncio.timeout(10):
        while (await bar.get(f"/api/packages/{package_id}/availability"))["max_sellable"] != count:
            pass


async def _reads(web: httpx.AsyncClient, path: str) -> list[float]:
    times = []
    for _ in range(ASKED):
        began = time.perf_counter()
        (await web.get(path)).raise_for_status()
        times.append((time.perf_counter() - began) * 1000)
    return times[ASKED // 10 :]


async def _changes(web: httpx.AsyncClient, items: list[str], made: list[str]) -> list[float]:
    """Correct the first item by one each time; return the time until its package follows."""
    times = []
    path = f"/api/packages/{made[0]}/availability"
    for number in range(1, CORRECTED + 1):
        body = {"delta": -1, "reason": "bench"}
        answer = await web.post(f"/api/inventory/{items[0]}/adjust", json=body)
        answer.raise_for_status()
        began = time.perf_counter()
        while (await web.get(path)).json()["max_sellable"] != STOCK - number:
            pass
        times.append((time.perf_counter() - began) * 1000)
    return times


async def _sales(web: httpx.AsyncClient, made: list[str]) -> list[float]:
    numbers = iter(range(SALES))
    times: list[float] = []

    async def sell() -> None:
        for number in numbers:
            lines = [{"package_id": made[number], "quantity": 1}]
            body = {"transaction_id": f"bench-{number}", "lines": lines}
            began = time.perf_counter()
            (await web.post("/api/sales", json=body)).raise_for_status()
            times.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(sell() for _ in range(AT_ONCE)))
    return times


def _table(costs: dict[str, list[float]]) -> str:
    lines = [
        f"| {what} | {share(times, 0.5):.1f} | {share(times, 0.99):.1f} |"
        for what, times in costs.items()
    ]
    return "\n".join(["| ms | p50 | p99 |", "|---|---|---|", *lines])


if __name__ == "__main__":
    print(asyncio.run(measure()))
