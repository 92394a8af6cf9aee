"""The reference controller against a real bar: killed anywhere, cut off, without power.

What it said must have been stored before, and what was stored is charged once.
"""

import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from pourline.testkit.bar import RunningBar, run_bar
from pourline.testkit.resilience.lives import Death, die, every_step, wards
from pourline.testkit.resilience.offline import comes_back

pytestmark = [pytest.mark.resilience, pytest.mark.asyncio(loop_scope="module")]

TAPS = 4
DEATHS_MAX = 32
SEED = 11
OFFLINE_POURS = 2_000
BACK_WITHIN_S = 60.0
"""Far beyond what is measured: a timing is recorded, never asserted closely."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bar(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningBar]:
    async with run_bar(tmp_path_factory.mktemp("deaths") / "bar") as running:
        yield running


def some(steps: Sequence[int]) -> list[int]:
    """Return steps to die at: all, or a selection that the seed fixes."""
    dice = random.Random(SEED)  # noqa: S311 - it must repeat itself
    return sorted(dice.sample(steps, min(DEATHS_MAX, len(steps))))


def wrong(deaths: Sequence[Death]) -> list[str]:
    return [line for one in deaths for line in one.wrong]


async def test_a_controller_killed_at_any_await_charges_its_grant_once(
    bar: RunningBar, tmp_path: Path
) -> None:
    async with wards(bar, tmp_path, count=TAPS) as where:
        deaths = await die(where, some(await every_step(where)), seed=SEED)

    assert wrong(deaths) == []
    assert any(one.was_killed for one in deaths)
    assert any(one.left_ml for one in deaths), "none died with beer in the glass"
    await bar.verified()


async def test_what_a_controller_showed_was_on_its_disk_when_the_power_went(
    bar: RunningBar, tmp_path: Path
) -> None:
    async with wards(bar, tmp_path, count=TAPS) as where:
        deaths = await die(where, some(await every_step(where)), seed=SEED, loses_power=True)

    assert wrong(deaths) == []
    assert any(one.left_ml is not None for one in deaths)
    await bar.verified()


async def test_an_evenings_stored_pours_are_all_answered_when_the_link_is_back(
    bar: RunningBar, tmp_path: Path
) -> None:
    back = await comes_back(bar, tmp_path, pours=OFFLINE_POURS)

    assert back.wrong == []
    assert back.pours == OFFLINE_POURS
    assert back.answered_after_s < BACK_WITHIN_S
    await bar.verified()
