"""Evenings in which things go wrong as a seed has it: nothing is lost, nobody is charged twice.

The harness is `pourline.testkit.resilience`; `make resilience SEED=17` plays one evening again, and
`make promises` many, for docs/promises.md.
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import run_bar
from pourline.testkit.resilience.run import play
from pourline.testkit.resilience.schedule import (
    everybody_dies,
    everything_comes_often_and_in_any_order,
    kind_of,
    schedule,
    servers_hang,
)
from pourline.testkit.resilience.seeds import play_all
from pourline.testkit.resilience.world import Kind, World, open_world

pytestmark = [pytest.mark.resilience, pytest.mark.asyncio(loop_scope="module")]

ON_OWN_SERVERS = (2, 11)
ON_NAMED_SERVERS = (6, 51)
"""Between them the new and the old: disks, clocks, a storm, an upgrade, deaths, a wiped bus."""


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One bar for all evenings on its own servers, one after another."""
    folder = tmp_path_factory.mktemp("evenings")
    async with open_world(folder, Kind.OWN) as opened:
        yield opened


async def test_every_process_may_die_in_the_middle_of_the_flow(world: World) -> None:
    outcome = await play(world, everybody_dies())

    assert outcome.is_right, str(outcome)
    assert len(outcome.served) == len(everybody_dies().steps)


async def test_a_server_that_stands_still_is_replaced_and_nobody_pays_for_it(world: World) -> None:
    outcome = await play(world, servers_hang())

    assert outcome.is_right, str(outcome)


async def test_pours_that_come_five_times_and_a_thousand_places_late_are_charged_once(
    world: World,
) -> None:
    outcome = await play(world, everything_comes_often_and_in_any_order())

    assert outcome.is_right, str(outcome)


@pytest.mark.parametrize("seed", ON_OWN_SERVERS)
async def test_no_pour_is_lost_or_charged_twice_whatever_a_seed_does(
    seed: int, world: World
) -> None:
    assert kind_of(seed) is Kind.OWN

    outcome = await play(world, schedule(seed))

    assert outcome.is_right, f"{schedule(seed)}\n{outcome}"


async def test_no_pour_is_lost_or_charged_twice_on_servers_that_the_bar_does_not_run(
    tmp_path: Path,
) -> None:
    assert {kind_of(seed) for seed in ON_NAMED_SERVERS} == {Kind.NAMED}

    outcomes = await play_all(ON_NAMED_SERVERS, say=say, keep=tmp_path)

    assert [str(one) for one in outcomes if not one.is_right] == []
    assert [one.seed for one in outcomes] == list(ON_NAMED_SERVERS)


async def test_a_restart_on_the_same_folder_goes_on_where_it_was(tmp_path: Path) -> None:
    async with run_bar(tmp_path / "bar") as bar:
        seat = await bar.seat_tap()
        guest = await bar.seat_guest()
    async with run_bar(tmp_path / "bar") as bar:
        async with Fleet(mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret)]) as fleet:
            fleet.publish(seat.tap_id, "status", {"online": True, "pending_sync": 0}, retain=True)
            grant = await fleet.authorize(seat.tap_id, guest.card_uid)
            result = await fleet.pour(seat.tap_id, {"grant_id": grant["grant_id"]})

        assert (grant["decision"], result["status"]) == ("allow", "accepted")
        await bar.verified()
