"""Evenings in which things go wrong as a seed has it: nothing is lost, nobody is charged twice.

The harness is `pourline.testkit.resilience`; `make resilience SEED=17` plays one evening again, and
`make promises` many, for docs/promises.md.
"""

from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio
from pourline.testkit.resilience.run import play
from pourline.testkit.resilience.schedule import (
    both_who_decide_a_card_stand_still,
    everybody_dies,
    everything_comes_often_and_in_any_order,
    kind_of,
    schedule,
    servers_hang,
)
from pourline.testkit.resilience.world import Kind, World, open_world
from pourline.testkit.until import until

pytestmark = [pytest.mark.resilience, pytest.mark.asyncio(loop_scope="module")]

LOW = 5
ON_OWN_SERVERS = (2, 11)
"""With those of `test_named_servers` the new and the old: disks, clocks, deaths, a wiped bus."""


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


async def test_no_money_stays_held_when_both_who_decide_a_card_stand_still(world: World) -> None:
    """A hold that was asked for twice at once was kept for ever."""
    outcome = await play(world, both_who_decide_a_card_stand_still())

    assert outcome.is_right, str(outcome)


async def test_a_bus_that_dies_just_after_it_was_told_to_forget_leaves_no_alert_standing(
    world: World,
) -> None:
    """nats-server remembers again what it was told to forget within its last second."""
    items = [await world.raise_an_alert() for _ in range(LOW)]
    await until(partial(standing, world), lambda found: found >= LOW, within_s=30)
    for item_id in items:
        await world.bar.post("/api/stock/receipts", item_id=item_id, quantity=100)
    await until(world.last_words_that_differ, lambda found: not found, within_s=30)

    world.bar.process_of("nats-server").kill()
    await world.bar.ready(within_s=60)

    await until(world.last_words_that_differ, lambda found: not found, within_s=30)


async def standing(world: World) -> int:
    alerts = await world.bar.walk("/api/alerts")
    return sum(one["kind"] == "low_stock" and one["state"] == "open" for one in alerts)


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
