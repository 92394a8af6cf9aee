"""Calibrating from samples, and from an instant on."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pourline.contracts.cellar import Calibrate, Calibration, Item
from pourline.keg_fifo.handlers import spouts
from pourline.kit.errors import Rejected
from pourline.testkit.cellar import STAFF, Cellar, open_cellar
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pydantic import ValidationError


@pytest.fixture
async def bar(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Cellar]:
    async with open_cellar(fresh_database("keg-fifo"), clock) as cellar:
        yield cellar


async def calibrate(bar: Cellar, item: Item, **fields: Any) -> Calibration:  # noqa: ANN401 any field
    order = Calibrate.model_validate(
        {"deviceId": str(bar.device), "inventoryItemId": item.id} | fields
    )
    async with bar.database.transaction() as unit:
        return await spouts.calibrate(order, unit, STAFF)


@pytest.mark.requirement("SP-2")
async def test_samples_give_the_factor_with_its_source_and_spread(bar: Cellar) -> None:
    item = await bar.item()
    await bar.receive(item, "100")
    samples = [{"pulses": 100, "measured_ml": 33.3}, {"pulses": 200, "measuredMl": 66.7}]

    made = await calibrate(bar, item, samples=samples)
    [answer] = await bar.say(bar.signed(30, "one"))

    assert made.ml_per_pulse == Decimal("0.333333333333")
    assert (made.source, made.samples) == ("samples", 2)
    assert made.spread == Decimal("0.002")
    assert answer["volume_ml"] == 10
    given = await calibrate(bar, item, mlPerPulse=0.5)
    assert (given.ml_per_pulse, given.source, given.spread) == (Decimal("0.5"), "given", None)


@pytest.mark.requirement("SP-2", "SP-4")
async def test_a_factor_is_kept_to_twelve_decimals_and_volumes_to_three(bar: Cellar) -> None:
    item = await bar.item()
    await calibrate(bar, item, samples=[{"pulses": 5_400, "measured_ml": 1_000}])
    answers = await bar.say(bar.signed(5_400_000, "much"), bar.signed(10, "little"))

    [row] = await bar.rows("SELECT ml_per_pulse FROM calibration")
    assert row["ml_per_pulse"] == Decimal("0.185185185185")
    assert [one["volume_ml"] for one in answers] == [1_000_000, 1.852]


@pytest.mark.requirement("SP-4")
async def test_a_factor_that_is_given_is_kept_as_it_is(bar: Cellar) -> None:
    made = await calibrate(bar, await bar.item(), mlPerPulse=0.185185185)

    [row] = await bar.rows("SELECT ml_per_pulse FROM calibration")
    assert made.ml_per_pulse == row["ml_per_pulse"] == Decimal("0.185185185")


@pytest.mark.requirement("SP-2")
async def test_a_sample_that_does_not_agree_is_named_and_nothing_changes(bar: Cellar) -> None:
    item = await bar.item()
    samples = [{"pulses": 100, "measured_ml": ml} for ml in (33, 34, 66)]

    with pytest.raises(Rejected) as refused:
        await calibrate(bar, item, samples=samples)

    assert (refused.value.code, refused.value.status) == ("sample_outlier", 409)
    assert "sample 3 of 3" in refused.value.detail
    assert await bar.rows("SELECT id FROM calibration") == []


async def test_a_factor_that_no_meter_has_is_refused(bar: Cellar) -> None:
    item = await bar.item()

    with pytest.raises(Rejected) as refused:
        await calibrate(bar, item, samples=[{"pulses": 1, "measured_ml": 5000}])

    assert (refused.value.code, refused.value.status) == ("factor_out_of_range", 422)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"mlPerPulse": 1, "samples": [{"pulses": 1, "measured_ml": 1}]},
        {"samples": []},
        {"samples": [{"pulses": 0, "measured_ml": 1}]},
        {"samples": [{"pulses": 10}]},
        {"samples": [{"pulses": 10, "measured_ml": -1}]},
        {"mlPerPulse": 0},
    ],
)
def test_what_says_no_single_factor_is_malformed(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Calibrate.model_validate({"deviceId": "d", "inventoryItemId": "i"} | fields)


@pytest.mark.requirement("SP-2", "SP-4")
async def test_a_pour_counts_by_the_factor_in_force_when_it_ran(bar: Cellar) -> None:
    item = await bar.item()
    await bar.receive(item, "1000")
    now = bar.clock.now()
    await calibrate(bar, item, mlPerPulse=1, effectiveFrom=(now - timedelta(days=2)).isoformat())
    [early] = await bar.say(bar.signed(10, "early"))
    await calibrate(bar, item, mlPerPulse=2, effectiveFrom=(now - timedelta(hours=1)).isoformat())
    await calibrate(bar, item, mlPerPulse=3, effectiveFrom=(now + timedelta(hours=1)).isoformat())

    answers = await bar.say(
        bar.signed(10, "late one", age_ms=2 * 3600 * 1000),
        bar.signed(10, "now"),
        bar.signed(10, "early"),
    )
    bar.clock.advance(hours=2)
    [later] = await bar.say(bar.signed(10, "later"))

    assert early["volume_ml"] == 10
    assert [one["volume_ml"] for one in answers] == [10, 20, 10]
    assert later["volume_ml"] == 30
