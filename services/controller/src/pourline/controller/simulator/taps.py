"""Simulated taps: the reference controller, store and all, with hardware that guests can use."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from pourline.controller.clock import SystemClock
from pourline.controller.domain import Grant, Phase, Pour
from pourline.controller.hardware import Hardware, KeptDisplay, SimulatedTap
from pourline.controller.observer import Observer
from pourline.controller.settings import TapConfig
from pourline.controller.store import Store
from pourline.controller.tap import TapController

RATE_ML_S: Final = 60
LOOK_S: Final = 0.02
STORE_THREADS: Final = 8


@dataclass(slots=True)
class Tally:
    """What the simulated taps did and what the bar said to it."""

    made: int = 0
    volume_ml: Decimal = Decimal(0)
    amount: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    denials: Counter[str] = field(default_factory=Counter)

    @property
    def unanswered(self) -> int:
        """Pours that have no status yet."""
        return self.made - self.statuses.total()

    def line(self) -> str:
        """Say it in one line; the amount is what the bar charged, in minor units."""
        return (
            f"pours {self.made}  answered {_counts(self.statuses)}  denied {_counts(self.denials)}"
            f"  volume_ml {self.volume_ml}  amount {self.amount}  unanswered {self.unanswered}"
        )


def _counts(counter: Counter[str]) -> str:
    parts = " ".join(f"{name}={count}" for name, count in sorted(counter.items()))
    return f"{counter.total()} ({parts})" if parts else "0"


class PourTap(Observer):
    """One tap that guests walk up to, one at a time."""

    def __init__(self, config: TapConfig, *, path: Path, speed: int, tally: Tally) -> None:
        clock = SystemClock()
        self.tap_id = config.tap_id
        self._tally = tally
        self._hand = SimulatedTap(
            now_ms=clock.elapsed_ms,
            ml_per_pulse=config.rules.ml_per_pulse,
            rate_ml_s=RATE_ML_S,
            speed=speed,
        )
        self._config = config
        self._clock = clock
        self._path = path
        self._outcome: asyncio.Future[Grant | str] | None = None
        self._poured: asyncio.Future[Pour] | None = None
        self.controller: TapController | None = None

    async def run(self, executor: ThreadPoolExecutor) -> None:
        """Live as this tap until cancelled."""
        store = Store(self._path)
        self.controller = TapController(
            self._config,
            hardware=Hardware(self._hand, self._hand, self._hand, KeptDisplay()),
            store=store,
            clock=self._clock,
            executor=executor,
            observer=self,
        )
        try:
            await self.controller.run()
        finally:
            store.close()

    @property
    def is_ready(self) -> bool:
        """Whether a guest could use it: connected, and the last one is done."""
        tap = self.controller
        return tap is not None and tap.link.is_up and tap.phase is Phase.IDLE

    @property
    def unanswered(self) -> int:
        """Stored pours without a status, an earlier run's included."""
        return self.controller.unanswered if self.controller else 0

    def leak(self, volume_ml: int) -> None:
        """Let beer past the shut valve, as a bad seal does."""
        self._hand.leak(int(volume_ml / self._config.rules.ml_per_pulse))

    async def drink(self, card_uid: str, wanted_ml: Decimal) -> Pour | str:
        """Show a card, pour what is wanted and allowed, take the card; or return why not."""
        loop = asyncio.get_running_loop()
        self._outcome, self._poured = loop.create_future(), loop.create_future()
        self._hand.show_card(card_uid)
        outcome = await self._outcome
        if isinstance(outcome, str):
            return outcome
        self._hand.want(min(wanted_ml, outcome.max_volume_ml))
        while not self._hand.is_satisfied and self._hand.is_open:  # noqa: ASYNC110 - as a guest does
            await asyncio.sleep(LOOK_S)
        self._hand.take_card()
        return await self._poured

    def refused(self, tap_id: str, reason: str) -> None:
        """Count a refusal and tell the guest."""
        del tap_id
        self._tally.denials[reason] += 1
        if self._outcome and not self._outcome.done():
            self._outcome.set_result(reason)

    def opened(self, tap_id: str, grant: Grant) -> None:
        """Tell the guest that the beer is running."""
        del tap_id
        if self._outcome and not self._outcome.done():
            self._outcome.set_result(grant)

    def poured(self, tap_id: str, pour: Pour) -> None:
        """Count a pour; one that the valve never opened for ends the guest's try too."""
        del tap_id
        self._tally.made += 1
        self._tally.volume_ml += pour.volume_ml
        if self._outcome and not self._outcome.done():
            self._outcome.set_result("not_opened")
        if self._poured and not self._poured.done():
            self._poured.set_result(pour)

    def answered(self, tap_id: str, result: dict[str, object]) -> None:
        """Count a status and the money in it."""
        del tap_id
        self._tally.statuses[str(result.get("status"))] += 1
        amount = result.get("amount")
        self._tally.amount += amount if type(amount) is int else 0


@contextlib.asynccontextmanager
async def running(taps: Iterable[PourTap]) -> AsyncIterator[None]:
    """Keep the taps alive around a block; the first that fails ends it."""
    with ThreadPoolExecutor(STORE_THREADS) as executor:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(tap.run(executor)) for tap in taps]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
