"""How long an alert takes: from its cause to the topic that screens watch, and to a mailbox.

The cause of the first is a pour that nobody asked for, sent while pours run at 50/s; of the second
an item's stock that falls to its threshold by a correction over HTTP.
"""

import asyncio
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiomqtt
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import GuestSeat, RunningBar, run_bar
from pourline.testkit.mailbox import Mailbox, run_mailbox
from pourline.testkit.until import until

from bench.figures import share

TAPS: Final = 10
PER_SECOND: Final = 50
PACE_S: Final = 20
GHOST_EVERY: Final = 10
MAILS: Final = 20

Moments = dict[str, float]
"""When something was seen, by what it is about."""


async def measure() -> str:
    """Return the latencies as a table."""
    with tempfile.TemporaryDirectory() as folder:
        async with run_mailbox() as mailbox:
            environment = {
                "SMTP_HOST": "127.0.0.1",
                "SMTP_PORT": str(mailbox.port),
                "ADMIN_NOTIFICATION_EMAILS": "staff@example.org",
            }
            async with run_bar(Path(folder) / "bar", environment) as bar:
                shown = await _shown(bar)
                mailed = await _mailed(bar, mailbox)
                await bar.verified()
    lines = ["| ms | p50 | p99 | most |", "|---|---|---|---|"]
    for what, times in (
        (f"cause to topic, at {PER_SECOND} pours/s", shown),
        ("cause to mailbox", mailed),
    ):
        figures = " | ".join(f"{one:.0f}" for one in (share(times, 0.5), share(times, 0.99)))
        lines.append(f"| {what} | {figures} | {max(times):.0f} |")
    return "\n".join(lines)


async def _shown(bar: RunningBar) -> list[float]:
    seats = [await bar.seat_tap(keg_ml=10**8, price_per_litre=100) for _ in range(TAPS)]
    guests = [await bar.seat_guest(amount=10**9) for _ in range(TAPS)]
    taps = [(seat.tap_id, seat.secret) for seat in seats]
    seen: Moments = {}
    async with Fleet(mqtt_url=bar.mqtt_url, taps=taps) as fleet:
        watching = asyncio.create_task(_watch(bar, seen))
        await asyncio.sleep(1)  # the screen is there
        sent = await _pour(fleet, [tap for tap, _ in taps], guests)
        await until(lambda: _has_all(seen, sent), within_s=30)
        watching.cancel()
    return [(seen[one] - at) * 1000 for one, at in sent.items()]


async def _has_all(seen: Moments, sent: Moments) -> bool:
    return sent.keys() <= seen.keys()


async def _watch(bar: RunningBar, seen: Moments) -> None:
    """Note when each alert's subject is first seen on the alert topics."""
    where = urlsplit(bar.mqtt_url)
    async with aiomqtt.Client(
        str(where.hostname),
        where.port or 1883,
        username="operator",
        password=await bar.token(level=1),
        identifier="bench",
    ) as client:
        await client.subscribe("bar/main/alerts/#", qos=1)
        async for message in client.messages:
            if isinstance(message.payload, bytes) and message.payload:
                alert = json.loads(message.payload)
                seen.setdefault(alert["subject"]["id"], time.perf_counter())


async def _pour(fleet: Fleet, taps: list[str], guests: list[GuestSeat]) -> Moments:
    """Pour at the pace; return when each pour that nobody asked for was sent."""
    sent: Moments = {}
    running = []
    begun = time.perf_counter()
    for number in range(PACE_S * PER_SECOND):
        tap_id = taps[number % TAPS]
        fields = {"visit_id": guests[number % TAPS].visit_id}
        if number % GHOST_EVERY == 0:
            fields = {"client_tx_id": f"ghost-{number}"}
            sent[f"ghost-{number}"] = time.perf_counter()
        running.append(asyncio.create_task(fleet.pour(tap_id, fields)))
        await asyncio.sleep(max(0.0, begun + (number + 1) / PER_SECOND - time.perf_counter()))
    await asyncio.gather(*running)
    return sent


async def _mailed(bar: RunningBar, mailbox: Mailbox) -> list[float]:
    """Let items fall below their threshold, one after the other, and wait for each mail."""
    times = []
    for number in range(MAILS):
        item = await bar.post(
            "/api/items", name=f"Item {number}", unit="each", low_stock_threshold=5
        )
        await bar.post("/api/stock/receipts", item_id=item["id"], quantity=9)
        came = partial(_came, mailbox, len(mailbox.mails))
        begun = time.perf_counter()
        await bar.post(f"/api/inventory/{item['id']}/adjust", delta=-5, reason="bench")
        await until(came, within_s=20)
        times.append((time.perf_counter() - begun) * 1000)
    return times


async def _came(mailbox: Mailbox, before: int) -> bool:
    return len(mailbox.mails) > before


if __name__ == "__main__":
    print(asyncio.run(measure()))
