"""A simulated tap worked by hand, line by line, so that an integrator can try the bar with it."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Final

from pourline.controller.hardware import SimulatedTap
from pourline.controller.tap import TapController

HELP: Final = "card UID | pour ML | take | leak PULSES | status | quit"
LARGEST_ML: Final = Decimal(100_000)


class HandWork:
    """Understands the lines; says what it did with `say`."""

    def __init__(
        self,
        *,
        hand: SimulatedTap,
        tap: TapController,
        quit_: Callable[[], None],
        say: Callable[[str], None] = print,
    ) -> None:
        self._hand = hand
        self._tap = tap
        self._quit = quit_
        self._say = say

    def do(self, line: str) -> None:
        """Do one line; what is not understood gets the list of what is."""
        match line.split():
            case ["card", uid]:
                self._hand.show_card(uid)
            case ["pour", volume]:
                self._pour(volume)
            case ["take"]:
                self._hand.take_card()
            case ["leak", pulses] if pulses.isdecimal():
                self._hand.leak(int(pulses))
            case ["status"]:
                link = "up" if self._tap.link.is_up else f"down {self._tap.link.refusal}"
                self._say(
                    f"{self._tap.phase.value}, link {link}, {self._tap.unanswered} unanswered"
                )
            case ["quit"]:
                self._quit()
            case []:
                pass
            case _:
                self._say(HELP)

    def _pour(self, volume: str) -> None:
        try:
            wanted = Decimal(volume)
        except InvalidOperation:
            self._say(HELP)
            return
        if wanted.is_finite() and 0 < wanted <= LARGEST_ML:
            self._hand.want(wanted)
        else:
            self._say(HELP)


def read_lines(do: Callable[[str], None], lines: Iterable[str] | None = None) -> None:
    """Hand each line of standard input to the loop; its end only ends the reading.

    A daemon thread, since reading a terminal cannot be cancelled and must not hold up the exit.
    """
    loop = asyncio.get_running_loop()
    source = sys.stdin if lines is None else lines

    def read() -> None:
        for line in source:
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(do, line)

    threading.Thread(target=read, name="hand", daemon=True).start()
