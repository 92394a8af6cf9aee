"""`pourline simulate --demo`: a small bar with people in it, for as long as somebody looks.

What was made is kept in `demo.json` in the data directory, under the key it was made with, so that
a restart finds the same bar. Each creation is sent with an idempotency key that the book fixes: a
crash between the bar's answer and the book costs nothing.
"""

import asyncio
import logging
import random
import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

import orjson
from uuid_utils.compat import uuid7

from pourline.controller.link import Broker
from pourline.controller.settings import BarAddress, TapConfig
from pourline.controller.simulator.bar import BarClient, Body, Refused
from pourline.controller.simulator.evening import Evening, Pace
from pourline.controller.simulator.guests import Guest, Staff
from pourline.controller.simulator.house import Builder, Make, NewBeverage
from pourline.controller.simulator.spouts import Spout
from pourline.controller.simulator.taps import PourTap, Tally, running

log = logging.getLogger(__name__)

BOOK: Final = "demo.json"
LAGER: Final = NewBeverage("Harbour Lager", "beer", 600, 5)
ALE: Final = NewBeverage("Millstone Pale Ale", "beer", 720, 5)
CIDER: Final = NewBeverage("Orchard Cider", "cider", 660, 4)
TAPS: Final = (("1", LAGER), ("2", LAGER), ("3", ALE), ("4", CIDER))
IN_STOCK: Final = (LAGER, ALE)
GUESTS: Final = (
    *("Ada Byrne", "Ben Okafor", "Carla Ruiz", "Dmitri Orlov", "Elif Kaya"),
    *("Finn Larsen", "Grace Kim", "Hugo Martin", "Ines Costa", "Jonas Weber"),
)
SPOUTS: Final = (("Gin", "0.5"), ("Rum", "0.4"))
RECEIPT_ML: Final = 7_000
SHOT_PULSES: Final = (80, 100, 120)
MAY_BE_THERE: Final = ("owner", "shift", "connect-", "visit-")
OPENING_FLOAT: Final = 20_000


class Book:
    """The demo's memory: answers by key, and the secrets in them; readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, Body] = {}
        if path.is_file():
            self._kept = orjson.loads(path.read_bytes())
        self.run = str(self.fixed("run", {"id": str(uuid7())})["id"])

    def fixed(self, key: str, first: Body) -> Body:
        """Return what is kept under the key, or keep this from now on."""
        if key not in self._kept:
            self._kept[key] = first
            self._save()
        return self._kept[key]

    def find(self, key: str) -> Body | None:
        """Return what is kept under the key, if anything."""
        return self._kept.get(key)

    def _save(self) -> None:
        draft = self._path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_bytes(orjson.dumps(self._kept, option=orjson.OPT_INDENT_2))
        draft.replace(self._path)


@dataclass(frozen=True, slots=True)
class Tempo:
    """How lively the demo is: a pour every few seconds, a shot now and then, beer as it runs."""

    pace: Pace = field(default_factory=lambda: Pace(per_second=0.4, leaving=0.08))
    shot_every_s: tuple[float, float] = (8.0, 25.0)
    speed: int = 1


@dataclass(frozen=True, slots=True)
class _Barkeeper:
    """Who pours the shots, when, and restocks over which connection."""

    bar: BarClient
    dice: random.Random
    tempo: Tempo


@dataclass(frozen=True, slots=True)
class DemoBar:
    """What stands in the demo."""

    taps: list[tuple[str, str]]
    beverages: dict[str, str]
    guests: list[Guest]
    spouts: list[tuple[str, str, str]]
    password: str


async def run_demo(address: BarAddress, tempo: Tempo | None = None) -> int:
    """Seed what is missing, then let guests drink until cancelled."""
    address.data_dir.mkdir(parents=True, exist_ok=True)
    async with BarClient(http_url=address.http_url, token=address.token, patience_s=None) as bar:
        demo = await seed(bar, Book(address.data_dir / BOOK))
        if demo.password:
            print(f"owner password: {demo.password}", flush=True)
        print(f"console: {address.http_url}/", flush=True)
        await _live(demo, bar, address, tempo or Tempo())
    return 0


async def seed(bar: BarClient, book: Book) -> DemoBar:
    """Make the demo's bar, or what the book does not have of it yet."""

    async def make(key: str, path: str, body: Body) -> Body:
        kept = book.find(key)
        if kept is None:
            kept = book.fixed(key, await _post(bar, book, key, path, body))
        return kept

    builder = Builder(make)
    password = await _owner(bar, book)
    await make("shift", "/api/shifts/open", {"opening_float": OPENING_FLOAT})
    beverages = {new: await builder.beverage(new.name, new) for new in (LAGER, ALE, CIDER)}
    on_tap = {f"tap{name}": beverages[new] for name, new in TAPS}
    taps = [
        (tap_id, await builder.tap(tap_id, name=f"Tap {tap_id[3:]}", beverage_id=beverage_id))
        for tap_id, beverage_id in on_tap.items()
    ]
    for new in IN_STOCK:
        await builder.keg(f"stock-{new.name}", beverages[new])
    guests = [
        await builder.guest(str(number), name=name, card_uid=f"04d3300000{number:04x}")
        for number, name in enumerate(GUESTS, 1)
    ]
    spouts = [await _spout(make, name, ml_per_pulse) for name, ml_per_pulse in SPOUTS]
    return DemoBar(taps, on_tap, guests, spouts, password)


