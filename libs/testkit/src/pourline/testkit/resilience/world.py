"""A running bar with its taps: what faults are done to, and what is asked for the truth."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiomqtt
import psutil

from pourline.controller.simulator import Fleet
from pourline.kit.ids import new_id
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat, run_bar
from pourline.testkit.resilience.books import exactly
from pourline.testkit.resilience.proxy import LOOPBACK, Proxy, proxied
from pourline.testkit.resilience.raw import Answers
from pourline.testkit.resilience.servers import own_servers
from pourline.testkit.resilience.service_clocks import environment as with_clocks
from pourline.testkit.until import until

CLOCKS: Final = "clocks"
PRICE: Final = 900
KEG_ML: Final = 100_000_000
TOP_UP: Final = 500_000
RAW_TAPS: Final = 4
CONTROLLED_TAPS: Final = 3
ASK_WITHIN_S: Final = 5.0
RETAINED_WITHIN_S: Final = 3.0
PROBE_PAUSE_S: Final = 0.1
PROCESS_WITHIN_S: Final = 30.0


class Kind(StrEnum):
    """Whose servers the bar uses: those it runs, or named ones that stand behind proxies."""

    OWN = "own servers"
    NAMED = "named servers"


@dataclass(kw_only=True)
class Probe:
    """Instants at which a card was shown, and when it had been served; monotonic seconds."""

    served: list[tuple[float, float]] = field(default_factory=list)

    def again_after(self, at_s: float) -> float | None:
        """Return how long after `at_s` the first card shown from then on was served."""
        ends = [end_s for begun_s, end_s in self.served if begun_s >= at_s]
        return min(ends) - at_s if ends else None


class World:
    """One bar, its taps, and the proxies before it; use `open_world` to get one."""

    def __init__(self, folder: Path, bar: RunningBar, proxies: Mapping[str, Proxy]) -> None:
        self.folder = folder
        self.bar = bar
        self.proxies = proxies
        self.answers = Answers()
        self.raw: list[TapSeat] = []
        self.controlled: list[TapSeat] = []
        self.fleet: Fleet
        self.poured_before: dict[str, Decimal] = {}
        self.spare: TapSeat
        """A tap at which nobody pours: who comes in by its secret disturbs nobody."""

    @property
    def kind(self) -> Kind:
        """Whose servers the bar uses."""
        return Kind.NAMED if "bus" in self.proxies else Kind.OWN

    @property
    def mqtt_url(self) -> str:
        """Where taps connect: through their proxy."""
        return f"mqtt://{LOOPBACK}:{self.proxies['taps'].port}"

    @property
    def clock_errors(self) -> Path:
        """The folder of files that say how wrong a service's clock is."""
        return self.folder / CLOCKS

    @property
    def jetstream(self) -> Path:
        """The folder in which nats-server keeps all it has stored."""
        return self.bar.data_dir / "nats" / "jetstream"

    @property
    def supervisor(self) -> psutil.Process | None:
        """The process that restarts the servers; None when that is this one."""
        return None if self.kind is Kind.NAMED else self.bar.processes()[0]

    async def seat_taps(self, controlled: int) -> None:
        """Set up the taps and their kegs; the last raw one is the probe's."""
        seats = [
            await self.bar.seat_tap(keg_ml=KEG_ML, price_per_litre=PRICE)
            for _ in range(RAW_TAPS + 1 + controlled)
        ]
        self.spare = await self.bar.seat_tap(keg_ml=KEG_ML, price_per_litre=PRICE)
        await self.raise_an_alert()
        self.raw, self.controlled = seats[: RAW_TAPS + 1], seats[RAW_TAPS + 1 :]
        self.fleet = Fleet(
            mqtt_url=self.mqtt_url,
            taps=[(seat.tap_id, seat.secret) for seat in self.raw],
            heard=self.answers,
        )

    async def seat_guests(self, count: int) -> list[GuestSeat]:
        """Set up guests with money, visits and cards."""
        return await asyncio.gather(*(self.bar.seat_guest(amount=TOP_UP) for _ in range(count)))

    async def process(self, name: str) -> psutil.Process:
        """Return the running process of a service or server, once there is one."""

        async def find() -> psutil.Process | None:
            return _descendant(name)

        found = await until(find, within_s=PROCESS_WITHIN_S)
        assert found is not None
        return found

    async def probe(self, card_uid: str, probe: Probe, closing: asyncio.Event) -> None:
        """Show a card and end its grant again and again; leave when it is closing time."""
        tap_id = self.raw[-1].tap_id
        while not closing.is_set():
            begun_s = time.monotonic()
            with contextlib.suppress(TimeoutError):
                if await self.serves(tap_id, card_uid):
                    probe.served.append((begun_s, time.monotonic()))
            await asyncio.sleep(PROBE_PAUSE_S)

    async def serves(self, tap_id: str, card_uid: str) -> bool:
        """Return whether a card is granted and its empty pour taken. Raises TimeoutError."""
        grant = await self.fleet.authorize(tap_id, card_uid, within_s=ASK_WITHIN_S)
        if grant["decision"] != "allow":
            return False
        pour = {"grant_id": grant["grant_id"], "volume_ml": 0}
        ended = await self.fleet.pour(tap_id, pour, within_s=60, again_after_s=0.5)
        return ended["status"] in {"accepted", "duplicate"}

    async def gone(self) -> dict[str, Decimal]:
        """Return what each tap's keg has lost, millilitres."""
        kegs = {
            one["id"]: one for one in (await exactly(self.bar, "/api/kegs?limit=1000"))["items"]
        }
        return {
            seat.tap_id: Decimal(kegs[seat.keg_id]["volume_ml"] - kegs[seat.keg_id]["remaining_ml"])
            for seat in (*self.raw, *self.controlled)
        }

    async def raise_an_alert(self) -> str:
        """Let an item fall below its threshold and return it: its alert stands until a receipt."""
        name = f"Gin {new_id()}"
        item = await self.bar.post("/api/items", name=name, unit="each", low_stock_threshold=5)
        await self.bar.post("/api/stock/receipts", item_id=item["id"], quantity=6)
        path = f"/api/inventory/{item['id']}/adjust"
        await self.bar.post(path, delta=-2, reason="broken")
        return str(item["id"])

    async def last_words_that_differ(self) -> list[str]:
        """Return the taps and alerts whose retained word is not what the bar has of them."""
        taps = {f"bar/main/tap/{one['id']}/state": one for one in await self.bar.walk("/api/taps")}
        standing = [one for one in await self.bar.walk("/api/alerts") if one["state"] != "resolved"]
        alerts = {f"bar/main/alerts/{one['severity']}/{one['id']}": one for one in standing}
        assert alerts, "one was raised"
        known = {topic: str(one["state"]) for topic, one in (taps | alerts).items()}
        retained = await self._retained(known)
        return [
            f"{topic} is {known.get(topic)}, retained is {retained.get(topic)}"
            for topic in sorted({*known, *retained})
            if known.get(topic) != retained.get(topic)
        ]

    async def _retained(self, wanted: Collection[str]) -> dict[str, str]:
        """Return the state that each retained word names, listening until all `wanted` came."""
        broker = urlsplit(self.mqtt_url)
        states: dict[str, str] = {}
        client = aiomqtt.Client(
            broker.hostname or LOOPBACK,
            broker.port or 0,
            username="operator",
            password=await self.bar.token(level=4),
        )
        with contextlib.suppress(TimeoutError, aiomqtt.MqttError):  # whoever looks looks again
            async with client, asyncio.timeout(RETAINED_WITHIN_S):
                for topics in ("bar/main/tap/+/state", "bar/main/alerts/#"):
                    await client.subscribe(topics, qos=1)
                async for message in client.messages:
                    assert isinstance(message.payload, bytes)
                    told = json.loads(message.payload or b"{}")
                    states[message.topic.value] = told.get("state", "resolved")
                    if states.keys() >= set(wanted):
                        break
        return {topic: state for topic, state in states.items() if state != "resolved"}


