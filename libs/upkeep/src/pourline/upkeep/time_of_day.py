"""The time of day that all services share: their database server's, not their own machine's.

A bar may run on several machines whose clocks differ. What one service stamps another compares:
whose price is in force, which shift a pour fell into, how old a card's question is. So every
service goes by the server that keeps its books, and by its own machine's clock only until that
server has answered once.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NoReturn

import psycopg

from pourline.kit.clock import Clock, SystemClock
from pourline.kit.db import Database
from pourline.kit.errors import TROUBLE
from pourline.kit.pulse import beat

ASK_EVERY_S = 10.0
FIRST_WITHIN_S = 2
STEP_S = 0.02
"""A difference below this is not worth a step: machines that keep time differ by less."""
ALARMING_S = 5.0
"""A machine whose own clock is further off is worth a word: its logs are."""
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's goes on while the machine sleeps (clock_gettime(2)); who wakes up is not hours behind."""
_QUESTION = "SELECT clock_timestamp() AS now"

log = logging.getLogger(__name__)


def _steady_s() -> float:
    return time.clock_gettime(_STEADY)


class ServerClock:
    """A server's time of day, carried on by this machine's steady clock between two questions."""

    def __init__(
        self, machine: Clock | None = None, *, steady_s: Callable[[], float] = _steady_s
    ) -> None:
        self._machine = machine or SystemClock()
        self._steady_s = steady_s
        self._known: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the server's present instant in UTC; the machine's while nothing is known."""
        if self._known is None:
            return self._machine.now()
        at, then_s = self._known
        return at + timedelta(seconds=self._steady_s() - then_s)

    def steady_s(self) -> float:
        """Return the steady clock's seconds, to give with an answer."""
        return self._steady_s()

    def learn(self, at: datetime, *, asked_s: float) -> None:
        """Take the server's answer to a question that was asked at `asked_s` and answered now.

        The answer is from somewhere between; the clock steps only when it was surely wrong.
        """
        answered_s = self._steady_s()
        doubt_s = (answered_s - asked_s) / 2
        right = at + timedelta(seconds=doubt_s)
        if self._known is None:
            off_s = (self._machine.now() - right).total_seconds()
            if abs(off_s) > ALARMING_S + doubt_s:
                log.warning("machine_clock_is_wrong", extra={"ahead_s": round(off_s, 3)})
        elif abs((self.now() - right).total_seconds()) <= STEP_S + doubt_s:
            return
        self._known = (right, answered_s)

    async def follow(self, database: Database) -> NoReturn:
        """Ask for ever; a server that is away is waited for, and time goes on meanwhile."""
        while True:
            beat()
            with suppress(*TROUBLE):
                async with database.transaction() as unit:
                    asked_s = self._steady_s()
                    row = await unit.one(_QUESTION)
                    self.learn(row["now"], asked_s=asked_s)
            await asyncio.sleep(ASK_EVERY_S)


def clock_of(url: str) -> ServerClock:
    """Return the clock of the database server at `url`, asked once if it answers."""
    clock = ServerClock()
    with suppress(psycopg.Error), psycopg.connect(url, connect_timeout=FIRST_WITHIN_S) as server:
        asked_s = clock.steady_s()
        row = server.execute(_QUESTION).fetchone()
        if row:
            clock.learn(row[0], asked_s=asked_s)
    return clock