async def _post(bar: BarClient, book: Book, key: str, path: str, body: Body) -> Body:
    """Create one thing; what needs no id and is there already is as good."""
    try:
        return await bar.post(path, body, key=f"demo-{book.run}-{key}")
    except Refused as error:
        if error.status != 409 or not key.startswith(MAY_BE_THERE):
            raise
        log.info("demo_already_there", extra={"key": key, "code": error.code})
        return {}


async def _owner(bar: BarClient, book: Book) -> str:
    """Create the owner's account; return its password, empty if somebody else made the account."""
    chosen = str(book.fixed("owner-password", {"password": secrets.token_urlsafe(12)})["password"])
    account: Body = {"username": "owner", "password": chosen, "level": 5}
    if book.find("owner") is None:
        made = await _post(bar, book, "owner", "/api/staff", account)
        book.fixed("owner", {"made": bool(made)})
    kept = book.find("owner") or {}
    return chosen if kept.get("made") else ""


async def _spout(make: Make, name: str, ml_per_pulse: str) -> tuple[str, str, str]:
    """Create a bottle with stock and a calibrated spout on it; return device, secret, item."""
    body: Body = {"name": name, "unit": "ml", "low_stock_threshold": 500}
    item_id = str((await make(f"item-{name}", "/api/items", body))["id"])
    receipt: Body = {"item_id": item_id, "quantity": RECEIPT_ML}
    await make(f"receipt-{name}", "/api/stock/receipts", receipt)
    spout: Body = {"name": f"{name} spout", "vendor": "SANDBOX"}
    device = await make(f"spout-{name}", "/hardware/spout/devices", spout)
    calibration: Body = {
        "deviceId": device["id"],
        "inventoryItemId": item_id,
        "mlPerPulse": Decimal(ml_per_pulse),
    }
    await make(f"calibration-{name}", "/hardware/spout/calibrate", calibration)
    return str(device["id"]), str(device["secret"]), item_id


async def _live(demo: DemoBar, bar: BarClient, address: BarAddress, tempo: Tempo) -> None:
    """Drive the taps and the spouts until cancelled."""
    tally, broker = Tally(), Broker.parse(address.mqtt_url)
    dice = random.Random()  # noqa: S311 - guests' choices, no secret
    stores = address.data_dir / "demo-taps"
    taps = [
        PourTap(
            TapConfig(tap_id=tap_id, secret=secret, broker=broker),
            path=stores / f"{tap_id}.db",
            speed=tempo.speed,
            tally=tally,
        )
        for tap_id, secret in demo.taps
    ]
    staff = Staff(bar, beverages=demo.beverages)
    evening = Evening(taps=taps, guests=demo.guests, staff=staff, tally=tally, dice=dice)
    async with running(taps), asyncio.TaskGroup() as group:
        for device_id, secret, item_id in demo.spouts:
            spout = Spout(broker, device_id=device_id, secret=secret)
            group.create_task(spout.run())
            group.create_task(_shots(spout, item_id, _Barkeeper(bar, dice, tempo)))
        group.create_task(evening.run(tempo.pace))


async def _shots(spout: Spout, item_id: str, by: _Barkeeper) -> None:
    """Pour a drink now and then; put a new crate on the shelf before the old one is gone."""
    poured = 0
    while True:
        await asyncio.sleep(by.dice.uniform(*by.tempo.shot_every_s))
        await spout.link.connected.wait()
        pulses = by.dice.choice(SHOT_PULSES)
        spout.pour(pulses)
        poured += pulses
        if poured * 2 >= RECEIPT_ML * 3:
            poured = 0
            receipt: Body = {"item_id": item_id, "quantity": RECEIPT_ML}
            await _restock(by.bar, receipt)


async def _restock(bar: BarClient, receipt: Body) -> None:
    try:
        await bar.post("/api/stock/receipts", receipt)
    except Refused as error:
        log.warning("restock_refused", extra={"code": error.code})
