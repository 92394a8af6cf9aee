"""Many spouts of a running bar: what each poured, sent as often and in whatever order is wanted.

Their messages go over a few connections of the system's own user: a hundred devices, each with a
connection, would measure the devices.
"""

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import random
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

import httpx
import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from pourline.local import credentials
from pourline.local.paths import DataDir
from pourline.testkit.bar import RunningBar
from pourline.testkit.until import until

CONNECTIONS = 4
UNCONFIRMED_MAX = 400
"""Publishes of a connection without PUBACK; more would only wait in the client."""
USER = "system-operator"
FACTOR = Decimal("0.333333")
STOCK_ML = 10**8


@dataclass(frozen=True, kw_only=True)
class Seat:
    """A calibrated spout."""

    device_id: str
    secret: str
    item_id: str


@dataclass(frozen=True, kw_only=True)
class Poured:
    """One event: where it goes, what is sent, and what it takes from which item."""

    topic: str
    payload: bytes
    item_id: str
    volume_ml: Decimal


async def seat(bar: RunningBar, *, spouts: int, items: int) -> list[Seat]:
    """Register and calibrate spouts over some items, each with plenty in stock."""
    names = [f"bottle {number}" for number in range(items)]
    kept = [(await bar.post("/api/items", name=name, unit="ml"))["id"] for name in names]
    for item_id in kept:
        await bar.post("/api/stock/receipts", item_id=item_id, quantity=STOCK_ML)
    seats = []
    for number in range(spouts):
        device = await bar.post("/hardware/spout/devices", name=f"spout {number}", vendor="SANDBOX")
        item_id = kept[number % items]
        await bar.post(
            "/hardware/spout/calibrate",
            deviceId=device["id"],
            inventoryItemId=item_id,
            mlPerPulse=float(FACTOR),
        )
        seats.append(Seat(device_id=device["id"], secret=device["secret"], item_id=item_id))
    return seats


def pour(seat: Seat, number: int, pulses: int) -> Poured:
    """Return a signed event of a spout."""
    event_id = f"{seat.device_id}-{number}"
    text = f"v1:{seat.device_id}:{event_id}:0:{pulses}:"
    signature = hmac.new(seat.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    volume_ml = (pulses * FACTOR).quantize(Decimal("0.001"))
    body = {"event_id": event_id, "pulses": pulses, "signature": signature}
    return Poured(
        topic=f"bar/main/spout/{seat.device_id}/pour",
        payload=orjson.dumps(body),
        item_id=seat.item_id,
        volume_ml=volume_ml,
    )


def evening(seats: Sequence[Seat], *, events: int, seed: int) -> list[Poured]:
    """Return what each spout pours in an evening that a seed decides."""
    dice = random.Random(seed)  # noqa: S311 a plan, no secret
    return [pour(one, number, dice.randint(20, 240)) for one in seats for number in range(events)]


def jumbled(poured: Sequence[Poured], *, times: int, seed: int) -> list[Poured]:
    """Return every event so many times, all in random order."""
    order = list(poured) * times
    random.Random(seed).shuffle(order)  # noqa: S311 a plan, no secret
    return order


def left_of(poured: Sequence[Poured]) -> dict[str, Decimal]:
    """Return the stock of each item after a clean run: every event once."""
    left: defaultdict[str, Decimal] = defaultdict(lambda: Decimal(STOCK_ML))
    for one in poured:
        left[one.item_id] -= one.volume_ml
    return dict(left)


class Lines:
    """A few MQTT connections that publish for every spout; use `lines` to get them."""

    def __init__(self, clients: Sequence[paho.Client]) -> None:
        self._clients = clients

    def say(self, number: int, one: Poured) -> None:
        """Publish an event on one of the connections."""
        self._clients[number % len(self._clients)].publish(one.topic, one.payload, qos=1)

    async def flood(self, order: Sequence[Poured]) -> None:
        """Publish all as fast as the broker stores, dealt out over the connections in turn."""
        hands = [order[number :: len(self._clients)] for number in range(len(self._clients))]
        await asyncio.gather(*(_publish(*pair) for pair in zip(self._clients, hands, strict=True)))


async def _publish(client: paho.Client, order: Sequence[Poured]) -> None:
    waiting: list[paho.MQTTMessageInfo] = []
    for one in order:
        waiting.append(client.publish(one.topic, one.payload, qos=1))
        if len(waiting) >= UNCONFIRMED_MAX:
            await asyncio.to_thread(waiting[0].wait_for_publish)
            waiting = [left for left in waiting if not left.is_published()]
    for left in waiting:
        await asyncio.to_thread(left.wait_for_publish)


@contextlib.asynccontextmanager
async def lines(bar: RunningBar, *, connections: int = CONNECTIONS) -> AsyncIterator[Lines]:
    """Connect to a bar's broker as the system does."""
    password = credentials.load_or_make(DataDir(bar.data_dir)).password("nats", USER)
    port = urlsplit(bar.mqtt_url).port or 1883
    clients = []
    for _ in range(connections):
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"spouts-{secrets.token_hex(4)}"
        )
        client.username_pw_set(USER, password)
        client.max_inflight_messages_set(UNCONFIRMED_MAX)
        client.connect("127.0.0.1", port)
        client.loop_start()
        clients.append(client)
    try:
        for client in clients:
            await until(_connected(client), within_s=10)
        yield Lines(clients)
    finally:
        for client in clients:
            client.disconnect()
            client.loop_stop()


