"""Whether the loops still turn: each says so, and a thread ends a process in which one does not.

A stuck process holds messages and locks that its next life would use. Ending it is safe: what it
had in hand was not acknowledged and comes again.
"""

import asyncio
import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import NoReturn

STUCK_AFTER_S = 60.0
"""Longer than any bounded wait of a loop: four of the database's, twelve of the bus's."""
TURNS_WITHIN_S = 15.0
"""An event loop that does not turn for so long runs something that never yields."""
LOOK_EVERY_S = 1.0
EXIT_CODE = 70
"""`EX_SOFTWARE` of sysexits.h."""

log = logging.getLogger(__name__)


class Pulse:
    """The instants by which each loop has promised to be heard of again."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.due: dict[str, float] = {}
        """Until when each loop has promised to be heard of, by `now`."""
        self._looked = now()

    def beat(self, loop: str, within_s: float) -> None:
        """Note that `loop` turns, and that it will again `within_s` seconds."""
        self.due[loop] = self._now() + within_s

    def stuck(self) -> list[str]:
        """Return the loops that are overdue.

        Time in which nobody looked, because the whole process was stopped, counts for none.
        """
        now = self._now()
        stopped = max(0.0, now - self._looked - 2 * LOOK_EVERY_S)
        self._looked = now
        self.due = {loop: due + stopped for loop, due in list(self.due.items())}
        return sorted(loop for loop, due in self.due.items() if due < now)

    def watch(self) -> None:
        """Look every second, in a thread of its own; end the process when a loop is stuck."""
        threading.Thread(target=self._watch, name="pulse", daemon=True).start()

    def _watch(self) -> NoReturn:
        while True:
            time.sleep(LOOK_EVERY_S)
            if loops := self.stuck():
                log.critical("loop_stuck", extra={"loops": loops})
                faulthandler.dump_traceback()
                os._exit(EXIT_CODE)


PULSE: ContextVar[Pulse | None] = ContextVar("pulse", default=None)
"""The pulse of the running service; loops started by it inherit it."""


def beat(within_s: float = STUCK_AFTER_S) -> None:
    """Say that the calling loop (its task's name) turns, and will again `within_s` seconds.

    A loop that never says so is not watched. Outside of a service nothing happens.
    """
    pulse, task = PULSE.get(), asyncio.current_task()
    if pulse and task:
        pulse.beat(task.get_name(), within_s)


async def turn() -> NoReturn:
    """Be the loop that shows that the event loop itself turns."""
    while True:
        beat(TURNS_WITHIN_S)
        await asyncio.sleep(LOOK_EVERY_S)
