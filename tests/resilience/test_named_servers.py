"""Evenings on servers that the bar does not run, and on a folder that it knew before."""

import sys
from pathlib import Path

import pytest
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import run_bar
from pourline.testkit.resilience.schedule import kind_of
from pourline.testkit.resilience.seeds import play_all
from pourline.testkit.resilience.world import Kind

pytestmark = pytest.mark.resilience

ON_NAMED_SERVERS = (6, 51)


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")


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
