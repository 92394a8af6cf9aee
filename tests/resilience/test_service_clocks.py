"""One service's time of day is wrong: nothing is lost or doubled, nobody is locked or sent away."""

from pathlib import Path

import pytest
from pourline.local.environment import WITH_DATABASE
from pourline.testkit.bar import run_bar
from pourline.testkit.resilience.run import play
from pourline.testkit.resilience.schedule import services_take_turns_in_being_wrong
from pourline.testkit.resilience.service_clocks import (
    Wrong,
    WrongTime,
    environment,
)
from pourline.testkit.resilience.world import Kind, open_world
from pourline.testkit.rounds import play_round

pytestmark = pytest.mark.long_resilience


@pytest.mark.parametrize("wrong", list(Wrong))
async def test_an_evening_is_the_same_whatever_one_service_takes_the_time_for(
    tmp_path: Path, wrong: Wrong
) -> None:
    """Each service in turn starts with a wrong clock, which is right again while it runs."""
    clocks = tmp_path / "clocks"
    async with run_bar(tmp_path / "bar", environment(clocks)) as bar:
        for service in WITH_DATABASE:
            time = WrongTime(clocks, service, wrong)
            time.begin()
            try:
                bar.process_of(service).kill()
                await bar.ready()
                await play_round(bar)
            finally:
                await time.end()
        await play_round(bar)
        await bar.verified()


@pytest.mark.parametrize("wrong", list(Wrong))
async def test_no_pour_is_lost_or_doubled_while_the_services_take_turns_in_being_wrong(
    tmp_path: Path, wrong: Wrong
) -> None:
    async with open_world(tmp_path, Kind.OWN) as world:
        outcome = await play(world, services_take_turns_in_being_wrong(wrong))

    assert outcome.is_right, str(outcome)
