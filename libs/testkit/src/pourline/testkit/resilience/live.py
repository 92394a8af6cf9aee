"""Taps that pour at a steady pace while something else goes on, and what their answers took."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from pourline.controller.simulator import Fleet, Measured
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat
from pourline.testkit.resilience.books import books_of

TAPS: Final = 4
PER_S: Final = 20
VOLUME_ML: Final = 100
PRICE: Final = 900
KEG_ML: Final = 10_000_000
TOP_UP: Final = 10_000_000
ANSWERED_WITHIN_S: Final = 60.0
AGAIN_AFTER_S: Final = 1.0


@dataclass
class Live:
    """Live taps; every pour that any of them ever sent is remembered."""

    bar: RunningBar
    fleet: Fleet
    taps: Sequence[TapSeat]
    guests: Sequence[GuestSeat]
    sent: list[str] = field(default_factory=list)

    async def during(self, what: Coroutine[Any, Any, Any]) -> Measured:
        """Pour until that is over, wait for the answers; an error of it is ours."""
        over = asyncio.create_task(what)
        running: list[asyncio.Task[Measured]] = []
        while not over.done():
            number = len(running) % len(self.taps)
            tap_id, visit_id = self.taps[number].tap_id, self.guests[number].visit_id
            pour = self.fleet.new_pour(tap_id, {"visit_id": visit_id, "volume_ml": VOLUME_ML})
            self.sent.append(str(pour["client_tx_id"]))
            sending = self.fleet.publish_pours(
                [(tap_id, pour)], within_s=ANSWERED_WITHIN_S, again_after_s=AGAIN_AFTER_S
            )
            running.append(asyncio.create_task(sending))
            await asyncio.sleep(1 / PER_S)  # the pace of the load, not a wait for a result
        whole = Measured()
        for one in await asyncio.gather(*running):
            whole.sent += one.sent
            whole.statuses += one.statuses
            whole.latencies_ms += one.latencies_ms
            whole.unanswered += one.unanswered
        over.result()
        return whole

    async def wrong(self) -> list[str]:
        """Return what is not in the books once, and balances that are not what they must be."""
        wrong = []
        charged: set[str] = set()
        for guest in self.guests:
            books = await books_of(self.bar, guest.visit_id)
            charged |= books.keys()
            visit = await self.bar.get(f"/api/visits/{guest.visit_id}")
            cost = len(books) * VOLUME_ML * PRICE // 1000
            if visit["balance"] != TOP_UP - cost:
                wrong.append(f"{guest.visit_id} has {visit['balance']}, poured for {cost}")
        wrong += [f"lost: {one}" for one in sorted(set(self.sent) - charged)]
        wrong += [f"nobody sent: {one}" for one in sorted(charged - set(self.sent))]
        return wrong


@asynccontextmanager
async def live_taps(bar: RunningBar) -> AsyncIterator[Live]:
    """Connect some taps with kegs that do not end, each with a guest who has enough."""
    taps = [await bar.seat_tap(keg_ml=KEG_ML, price_per_litre=PRICE) for _ in range(TAPS)]
    guests = [await bar.seat_guest(amount=TOP_UP) for _ in taps]
    seats = [(tap.tap_id, tap.secret) for tap in taps]
    async with Fleet(mqtt_url=bar.mqtt_url, taps=seats) as fleet:
        for tap_id, _ in seats:
            online = {"online": True, "pending_sync": 0}
            fleet.publish(tap_id, "status", online, retain=True)
        yield Live(bar, fleet, taps, guests)
