"""Real controllers with real stores in a process of their own, which may be killed at any time.

`python -m pourline.testkit.resilience.controllers FOLDER` lives as the taps of `FOLDER/seats.json`:
guests show their cards one after another, pour and go, until SIGTERM: last orders. Then it ends
when every pour has its status. `Controllers` is that process as the harness sees it.
"""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

import psutil

from pourline.controller.clock import Clock, SystemClock
from pourline.controller.domain import Backoff, Grant, Phase, Pour, Rules
from pourline.controller.hardware import Hardware, KeptDisplay, SimulatedTap
from pourline.controller.link import Broker
from pourline.controller.observer import Observer
from pourline.controller.settings import TapConfig
from pourline.controller.store import Store
from pourline.controller.tap import TapController
from pourline.local import process
from pourline.local.process import Command
from pourline.testkit.resilience.truth import Poured
from pourline.testkit.resilience.wrong_clock import WrongClock
from pourline.testkit.until import until

RULES: Final = Rules(
    ml_per_pulse=Decimal("0.5"), settle_ms=60, idle_end_ms=500, unused_end_ms=1_000
)
RATE_ML_S: Final = 200
SPEED: Final = 4
BACKOFF: Final = Backoff(first_s=0.5, cap_s=2.0)
LOOK_S: Final = 0.02
BETWEEN_GUESTS_S: Final = 0.15
DRINK_WITHIN_S: Final = 20.0
LEAVE_WITHIN_S: Final = 10.0
START_WITHIN_S: Final = 20.0
OPEN: Final = "open"
"""The file that the process makes when it understands SIGTERM."""
SIZES_ML: Final = (40, 60, 100, 150, 200)


@dataclass(frozen=True, kw_only=True)
class Seat:
    """A tap with a controller and the cards of those who drink there."""

    tap_id: str
    secret: str
    cards: tuple[str, ...]


