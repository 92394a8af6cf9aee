"""`pourline simulate`: a bar of its own, an evening in it, one line of what came of it."""

import asyncio
import random
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pourline.controller.domain import Rules
from pourline.controller.link import Broker
from pourline.controller.settings import BarAddress, TapConfig
from pourline.controller.simulator.bar import BarClient
from pourline.controller.simulator.evening import Evening, Pace, settle
from pourline.controller.simulator.guests import Guest, Staff
from pourline.controller.simulator.house import Builder, NewBeverage, making
from pourline.controller.simulator.taps import PourTap, Tally, running

BEVERAGES: Final = (
    NewBeverage("Lager", "beer", 600, 5),
    NewBeverage("Pale Ale", "beer", 720, 5),
    NewBeverage("Cider", "cider", 660, 4),
)
FAST_SETTLE_MS: Final = 20


@dataclass(frozen=True, slots=True)
class Simulation:
    """What to simulate; `speed` makes beer run faster, never the backend's clocks.

    A pour that has no status so many seconds after the last guest fails the simulation.
    """

    taps: int = 4
    guests: int = 10
    pace: Pace = Pace(pours=100)  # noqa: RUF009 - frozen
    speed: int = 10
    seed: int = 1
    answered_within_s: float = 60.0


async def simulate(simulation: Simulation, address: BarAddress) -> int:
    """Run it; return 0, or 1 when a pour has no status in the end."""
    dice = random.Random(simulation.seed)  # noqa: S311 - guests' choices, no secret
    tally = Tally()
    async with BarClient(http_url=address.http_url, token=address.token) as bar:
        with tempfile.TemporaryDirectory(prefix="pourline-simulate-") as directory:
            taps, guests = await _build(simulation, address, bar, Path(directory), tally)
            async with running(taps):
                evening = Evening(
                    taps=taps, guests=guests, staff=Staff(bar), tally=tally, dice=dice
                )
                await evening.run(simulation.pace)
                is_settled = await settle(taps, tally, within_s=simulation.answered_within_s)
        await asyncio.gather(*(Staff(bar).say_goodbye(guest) for guest in guests))
    print(tally.line())
    return 0 if is_settled else 1


async def _build(
    simulation: Simulation, address: BarAddress, bar: BarClient, directory: Path, tally: Tally
) -> tuple[list[PourTap], list[Guest]]:
    """Create a bar under names of its own, so that a second run finds no first one."""
    run, builder = secrets.token_hex(3), Builder(making(bar))
    beverages = [await builder.beverage("", new) for new in BEVERAGES[: simulation.taps]]
    broker = Broker.parse(address.mqtt_url)
    taps = []
    for number in range(simulation.taps):
        tap_id = f"sim-{run}-{number + 1}"
        beverage_id = beverages[number % len(beverages)]
        secret = await builder.tap(tap_id, name=f"Simulated {number + 1}", beverage_id=beverage_id)
        rules = Rules(settle_ms=FAST_SETTLE_MS)
        config = TapConfig(tap_id=tap_id, secret=secret, broker=broker, rules=rules)
        path = directory / f"{tap_id}.db"
        taps.append(PourTap(config, path=path, speed=simulation.speed, tally=tally))
    guests = [
        await builder.guest("", name=f"Guest {run} {number + 1}", card_uid=_card(run, number))
        for number in range(simulation.guests)
    ]
    return taps, guests


def _card(run: str, number: int) -> str:
    """Make a seven-byte card id, as ISO 14443 has them: maker 04, this run, a number."""
    return f"04{run}{number:06x}"
