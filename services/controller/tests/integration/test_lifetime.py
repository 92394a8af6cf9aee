"""Every pulse counts once, for ever: so a pour that goes missing is noticed."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from services.controller.tests.conftest import (
    RULES,
    BrokerProcess,
    ScriptedBar,
    Setup,
    TapUnderTest,
    open_tap,
    until,
)
from services.controller.tests.integration.test_tap_over_mqtt import copy_of

CARD = "04a1b2c3d4"


def lifetime(bar: ScriptedBar) -> int:
    return int(str(bar.statuses[-1]["lifetime_pulses"]))


def pulses_by_pour(bar: ScriptedBar) -> dict[str, int]:
    """Return each pour's pulses, however often it was sent."""
    return {str(told["client_tx_id"]): int(str(told["pulses"])) for told in bar.pours}


async def pour(tap: TapUnderTest, volume_ml: str) -> None:
    tap.hand.show_card(CARD)
    await until(lambda: tap.hand.is_open)
    tap.hand.want(Decimal(volume_ml))
    await until(lambda: tap.hand.is_satisfied)
    tap.hand.take_card()


async def test_each_stored_pour_is_followed_by_a_status_with_its_pulses(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    assert lifetime(bar) == 0
    for number in (1, 2, 3):
        await pour(tap, "50")
        await until(lambda number=number: lifetime(bar) == 100 * number)  # type: ignore[misc]
    assert sum(pulses_by_pour(bar).values()) == lifetime(bar)


async def test_leaks_and_drips_count_and_a_drip_is_told_when_it_has_become_a_leak(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    tap.hand.leak(12)
    await until(lambda: tap.store.lifetime_pulses() == 12)
    await pour(tap, "50")
    await until(lambda: lifetime(bar) == 112)
    tap.hand.leak(10)
    await until(lambda: lifetime(bar) == 122)
    assert [told["pulses"] for told in bar.pours] == [100, 22]
    assert "grant_id" not in bar.pours[1]


async def test_flow_below_the_minimum_counts_though_it_is_no_pour(
    shared_broker: BrokerProcess, bar: ScriptedBar, tap_id: str, tmp_path: Path
) -> None:
    setup = Setup(rules=replace(RULES, min_pour_ml=Decimal(5)))
    async with open_tap(shared_broker, tap_id, tmp_path / "tap.db", setup) as tap:
        await until(lambda: bool(bar.statuses))
        await pour(tap, "4.5")
        await until(lambda: lifetime(bar) == 9)
    assert (bar.pours[0]["volume_ml"], bar.pours[0]["pulses"]) == (0, 9)


@pytest.mark.requirement("SY-7")
async def test_the_count_goes_on_after_a_restart_and_never_back_after_a_power_cut(
    tap: TapUnderTest, bar: ScriptedBar, tmp_path: Path
) -> None:
    await pour(tap, "50")
    await until(lambda: lifetime(bar) == 100)
    await tap.cut_off()
    await tap.start()
    bar.allow = {"max_volume_ml": 100_000}
    tap.hand.show_card(CARD)
    await until(lambda: tap.hand.is_open)
    tap.hand.want(Decimal(50_000))
    await until(lambda: tap.store.lifetime_pulses() > 100)
    highest_told = lifetime(bar)
    power_cut = copy_of(tmp_path, tmp_path / "cut")
    await tap.cut_off()
    tap.path = power_cut / "tap.db"
    await tap.start()
    await until(lambda: len(pulses_by_pour(bar)) == 2)
    await until(lambda: lifetime(bar) == sum(pulses_by_pour(bar).values()))
    assert lifetime(bar) >= highest_told


@pytest.mark.long
@pytest.mark.requirement("SY-4")
async def test_a_pour_without_an_answer_comes_back_to_the_display_until_it_has_one(
    shared_broker: BrokerProcess, bar: ScriptedBar, tap_id: str, tmp_path: Path
) -> None:
    bar.answers_pours = False
    setup = Setup(overdue_s=0.3)
    async with open_tap(shared_broker, tap_id, tmp_path / "tap.db", setup) as tap:
        await until(lambda: bool(bar.statuses))
        await pour(tap, "250")
        await until(lambda: bool(bar.pours))
        notice = "Pour 000001: 250 ml, 1.50. Call staff."
        await until(lambda: tap.display.text == notice)
        bar.deny = "lost_card"
        tap.hand.show_card(CARD)
        await until(lambda: tap.display.text == "No.")
        await until(lambda: tap.display.text == notice)
        await tap.cut_off()
        tap.display.text = ""
        await tap.start()
        await until(lambda: tap.display.text == notice)
        bar.answer_pour(bar.pours[0])
        await until(lambda: tap.display.text == "Show your card.")
