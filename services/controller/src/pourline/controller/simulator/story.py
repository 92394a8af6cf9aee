"""Playing a planned evening at a real bar: guests, staff and troubles, each at its moment."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pourline.controller.simulator.bar import Refused, Unreachable
from pourline.controller.simulator.guests import Guest, Keg, Staff
from pourline.controller.simulator.house import Builder
from pourline.controller.simulator.plan import Act, Plan, Step
from pourline.controller.simulator.taps import PourTap
from pourline.controller.simulator.wire import Wire

log = logging.getLogger(__name__)

READY_POLL_S: Final = 0.05
PATIENCE_S: Final = 20.0
"""Real seconds that a guest waits before a tap that is not ready, then takes no drink."""
NOTICES_AFTER_S: Final = 90.0
"""Simulated seconds until staff see an empty keg, a foaming tap or a lost card."""
SHORT_ML: Final = 5
"""A glass that much short of what was wanted makes a guest say that the keg is empty."""
FOAM_COST: Final = 90
"""Minor units that a guest gets back for a glass of foam."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: the bar's taps in the plan's order, its staff, and what makes guests."""

    taps: Sequence[PourTap]
    staff: Staff
    builder: Builder
    wires: dict[int, Wire]
    cards: Sequence[str]


class Story:
    """One evening, `speed` simulated seconds a second."""

    def __init__(self, plan: Plan, cast: Cast, *, speed: int) -> None:
        self._plan = plan
        self._cast = cast
        self._speed = speed
        self._guests: dict[int, Guest] = {}
        self._at_tap = [asyncio.Lock() for _ in cast.taps]
        self._drinking = [asyncio.Lock() for _ in plan.people]
        self._changing: set[int] = set()
        self.played: list[Act] = []

    async def play(self) -> None:
        """Let everything happen when it is due; late is better than never."""
        begun_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for step in self._plan.steps:
                due_s = begun_s + step.at_s / self._speed
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                group.create_task(self._try(step))

    @property
    def guests(self) -> list[Guest]:
        """Everybody who came."""
        return list(self._guests.values())

    async def _try(self, step: Step) -> None:
        try:
            await self._do(step)
        except (Refused, Unreachable) as error:
            log.warning("step_refused", extra={"act": step.act.value, "why": str(error)})
        else:
            self.played.append(step.act)

    async def _do(self, step: Step) -> None:
        match step.act:
            case Act.ARRIVE:
                await self._arrive(step.guest)
            case Act.POUR:
                await self._pour(step)
            case Act.LEAVE:
                await self._leave(step.guest)
            case Act.LOSE_CARD:
                await self._lose_card(step)
            case Act.FOAM:
                await self._foam(step.tap)
            case Act.LINK_DOWN | Act.LINK_UP:
                self._switch(step)
            case Act.LEAK:
                self._cast.taps[step.tap].leak(step.volume_ml)

    def _switch(self, step: Step) -> None:
        """Cut a tap's wire, or mend it; a tap on an encrypted link has none."""
        wire = self._cast.wires.get(step.tap)
        if wire and step.act is Act.LINK_DOWN:
            wire.cut()
        elif wire:
            wire.mend()

    async def _arrive(self, number: int) -> None:
        person = self._plan.people[number]
        async with self._drinking[number]:
            self._guests[number] = await self._cast.builder.guest(
                str(number), name=person.name, card_uid=self._cast.cards[number], money=person.money
            )

    async def _pour(self, step: Step) -> None:
        async with self._drinking[step.guest]:
            guest = self._guests.get(step.guest)
            if guest is None:
                return
            async with self._at_tap[step.tap]:
                tap = self._cast.taps[step.tap]
                if not await self._is_ready(tap):
                    return
                outcome = await tap.drink(guest.card_uid, Decimal(step.volume_ml))
        if not isinstance(outcome, str):
            if outcome.volume_ml < step.volume_ml - SHORT_ML:
                await self._notice_keg(step.tap)
        elif outcome == "tap_not_active":
            await self._notice_keg(step.tap)
        else:
            await self._cast.staff.help(guest, outcome)

    @staticmethod
    async def _is_ready(tap: PourTap) -> bool:
        """Wait for the tap as long as a guest does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while not tap.is_ready:  # noqa: ASYNC110 - as a guest does
                    await asyncio.sleep(READY_POLL_S)
        return tap.is_ready

    async def _notice_keg(self, number: int) -> None:
        """Change an empty keg, once somebody has seen it; one of the staff is enough."""
        if number in self._changing:
            return
        self._changing.add(number)
        try:
            await self._pass(NOTICES_AFTER_S)
            tap_id, staff = self._cast.taps[number].tap_id, self._cast.staff
            keg: Keg = await staff.look_at_keg(tap_id)
            if keg.remaining_ml <= 0:
                await staff.change_keg(tap_id, keg)
        finally:
            self._changing.discard(number)

    async def _leave(self, number: int) -> None:
        async with self._drinking[number]:
            guest = self._guests.get(number)
            if guest:
                await self._cast.staff.say_goodbye(guest)

    async def _lose_card(self, step: Step) -> None:
        """Report a card, let its finder try it, and give the guest another one."""
        staff = self._cast.staff
        async with self._drinking[step.guest]:
            guest = self._guests.get(step.guest)
            if guest is None:
                return
            found = guest.card_uid
            visit_id = await staff.report_lost(guest)
            async with self._at_tap[step.tap]:
                tap = self._cast.taps[step.tap]
                if await self._is_ready(tap):
                    await tap.drink(found, Decimal(300))
            await self._pass(NOTICES_AFTER_S)
            if visit_id:
                await staff.replace_card(guest, visit_id)

    async def _foam(self, number: int) -> None:
        """Stop a foaming tap, give somebody the glass back, and let the tap pour again."""
        tap_id, staff = self._cast.taps[number].tap_id, self._cast.staff
        await staff.stop(tap_id, "Foam")
        if guests := self.guests:
            await staff.give_back(guests[0], FOAM_COST, "A glass of foam")
        await self._pass(NOTICES_AFTER_S)
        await staff.resume(tap_id, "Line purged")

    async def _pass(self, simulated_s: float) -> None:
        await asyncio.sleep(simulated_s / self._speed)
