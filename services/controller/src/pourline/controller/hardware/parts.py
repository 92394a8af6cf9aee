"""What a tap is made of, as small protocols.

A valve must be one that closes without power, and must close by itself after the time it was opened
for: whatever happens to this process, beer stops. No call here may block, `next_card` apart, which
waits on the loop.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol

from pourline.controller.domain import Flow


class PartMissingError(Exception):
    """A library that a part needs is not installed; the text names the extra that brings it."""

    def __init__(self, module: str) -> None:
        super().__init__(f"{module} is missing: install pourline-controller[pi]")


class CardReader(Protocol):
    """The reader in the tap's handle."""

    async def next_card(self) -> str | None:
        """Wait for a change: the id of a card now shown, or None when the card was taken away.

        A reader that cannot tell when a card is taken never says None; the same card shown again
        then ends the pour.
        """


class Valve(Protocol):
    """The solenoid valve; shut unless told otherwise."""

    @property
    def is_ready(self) -> bool:
        """Whether it would open when told; a tap whose valve would not asks about no card."""

    @property
    def is_open(self) -> bool:
        """Whether beer can flow, as far as known: true until the valve is known to be shut."""

    def open(self, *, at_most_ms: int) -> None:
        """Open, and shut by itself after that time."""

    def close(self) -> None:
        """Shut now; a valve that is shut stays so."""


class FlowMeter(Protocol):
    """The pulse counter behind the keg."""

    def restart(self) -> Flow:
        """Count from zero again, for a new pour; return what was counted until then."""

    def read(self) -> Flow:
        """Return the pulses since the restart and the meter's time from it to the last pulse."""


class Display(Protocol):
    """The few words that the guest sees."""

    def show(self, text: str) -> None:
        """Show the text until the next one."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """One tap's parts; `tasks` run beside the tap for as long as it lives, a heartbeat say."""

    reader: CardReader
    valve: Valve
    meter: FlowMeter
    display: Display
    tasks: tuple[Callable[[], Coroutine[object, object, None]], ...] = ()
