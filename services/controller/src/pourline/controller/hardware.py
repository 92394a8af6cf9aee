"""What a tap is made of, as small protocols, and the simulated tap for every machine without pins.

A valve must be one that closes without power, and must close by itself after the time it was opened
for: whatever happens to this process, beer stops.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from pourline.controller.domain import Flow


class CardReader(Protocol):
    """The reader in the tap's handle."""

    async def next_card(self) -> str | None:
        """Wait for a change: the id of a card now shown, or None when the card was taken away."""


class Valve(Protocol):
    """The solenoid valve; shut unless told otherwise."""

    @property
    def is_open(self) -> bool:
        """Whether beer can flow."""

    def open(self, *, at_most_ms: int) -> None:
        """Open, and shut by itself after that time."""

    def close(self) -> None:
        """Shut now; a valve that is shut stays so."""


class FlowMeter(Protocol):
    """The pulse counter behind the keg."""

    def restart(self) -> None:
        """Count from zero again, for a new pour."""

    def read(self) -> Flow:
        """Return the pulses since the restart and the meter's time from it to the last pulse."""


class Display(Protocol):
    """The few words that the guest sees."""

    def show(self, text: str) -> None:
        """Show the text until the next one."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """One tap's parts."""

    reader: CardReader
    valve: Valve
    meter: FlowMeter
    display: Display


class PrintedDisplay:
    """A display for a terminal; `prefix` tells taps apart."""

    def __init__(self, prefix: str, *, out: Callable[[str], None] = print) -> None:
        self._prefix = prefix
        self._out = out

    def show(self, text: str) -> None:
        """Print the text as one line."""
        self._out(f"{self._prefix}: {text}")


class KeptDisplay:
    """A display that remembers its last text, for simulations and tests."""

    def __init__(self) -> None:
        self.text = ""

    def show(self, text: str) -> None:
        """Remember the text."""
        self.text = text


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

    def restart(self) -> None:
        """Count from zero."""
        self._run()
        self._pulses = 0

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