class WitnessedStore(Store):
    """A store that keeps beside it, for ever, which pours were stored: the truth of this tap."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._journal = path.with_suffix(".poured")
        for pour in self.pours():  # one may have been stored by a process that died on the spot
            self._note(pour)

    def end_grant(self, pour: Pour, *, lifetime_pulses: int) -> Pour:
        """Store the pour, then note it: nobody can have sent it before."""
        stored = super().end_grant(pour, lifetime_pulses=lifetime_pulses)
        self._note(stored)
        return stored

    def _note(self, pour: Pour) -> None:
        line = [pour.client_tx_id, pour.visit_id or "", str(pour.volume_ml), pour.grant_id]
        while True:
            with contextlib.suppress(OSError):  # a full disk: the store may just have had room
                with self._journal.open("a") as journal:
                    journal.write(json.dumps(line) + "\n")
                return
            time.sleep(LOOK_S)


def witnessed(path: Path, *, tap_id: str, price_per_litre: int) -> list[Poured]:
    """Return every pour that the store at `path` was ever seen to hold."""
    journal = path.with_suffix(".poured")
    poured = {}
    for line in journal.read_text().splitlines() if journal.exists() else ():
        client_tx_id, visit_id, volume_ml, grant_id = json.loads(line)
        poured[client_tx_id] = Poured(
            client_tx_id=client_tx_id,
            tap_id=tap_id,
            visit_id=visit_id,
            volume_ml=Decimal(volume_ml),
            price_per_litre=price_per_litre,
            grant_id=grant_id,
        )
    return list(poured.values())


class Drinkers(Observer):
    """One controller and its guests."""

    def __init__(
        self, config: TapConfig, cards: Sequence[str], store: Store, clock: Clock | None = None
    ) -> None:
        clock = clock or SystemClock()
        self.hand = SimulatedTap(
            now_ms=clock.elapsed_ms,
            ml_per_pulse=config.rules.ml_per_pulse,
            rate_ml_s=RATE_ML_S,
            speed=SPEED,
        )
        self._cards = cards
        self._outcome: asyncio.Future[Grant | None] | None = None
        self.executor = ThreadPoolExecutor(1)
        self.controller = TapController(
            config,
            hardware=Hardware(self.hand, self.hand, self.hand, KeptDisplay()),
            store=store,
            clock=clock,
            executor=self.executor,
            observer=self,
        )

    @property
    def is_settled(self) -> bool:
        """Whether nobody drinks and every pour has its status."""
        return self.controller.phase is Phase.IDLE and not self.controller.unanswered

    async def serve(self, dice: random.Random, closing: asyncio.Event, *, between_s: float) -> None:
        """Let one guest after another drink, until it is closing time."""
        cards = itertools.cycle(self._cards)
        while self._cards and not closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRINK_WITHIN_S):
                    await self.drink(next(cards), Decimal(dice.choice(SIZES_ML)))
            await asyncio.sleep(between_s)

    async def drink(self, card_uid: str, volume_ml: Decimal) -> None:
        """Show a card, pour what is allowed, take the card; no more when it is refused."""
        while self.controller.phase is not Phase.IDLE:  # noqa: ASYNC110 - as a guest does
            await asyncio.sleep(LOOK_S)
        self._outcome = asyncio.get_running_loop().create_future()
        self.hand.show_card(card_uid)
        try:
            grant = await self._outcome
            if grant is not None:
                self.hand.want(min(volume_ml, grant.max_volume_ml))
                while self.hand.is_open and not self.hand.is_satisfied:  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S)
        finally:
            self.hand.take_card()

    def refused(self, tap_id: str, reason: str) -> None:
        """Tell the guest no."""
        del tap_id, reason
        self._decide(None)

    def opened(self, tap_id: str, grant: Grant) -> None:
        """Tell the guest that beer runs."""
        del tap_id
        self._decide(grant)

    def poured(self, tap_id: str, pour: Pour) -> None:
        """End the try of a guest for whom the valve never opened."""
        del tap_id, pour
        self._decide(None)

    def _decide(self, outcome: Grant | None) -> None:
        if self._outcome and not self._outcome.done():
            self._outcome.set_result(outcome)


async def live(folder: Path) -> None:
    """Be the taps of the folder until last orders and everything is answered."""
    told = json.loads((folder / "seats.json").read_text())
    dice = random.Random(told["seed"])  # noqa: S311 - guests' choices, no secret
    closing = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, closing.set)
    (folder / OPEN).touch()
    broker = Broker.parse(told["mqtt_url"])
    stores = [WitnessedStore(folder / f"{seat['tap_id']}.db") for seat in told["seats"]]
    taps = [
        Drinkers(
            TapConfig(
                tap_id=seat["tap_id"],
                secret=seat["secret"],
                broker=broker,
                rules=RULES,
                backoff=BACKOFF,
            ),
            seat["cards"],
            store,
            WrongClock(folder),
        )
        for seat, store in zip(told["seats"], stores, strict=True)
    ]
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(tap.controller.run()) for tap in taps]
        async with asyncio.TaskGroup() as evening:
            for tap in taps:
                await tap.controller.link.connected.wait()
                evening.create_task(tap.serve(dice, closing, between_s=told["between_s"]))
        while not _is_over(taps, stores):  # noqa: ASYNC110 - the taps' own state
            await asyncio.sleep(LOOK_S)
        for run in runs:
            run.cancel()
    for tap, store in zip(taps, stores, strict=True):
        tap.executor.shutdown()
        store.close()


def _is_over(taps: Sequence[Drinkers], stores: Sequence[Store]) -> bool:
    """Return whether all is settled at once: a late answer opens a tap that just was."""
    return all(tap.is_settled for tap in taps) and not any(store.pours() for store in stores)


class Controllers:
    """The process of some controllers."""

    def __init__(
        self,
        folder: Path,
        seats: Sequence[Seat],
        *,
        mqtt_url: str,
        seed: int,
        between_guests_s: float = BETWEEN_GUESTS_S,
    ) -> None:
        self.seats = seats
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        told = {
            "seats": [asdict(seat) for seat in seats],
            "mqtt_url": mqtt_url,
            "seed": seed,
            "between_s": between_guests_s,
        }
        (folder / "seats.json").write_text(json.dumps(told))

    async def start(self) -> None:
        """Start it, or again after it was killed, on the same stores; it dies with this one."""
        sign = self.folder / OPEN
        sign.unlink(missing_ok=True)
        module = "pourline.testkit.resilience.controllers"
        self._process = process.start(
            Command(
                name="controllers",
                argv=[sys.executable, "-m", module, str(self.folder)],
                environment=os.environ,
                log=self.folder / "controllers.log",
            )
        )

        async def is_open() -> bool:
            return sign.exists()

        await until(is_open, within_s=START_WITHIN_S)

    async def kill(self) -> None:
        """End it as a power cut would, the disk apart."""
        if self._process is not None:
            process.kill(self._process)

    def running(self) -> psutil.Process:
        """Return the process, to be frozen."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    async def last_orders(self, *, within_s: float) -> None:
        """Let the last guests finish and every pour be answered. Raises TimeoutError."""
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(within_s):
            code = await process.exited(self._process)
        assert code == 0, f"controllers ended with {code}"

    async def goodbye(self, cards: set[str], *, within_s: float) -> None:
        """Let guests whose answer never came show their cards once more.

        Their grants were given but no tap heard of them; the next card renews and ends them.
        """
        seats = [
            replace(seat, cards=tuple(card for card in seat.cards if card in cards))
            for seat in self.seats
        ]
        kept = json.loads((self.folder / "seats.json").read_text())
        kept["seats"] = [asdict(seat) for seat in seats if seat.cards]
        (self.folder / "seats.json").write_text(json.dumps(kept))
        await self.start()
        await asyncio.sleep(LEAVE_WITHIN_S / 5)  # a guest's stay, not a wait for a result
        await self.last_orders(within_s=within_s)

    def truth(self, price_per_litre: int) -> list[Poured]:
        """Return every pour that any of these taps ever stored."""
        return [
            pour
            for seat in self.seats
            for pour in witnessed(
                self.folder / f"{seat.tap_id}.db",
                tap_id=seat.tap_id,
                price_per_litre=price_per_litre,
            )
        ]

    def left_in_stores(self) -> list[str]:
        """Return what the stores still hold of grants and pours."""
        left = []
        for seat in self.seats:
            path = self.folder / f"{seat.tap_id}.db"
            if not path.exists():
                continue
            store = Store(path)
            left += [f"{seat.tap_id} store: {pour}" for pour in store.pours()]
            left += [f"{seat.tap_id} store: {grant}" for grant in store.open_grants()]
            store.close()
        return left


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1])))
