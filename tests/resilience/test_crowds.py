"""Guests are served while two thousand knock at once, and while everything is upgraded."""

import asyncio
import contextlib
import sys
from pathlib import Path

import psutil
import pytest
from pourline.contracts.topology import SERVICES
from pourline.controller.simulator import Fleet, Measured
from pourline.testkit.bar import RunningBar, run_bar
from pourline.testkit.resilience.crowds import ACCEPTED, storm
from pourline.testkit.resilience.live import live_taps
from pourline.testkit.until import until

pytestmark = pytest.mark.long_resilience

KNOCKS = 2_000
SEATS = 10
QUIET_S = 3.0
REPLACED_WITHIN_S = 45.0


def say(what: str, measured: Measured) -> None:
    p50, p99 = (measured.percentile_ms(share) for share in (0.5, 0.99))
    sys.stdout.write(f"{what}: {measured.sent} pours, p50 {p50:.0f} ms, p99 {p99:.0f} ms\n")


@pytest.mark.requirement("RT-3")
async def test_two_thousand_who_knock_at_once_keep_no_guest_from_the_beer(tmp_path: Path) -> None:
    async with run_bar(tmp_path / "bar") as bar, live_taps(bar) as live:
        seats = [await bar.seat_tap() for _ in range(SEATS)]
        gatekeeper = bar.process_of("auth-lock").pid
        quiet = await live.during(asyncio.sleep(QUIET_S))
        storming = asyncio.create_task(storm(bar.mqtt_url, seats, count=KNOCKS))
        during = await live.during(asyncio.wait([storming]))
        stormed = storming.result()
        say("before", quiet)
        say(f"storm, {stormed.elapsed_s:.1f} s, {dict(stormed.codes)}", during)

        async with Fleet(
            mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret) for seat in seats]
        ) as fleet:  # who was pushed aside comes in when they try again, as devices do
            assert all(fleet.is_up(seat.tap_id) for seat in seats)
        assert stormed.wrongly_let_in == 0
        assert stormed.codes[ACCEPTED] > 0
        assert quiet.unanswered == during.unanswered == ()
        assert bar.process_of("auth-lock").pid == gatekeeper
        card = (await bar.seat_guest()).card_uid
        answer = await live.fleet.authorize(live.taps[0].tap_id, card)
        assert answer["decision"] == "allow"
        await bar.post(f"/api/visits/{answer['visit_id']}/force-unlock", reason="nobody poured")
        assert await live.wrong() == []
        await bar.verified()


async def upgrade(bar: RunningBar) -> None:
    """Do what a rolling upgrade does: migrate first, then each service, one after another."""
    code, text = await bar.run("migrate")
    assert code == 0, text
    for service in SERVICES:
        old = bar.process_of(service)
        old.terminate()

        async def is_another(service: str = service, old: psutil.Process = old) -> bool:
            with contextlib.suppress(AssertionError):
                return bar.process_of(service).pid != old.pid
            return False

        await until(is_another, within_s=REPLACED_WITHIN_S)
        await bar.ready(within_s=REPLACED_WITHIN_S)


async def test_a_rolling_upgrade_under_load_loses_nothing(tmp_path: Path) -> None:
    async with run_bar(tmp_path / "bar") as bar, live_taps(bar) as live:
        during = await live.during(upgrade(bar))
        say("upgrade", during)

        assert during.unanswered == ()
        assert await live.wrong() == []
        await bar.verified()
