"""Each process killed with signal 9 in the middle of the flow: the flow ends right all the same.

While pours run at a steady pace one process dies. Every pour must be answered, money and volume
must be equal on both sides, and `pourline verify` clean.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pourline.contracts.topology import SERVICES
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import RunningBar, run_bar
from pourline.testkit.until import until

pytestmark = pytest.mark.resilience

TAPS = 4
POURS = 400
PER_SECOND = 100
PRICE = 900
VOLUME_ML = 100
VICTIMS = (*SERVICES, "nats-server", "postgres")
SERVED_AGAIN_WITHIN_S = 30.0
"""Far beyond the target of five seconds: a timing is measured here, never asserted."""


class Evening:
    """Guests who drink at a steady pace, and what they were told."""

    def __init__(self, bar: RunningBar, fleet: Fleet) -> None:
        self.bar, self.fleet = bar, fleet
        self.taps: list[str] = []
        self.visits: list[str] = []
        self.cards: list[str] = []

    async def drink(self) -> None:
        """Send pours at a steady pace, each again until it is answered."""
        pours = [
            (
                self.taps[number % TAPS],
                self.fleet.new_pour(
                    self.taps[number % TAPS],
                    {"visit_id": self.visits[number % TAPS], "volume_ml": VOLUME_ML},
                ),
            )
            for number in range(POURS)
        ]
        chunk = PER_SECOND // 10
        running = []
        for start in range(0, POURS, chunk):
            part = pours[start : start + chunk]
            running.append(
                asyncio.create_task(self.fleet.publish_pours(part, within_s=90, again_after_s=1.0))
            )
            await asyncio.sleep(chunk / PER_SECOND)  # the pace of the load, not a wait for a result
        for measured in await asyncio.gather(*running):
            assert measured.unanswered == ()
            assert set(measured.statuses) <= {"accepted", "duplicate"}

    async def serves(self) -> float:
        """Return how long it takes until a card is answered with a grant and its pour accepted."""
        begun = time.perf_counter()
        while True:
            try:
                grant = await self.fleet.authorize(self.taps[0], self.cards[0], within_s=5)
                if grant["decision"] == "allow":
                    break
            except TimeoutError:
                pass
            assert time.perf_counter() - begun < SERVED_AGAIN_WITHIN_S
        ended = await self.fleet.pour(
            self.taps[0], {"grant_id": grant["grant_id"], "volume_ml": 0}, again_after_s=0.5
        )
        assert ended["status"] in {"accepted", "duplicate"}
        return time.perf_counter() - begun


@pytest.fixture
async def evening(tmp_path: Path) -> AsyncIterator[Evening]:
    async with run_bar(tmp_path / "bar") as bar:
        seats = [await bar.seat_tap(keg_ml=500_000, price_per_litre=PRICE) for _ in range(TAPS)]
        guests = [await bar.seat_guest(amount=500_000) for _ in range(TAPS)]
        taps = [(seat.tap_id, seat.secret) for seat in seats]
        async with Fleet(mqtt_url=bar.mqtt_url, taps=taps) as fleet:
            evening = Evening(bar, fleet)
            evening.taps = [seat.tap_id for seat in seats]
            evening.visits = [guest.visit_id for guest in guests]
            evening.cards = [guest.card_uid for guest in guests]
            for tap_id in evening.taps:
                fleet.publish(tap_id, "status", {"online": True, "pending_sync": 0}, retain=True)
            yield evening


async def test_every_process_may_die_in_the_middle_of_the_flow(
    evening: Evening, capsys: pytest.CaptureFixture[str]
) -> None:
    bar = evening.bar
    for victim in VICTIMS:
        drinking = asyncio.create_task(evening.drink())
        await asyncio.sleep(1.0)  # well into the flow
        bar.process_of(victim).kill()
        served_again_s = await evening.serves()
        with capsys.disabled():
            sys.stdout.write(f"\n{victim} killed, served again after {served_again_s:.1f} s")
        await drinking
        await bar.ready()

    poured = TAPS * POURS * len(VICTIMS) // TAPS
    await until(lambda: _poured_ml(evening), lambda ml: ml == poured * VOLUME_ML, within_s=30)
    await until(lambda: _gone_ml(bar), lambda ml: ml == poured * VOLUME_ML, within_s=30)
    for visit_id in evening.visits:
        visit = await bar.get(f"/api/visits/{visit_id}")
        charged = visit["poured_ml"] * PRICE // 1000
        assert visit["balance"] == 500_000 - charged
        assert (visit["held"], visit["active_tap_id"]) == (0, None)
    await bar.verified()


async def _poured_ml(evening: Evening) -> int:
    visits = [await evening.bar.get(f"/api/visits/{one}") for one in evening.visits]
    return sum(int(visit["poured_ml"]) for visit in visits)


async def _gone_ml(bar: RunningBar) -> int:
    kegs = (await bar.get("/api/kegs"))["items"]
    return sum(int(keg["volume_ml"] - keg["remaining_ml"]) for keg in kegs)


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
