"""`pourline simulate --minutes`: a planned evening at a bar, for training, demos and load."""

import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pourline.controller.domain import Rules
from pourline.controller.link import Broker
from pourline.controller.settings import BarAddress, TapConfig
from pourline.controller.simulator.bar import BarClient, Refused
from pourline.controller.simulator.evening import settle
from pourline.controller.simulator.guests import Staff
from pourline.controller.simulator.house import Builder, NewBeverage, making
from pourline.controller.simulator.plan import Act, Plan, plan_evening
from pourline.controller.simulator.story import Cast, Story
from pourline.controller.simulator.taps import PourTap, Tally, running
from pourline.controller.simulator.wire import Wire

DRINKS: Final = (
    NewBeverage("Harbour Lager", "beer", 600, 5),
    NewBeverage("Millstone Pale Ale", "beer", 720, 5),
    NewBeverage("Orchard Cider", "cider", 660, 4),
    NewBeverage("Night Shift Stout", "beer", 780, 6),
    NewBeverage("Riesling trocken", "wine", 1_900, 12),
    NewBeverage("Elderflower Soda", "soft", 380, 0),
)
FAST_SETTLE_MS: Final = 20
OPENING_FLOAT: Final = 20_000


@dataclass(frozen=True)
class Training:
    """What evening to play, how fast: `speed` simulated seconds a second, beer included."""

    seed: int = 1
    minutes: int = 60
    speed: int = 10
    taps: int = 6
    guests: int = 24
    answered_within_s: float = 60.0

    def plan(self) -> Plan:
        """Return the evening that the seed tells."""
        return plan_evening(
            seed=self.seed, minutes=self.minutes, taps=self.taps, guests=self.guests
        )


async def train(training: Training, address: BarAddress) -> int:
    """Play it; return 0, or 1 when a pour has no status in the end."""
    plan, tally = training.plan(), Tally()
    async with (
        BarClient(http_url=address.http_url, token=address.token) as bar,
        _house(training, plan, bar, address, tally) as cast,
    ):
        story = Story(plan, cast, speed=training.speed)
        await story.play()
        is_settled = await settle(cast.taps, tally, within_s=training.answered_within_s)
        goodbyes = (cast.staff.say_goodbye(guest) for guest in story.guests)
        await asyncio.gather(*goodbyes, return_exceptions=True)
    print(tally.line())
    return 0 if is_settled else 1


@contextlib.asynccontextmanager
async def _house(
    training: Training, plan: Plan, bar: BarClient, address: BarAddress, tally: Tally
) -> AsyncIterator[Cast]:
    """Build what the plan needs, under names that are free, and let its taps live."""
    builder = Builder(making(bar))
    with contextlib.suppress(Refused):  # a shift is open already
        await bar.post("/api/shifts/open", {"opening_float": OPENING_FLOAT})
    broker = Broker.parse(address.mqtt_url)
    ids = await _free_ids(bar, training.taps)
    listed = [await builder.beverage("", new) for new in DRINKS[: training.taps]]
    beverages = {tap_id: listed[place % len(listed)] for place, tap_id in enumerate(ids)}
    async with contextlib.AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="pourline-simulate-"))
        taps, wires = [], {}
        cut = {step.tap for step in plan.steps if step.act is Act.LINK_DOWN}
        for place, tap_id in enumerate(ids):
            secret = await builder.tap(
                tap_id,
                name=f"Tap {tap_id}",
                beverage_id=beverages[tap_id],
                keg_ml=plan.kegs_ml[place],
            )
            reached = broker
            if place in cut and not broker.tls:
                wires[place] = Wire(broker)
                reached = await stack.enter_async_context(wires[place].laid())
            config = TapConfig(
                tap_id=tap_id, secret=secret, broker=reached, rules=Rules(settle_ms=FAST_SETTLE_MS)
            )
            path = Path(directory) / f"{tap_id}.db"
            taps.append(PourTap(config, path=path, speed=training.speed, tally=tally))
        await stack.enter_async_context(running(taps))
        staff = Staff(bar, beverages=beverages)
        yield Cast(taps, staff, builder, wires, _cards(training.guests))


async def _free_ids(bar: BarClient, number: int) -> list[str]:
    """Return plain numbers for a bar without taps, else names of this run's own."""
    taken = await bar.get("/api/taps", limit="1")
    if not taken.get("items"):
        return [str(place) for place in range(1, number + 1)]
    run = secrets.token_hex(2)
    return [f"s{run}-{place}" for place in range(1, number + 1)]


def _cards(number: int) -> list[str]:
    """Make seven-byte card ids, as ISO 14443 has them: maker 04, this run, a number."""
    run = secrets.token_hex(3)
    return [f"04{run}{place:06x}" for place in range(number)]
