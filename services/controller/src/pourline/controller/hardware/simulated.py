"""The simulated tap: reader, valve and meter for every machine without pins."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from pourline.controller.domain import Flow


class SimulatedTap:
    """Reader, valve and meter in one: beer runs while the valve is open and a guest wants it.

    `speed` makes the meter's time run faster than the real one, so that a pour of 300 ml can be
    over in a tenth of its five seconds and still tell its true duration.
    """

    def __init__(
        self, *, now_ms: Callable[[], int], ml_per_pulse: Decimal, rate_ml_s: int, speed: int = 1
    ) -> None:
        self._now_ms = now_ms
        self._pulses_per_s = rate_ml_s / float(ml_per_pulse)
        self._ml_per_pulse = ml_per_pulse
        self._speed = speed
        self._cards: asyncio.Queue[str | None] = asyncio.Queue()
        self._shuts_at_ms: int | None = None
        self._wanted = 0
        self._pulses = 0
        self._seen_ms = now_ms()

    async def next_card(self) -> str | None:
        """Wait for a simulated guest."""
        return await self._cards.get()

    def show_card(self, card_uid: str) -> None:
        """Hold a card to the reader."""
        self._cards.put_nowait(card_uid)

    def take_card(self) -> None:
        """Take the card away: the guest is done."""
        self._wanted = 0
        self._cards.put_nowait(None)

    def want(self, volume_ml: Decimal) -> None:
        """Pull the handle until this much more has run, as far as the valve is open."""
        self._run()
        self._wanted += int(volume_ml / self._ml_per_pulse)

    def leak(self, pulses: int) -> None:
        """Let beer past a shut valve, as a bad seal does."""
        self._pulses += pulses

    @property
    def is_satisfied(self) -> bool:
        """Whether the guest has all that was wanted."""
        self._run()
        return self._wanted == 0

    @property
    def is_ready(self) -> bool:
        """Whether it would open: always."""
        return True

    @property
    def is_open(self) -> bool:
        """Whether beer can flow."""
        return self._shuts_at_ms is not None and self._now_ms() < self._shuts_at_ms

    def open(self, *, at_most_ms: int) -> None:
        """Open the valve for at most that long."""
        self._run()
        self._shuts_at_ms = self._now_ms() + at_most_ms

    def close(self) -> None:
        """Shut the valve."""
        self._run()
        self._shuts_at_ms = None

    def restart(self) -> Flow:
        """Count from zero; return what ran before."""
        before = self.read()
        self._pulses = 0
        return before

    def read(self) -> Flow:
        """Return what ran since the restart."""
        self._run()
        return Flow(self._pulses, int(self._pulses * 1000 / self._pulses_per_s))

    def _run(self) -> None:
        """Let the beer of the time since the last look run."""
        now_ms, seen_ms = self._now_ms(), self._seen_ms
        self._seen_ms = now_ms
        if self._shuts_at_ms is None or not self._wanted:
            return
        open_ms = max(0, min(now_ms, self._shuts_at_ms) - seen_ms) * self._speed
        ran = min(self._wanted, int(open_ms * self._pulses_per_s / 1000))
        if ran == 0:
            self._seen_ms = seen_ms
            return
        self._wanted -= ran
        self._pulses += ran
