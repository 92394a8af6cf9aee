"""An evening at the bar: guests walk to free taps at a pace, staff help, somebody counts."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pourline.controller.simulator.bar import Refused, Unreachable
from pourline.controller.simulator.guests import Guest, Keg, Staff
from pourline.controller.simulator.taps import PourTap, Tally

log = logging.getLogger(__name__)

SIZES_ML: Final = (100, 200, 250, 300, 400, 500)
LAST_SIP_ML: Final = Decimal(600)
"""Below this the guest takes what is in the keg, so that it ends empty."""
SPARE_ML: Final = Decimal(1)
CATCH_UP_S: Final = 1.0
"""How much of a standstill is made up for by a quicker pace."""
READY_POLL_S: Final = 0.05
REFUSALS_A_POUR: Final = 10
"""A bar that refuses this often for each pour wanted has nothing to pour: the evening ends."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How an evening goes: until so many pours or seconds, whichever is given; else for ever."""

    pours: int | None = None
    seconds: float | None = None
    per_second: float = 2.0
    leaving: float = 0.0


class Evening:
    """Brings guests and taps together. One guest at a tap, a guest at one tap."""

    def __init__(
        self,
        *,
        taps: Sequence[PourTap],
        guests: Sequence[Guest],
        staff: Staff,
        tally: Tally,
        dice: random.Random,
    ) -> None:
        self._taps = list(taps)
        self._guests = list(guests)
        self._staff = staff
        self._tally = tally
        self._dice = dice
        self._kegs: dict[str, Keg] = {}
        self._drinking: set[asyncio.Task[None]] = set()

    async def run(self, pace: Pace) -> None:
        """Let them drink at that pace, then let the last ones finish."""
        begun_s, tries = time.monotonic(), 0
        due_s = begun_s
        while not self._is_over(pace, time.monotonic() - begun_s, tries):
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            tap, guest = await self._next()
            tries += 1
            due_s = max(due_s, time.monotonic() - CATCH_UP_S) + 1 / pace.per_second
            task = asyncio.create_task(self._serve(tap, guest, pace))
            self._drinking.add(task)
            task.add_done_callback(self._drinking.discard)
        if self._drinking:
            await asyncio.wait(self._drinking)

    def _is_over(self, pace: Pace, elapsed_s: float, tries: int) -> bool:
        if pace.seconds is not None and elapsed_s >= pace.seconds:
            return True
        if pace.pours is None:
            return False
        coming = self._tally.made + len(self._drinking)
        return coming >= pace.pours or tries >= pace.pours * REFUSALS_A_POUR

    async def _next(self) -> tuple[PourTap, Guest]:
        """Wait for a free tap and a free guest; both leave their list until done."""
        while True:
            ready = [tap for tap in self._taps if tap.is_ready]
            if ready and self._guests:
                tap, guest = self._dice.choice(ready), self._dice.choice(self._guests)
                self._taps.remove(tap)
                self._guests.remove(guest)
                return tap, guest
            await asyncio.sleep(READY_POLL_S)

    async def _serve(self, tap: PourTap, guest: Guest, pace: Pace) -> None:
        try:
            await self._drink(tap, guest)
            if self._dice.random() < pace.leaving:
                await self._staff.say_goodbye(guest)
        except (Refused, Unreachable) as error:
            log.warning("staff_could_not_help", extra={"why": str(error)})
        finally:
            self._taps.append(tap)
            self._guests.append(guest)

    async def _drink(self, tap: PourTap, guest: Guest) -> None:
        keg = await self._keg(tap)
        wanted = Decimal(self._dice.choice(SIZES_ML))
        if keg.remaining_ml < LAST_SIP_ML:
            wanted = min(wanted, max(keg.remaining_ml, Decimal(0)) + SPARE_ML)
        outcome = await tap.drink(guest.card_uid, wanted)
        if not isinstance(outcome, str):
            keg.remaining_ml -= outcome.volume_ml
        elif outcome == "tap_not_active":
            self._kegs.pop(tap.tap_id, None)
        else:
            await self._staff.help(guest, outcome)

    async def _keg(self, tap: PourTap) -> Keg:
        """Return the keg on this tap, changed first if it is empty."""
        keg = self._kegs.get(tap.tap_id)
        if keg is None or keg.remaining_ml <= 0:
            keg = await self._staff.look_at_keg(tap.tap_id)
            self._kegs[tap.tap_id] = keg
        if keg.remaining_ml <= 0:
            await self._staff.change_keg(tap.tap_id, keg)
        return keg


async def settle(taps: Sequence[PourTap], tally: Tally, *, within_s: float) -> bool:
    """Wait until every pour has a status; say whether that came."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while tally.unanswered or any(tap.unanswered for tap in taps):  # noqa: ASYNC110
                await asyncio.sleep(READY_POLL_S)
    return not tally.unanswered