def _descendant(name: str) -> psutil.Process | None:
    """Return the service or server of that name among what this process has started."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            words = child.cmdline()
            if words[:1] and words[0].endswith(f"/{name}"):
                return child
            if words[-4:-1] == ["serve", name, "--data-dir"]:
                return child
    return None


@contextlib.asynccontextmanager
async def open_world(
    folder: Path, kind: Kind, *, controlled: int = CONTROLLED_TAPS
) -> AsyncIterator[World]:
    """Run a bar with its taps connected, so many with controllers; nothing of it stays behind."""
    async with contextlib.AsyncExitStack() as parts:
        proxies: dict[str, Proxy] = {}
        environment: dict[str, str] = with_clocks(folder / CLOCKS)
        if kind is Kind.NAMED:
            servers = await parts.enter_async_context(own_servers(folder / "bar"))
            proxies = {"bus": servers.bus, "database": servers.database}
            environment |= servers.environment
        bar = await parts.enter_async_context(run_bar(folder / "bar", environment))
        mqtt_port = urlsplit(bar.mqtt_url).port
        assert mqtt_port is not None
        proxies["taps"] = await parts.enter_async_context(proxied(mqtt_port))
        world = World(folder, bar, proxies)
        await world.seat_taps(controlled)
        async with world.fleet:
            for seat in world.raw:
                online = {"online": True, "pending_sync": 0}
                world.fleet.publish(seat.tap_id, "status", online, retain=True)
            yield world
