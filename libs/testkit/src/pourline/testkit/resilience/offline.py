"""One controller that was cut off for a whole evening comes back, while other taps pour."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from uuid_utils.compat import uuid7

from pourline.controller.clock import SystemClock
from pourline.controller.domain import Pour
from pourline.controller.simulator import Fleet, Measured
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat
from pourline.testkit.resilience import truth
from pourline.testkit.resilience.books import account_of, exactly
from pourline.testkit.resilience.controllers import RULES, Controllers, Seat, WitnessedStore
from pourline.testkit.resilience.world import KEG_ML, PRICE
from pourline.testkit.until import until

LIVE_TAPS: Final = 4
LIVE_PER_S: Final = 20
VOLUME_ML: Final = Decimal(50)
ANSWERED_WITHIN_S: Final = 120.0
BEFORE_S: Final = 3.0
TOP_UP: Final = 10_000_000
APART: Final = timedelta(seconds=8)


@dataclass(frozen=True, kw_only=True)
class Return:
    """What the return of a controller came to: seconds to the last answer, live latencies in ms."""

    pours: int
    answered_after_s: float
    before_p99_ms: float
    live_p50_ms: float
    live_p99_ms: float
    live_pours: int
    wrong: Sequence[str]


async def comes_back(bar: RunningBar, folder: Path, *, pours: int) -> Return:
    """Store so many pours in one controller, connect it, and watch the other taps meanwhile."""
    cut_off = await bar.seat_tap(keg_ml=KEG_ML, price_per_litre=PRICE)
    live = [await bar.seat_tap(keg_ml=10_000_000, price_per_litre=PRICE) for _ in range(LIVE_TAPS)]
    guest = await bar.seat_guest(amount=TOP_UP)
    others = [await bar.seat_guest(amount=TOP_UP) for _ in live]
    seat = Seat(tap_id=cut_off.tap_id, secret=cut_off.secret, cards=())
    controllers = Controllers(folder / "taps", [seat], mqtt_url=bar.mqtt_url, seed=0)
    _fill(folder / "taps" / f"{cut_off.tap_id}.db", guest, pours)
    seats = [(tap.tap_id, tap.secret) for tap in live]
    async with Fleet(mqtt_url=bar.mqtt_url, taps=seats) as fleet:
        before = await _pour(fleet, live, others, asyncio.create_task(asyncio.sleep(BEFORE_S)))
        back = asyncio.create_task(_back(controllers))
        during = await _pour(fleet, live, others, back)
        answered_after_s = back.result()
    known = controllers.truth(PRICE)
    wrong = controllers.left_in_stores()
    wrong += truth.misbalanced(known, [await account_of(bar, guest, topped_up=TOP_UP)])
    left_ml = KEG_ML - VOLUME_ML * pours
    await until(lambda: _remaining_ml(bar, cut_off), lambda ml: ml == left_ml, within_s=30)
    wrong += [f"live pour without an answer: {one}" for one in during.unanswered]
    return Return(
        pours=len(known),
        answered_after_s=answered_after_s,
        before_p99_ms=before.percentile_ms(0.99),
        live_p50_ms=during.percentile_ms(0.5),
        live_p99_ms=during.percentile_ms(0.99),
        live_pours=during.sent,
        wrong=wrong,
    )


async def _remaining_ml(bar: RunningBar, tap: TapSeat) -> Decimal:
    return Decimal((await exactly(bar, f"/api/taps/{tap.tap_id}"))["remaining_ml"])


def _fill(path: Path, guest: GuestSeat, pours: int) -> None:
    """Store pours as they were poured one after another until a moment ago."""
    store = WitnessedStore(path)
    clock = SystemClock()
    now, now_ms = clock.wall(), clock.elapsed_ms()
    for number in range(pours):
        ended_at = now - APART * (pours - number)
        pour = Pour(
            client_tx_id=str(uuid7()),
            short_id="",
            volume_ml=VOLUME_ML,
            pulses=int(VOLUME_ML / RULES.ml_per_pulse),
            started_at=ended_at - timedelta(seconds=1),
            ended_at=ended_at,
            duration_ms=1_000,
            ended_boot=clock.boot_id,
            ended_elapsed_ms=now_ms - (pours - number) * int(APART.total_seconds() * 1000),
            offline=True,
            visit_id=guest.visit_id,
        )
        store.end_grant(pour, lifetime_pulses=0)
    store.close()


async def _back(controllers: Controllers) -> float:
    """Connect the controller and return how long it took until its store was empty."""
    await controllers.start()
    begun_s = time.perf_counter()
    await controllers.last_orders(within_s=ANSWERED_WITHIN_S)
    return time.perf_counter() - begun_s


async def _pour(
    fleet: Fleet,
    taps: Sequence[TapSeat],
    guests: Sequence[GuestSeat],
    until_done: asyncio.Task[Any],
) -> Measured:
    """Pour at a steady pace until the task is done."""
    running: list[asyncio.Task[Measured]] = []
    while not until_done.done():
        number = len(running) % len(taps)
        tap_id, visit_id = taps[number].tap_id, guests[number].visit_id
        pour = fleet.new_pour(tap_id, {"visit_id": visit_id, "volume_ml": 100})
        sending = fleet.publish_pours([(tap_id, pour)], within_s=60, again_after_s=1.0)
        running.append(asyncio.create_task(sending))
        await asyncio.sleep(1 / LIVE_PER_S)  # the pace of the load, not a wait for a result
    whole = Measured()
    for one in await asyncio.gather(*running):
        whole.sent += one.sent
        whole.latencies_ms += one.latencies_ms
        whole.unanswered += one.unanswered
    return whole
