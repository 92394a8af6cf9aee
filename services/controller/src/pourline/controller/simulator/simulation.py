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


@dataclass(frozen=True)
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
    async with BarClient(http_url=address.http_url, token=address.token) as bar:
        house = await _build(simulation, bar)
        staff = Staff(bar, beverages=house.beverages)
        with tempfile.TemporaryDirectory(prefix="pourline-simulate-") as directory:
            tally, broker = Tally(), Broker.parse(address.mqtt_url)
            taps = _pour_taps(simulation, house, broker, tally, Path(directory))
            async with running(taps):
                evening = Evening(
                    taps=taps, guests=house.guests, staff=staff, tally=tally, dice=dice
                )
                await evening.run(simulation.pace)
                is_settled = await settle(taps, tally, within_s=simulation.answered_within_s)
        goodbyes = (staff.say_goodbye(guest) for guest in house.guests)
        await asyncio.gather(*goodbyes, return_exceptions=True)
    print(tally.line())
    return 0 if is_settled else 1


@dataclass(frozen=True, slots=True)
class _House:
    """What was made for one run; secrets and beverages by tap id."""

    secrets: dict[str, str]
    beverages: dict[str, str]
    guests: list[Guest]


async def _build(simulation: Simulation, bar: BarClient) -> _House:
    """Create a bar under names of its own, so that a second run finds no first one."""
    run, builder = secrets.token_hex(3), Builder(making(bar))
    listed = [await builder.beverage("", new) for new in BEVERAGES[: simulation.taps]]
    house = _House({}, {}, [])
    for number in range(simulation.taps):
        tap_id = f"sim-{run}-{number + 1}"
        house.beverages[tap_id] = listed[number % len(listed)]
        house.secrets[tap_id] = await builder.tap(
            tap_id, name=f"Simulated {number + 1}", beverage_id=house.beverages[tap_id]
        )
    for number in range(simulation.guests):
        name, card_uid = f"Guest {run} {number + 1}", _card(run, number)
        house.guests.append(await builder.guest("", name=name, card_uid=card_uid))
    return house


def _pour_taps(
    simulation: Simulation, house: _House, broker: Broker, tally: Tally, directory: Path
) -> list[PourTap]:
    rules = Rules(settle_ms=FAST_SETTLE_MS)
    return [
        PourTap(
            TapConfig(tap_id=tap_id, secret=secret, broker=broker, rules=rules),
            path=directory / f"{tap_id}.db",
            speed=simulation.speed,
            tally=tally,
        )
        for tap_id, secret in house.secrets.items()
    ]


def _card(run: str, number: int) -> str:
    """Make a seven-byte card id, as ISO 14443 has them: maker 04, this run, a number."""
    return f"04{run}{number:06x}"