def _connected(client: paho.Client):  # type: ignore[no-untyped-def]  # noqa: ANN202 until's own
    async def is_connected() -> bool:
        return client.is_connected()

    return is_connected


async def stock_of(bar: RunningBar) -> dict[str, Decimal]:
    """Return every item's stock."""
    rows = await bar.get("/api/inventory", limit="1000")
    return {row["item_id"]: Decimal(str(row["current_stock"])) for row in rows["items"]}


async def paced(
    bar: RunningBar,
    on: Lines,
    poured: Sequence[Poured],
    *,
    per_second: int,
    left: dict[str, Decimal],
) -> list[float]:
    """Publish at a rate; return how long each took until the stock's stream showed it, in ms.

    `left` is each item's stock before, and after.
    """
    waiting: defaultdict[str, list[tuple[Decimal, float]]] = defaultdict(list)
    took: list[float] = []
    watching = asyncio.create_task(_watch(bar, waiting, took, len(poured)))
    await asyncio.sleep(1.0)
    begun = time.perf_counter()
    for number, one in enumerate(poured):
        left[one.item_id] -= one.volume_ml
        waiting[one.item_id].append((left[one.item_id], time.perf_counter()))
        on.say(0, one)
        await asyncio.sleep(max(0.0, begun + (number + 1) / per_second - time.perf_counter()))
    async with asyncio.timeout(30):
        await watching
    return took


async def _watch(
    bar: RunningBar,
    waiting: defaultdict[str, list[tuple[Decimal, float]]],
    took: list[float],
    wanted: int,
) -> None:
    headers = {"Authorization": f"Bearer {await bar.token(level=1)}"}
    async with (
        httpx.AsyncClient(base_url=bar.base_url, timeout=30, headers=headers) as web,
        web.stream("GET", "/api/inventory/events") as response,
    ):
        async for line in response.aiter_lines():
            if not line.startswith("data:"):
                continue
            _settle(orjson.loads(line.removeprefix("data:")), waiting, took)
            if len(took) >= wanted:
                return


def _settle(
    row: dict[str, object],
    waiting: defaultdict[str, list[tuple[Decimal, float]]],
    took: list[float],
) -> None:
    item_id = row.get("item_id")
    if not isinstance(item_id, str):
        return
    now, stock = time.perf_counter(), Decimal(str(row["current_stock"]))
    seen = list(itertools.takewhile(lambda one: one[0] >= stock, waiting[item_id]))
    del waiting[item_id][: len(seen)]
    took += [(now - said) * 1000 for _, said in seen]


def word(device_id: str, name: str, body: Mapping[str, object]) -> Poured:
    """Return what a spout says on one of its topics."""
    return tap_word(f"spout/{device_id}", name, body)


def tap_word(root: str, name: str, body: Mapping[str, object]) -> Poured:
    """Return what a device says on a topic below its root."""
    return Poured(
        topic=f"bar/main/{root}/{name}",
        payload=orjson.dumps(body),
        item_id="",
        volume_ml=Decimal(0),
    )
