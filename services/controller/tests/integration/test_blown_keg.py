"""A whole tap whose keg blows empty: the valve shuts, the bar hears of it until it is replaced."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from pourline.controller.domain import GasRules

from services.controller.tests.conftest import (
    RULES,
    BrokerProcess,
    ScriptedBar,
    Setup,
    TapUnderTest,
    open_tap,
    until,
)

GAS = GasRules(multiple=Decimal(4), samples=2, sample_ms=40)


async def blow(tap: TapUnderTest) -> None:
    """Let gas through the meter for as long as the valve is open."""
    while tap.hand.is_open:
        tap.hand.leak(2_000)
        await asyncio.sleep(0.01)


def told(bar: ScriptedBar) -> list[object]:
    """Return what the statuses said of gas, each once in a row."""
    said = [status["gas"] for status in bar.statuses]
    return [one for place, one in enumerate(said) if place == 0 or said[place - 1] != one]


@pytest.mark.requirement("KG-4")
async def test_gas_ends_the_pour_and_is_told_until_another_keg_is_on(
    shared_broker: BrokerProcess, bar: ScriptedBar, tap_id: str, tmp_path: Path
) -> None:
    bar.allow = {"max_volume_ml": 10**6, "max_duration_s": 60}
    setup = Setup(rules=replace(RULES, gas=GAS))
    async with open_tap(shared_broker, tap_id, tmp_path / "tap.db", setup) as tap:
        await until(lambda: bool(bar.statuses))
        tap.hand.show_card("04a1b2c3d4")
        await until(lambda: tap.hand.is_open)
        tap.hand.want(Decimal(1_200))
        await until(lambda: tap.hand.is_satisfied)
        tap.hand.want(Decimal(10**5))
        await blow(tap)
        await until(lambda: bool(bar.pours))
        await until(lambda: told(bar) == [False, True])
        bar.say("state", {"state": "out_of_keg"})
        bar.say("state", {"state": "active", "keg_id": "another"})
        await until(lambda: told(bar) == [False, True, False])

    [pour, *_] = bar.pours
    assert Decimal(str(pour["volume_ml"])) > 1_200
    assert pour["pulses"] == Decimal(str(pour["volume_ml"])) / Decimal("0.5")
