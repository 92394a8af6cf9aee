"""Notices a process that lives but answers nobody, so that it can be ended and started anew.

A process that dies is seen by the supervisor itself; one that was stopped or is stuck is not.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol

LOOK_EVERY_S = 2.0
ANSWER_WITHIN_S = 3.0
"""Longer than a service waits for its own parts before it says which of them is down."""
SILENCES_MAX = 3
"""Some twelve seconds of silence: a burst of load passes, a frozen process is soon replaced."""

Answers = Callable[[], Awaitable[bool | None]]
"""Whether the process answers; None where it cannot be asked, which says nothing about it."""


class Life(Protocol):
    """What is watched: a process through its lives."""

    @property
    def pid(self) -> int | None:
        """The process id of its present life, None between two."""
        ...

    def end(self) -> None:
        """End the present life at once."""
        ...


class Watch:
    """Ends a life that once answered and does so no more.

    With a `complaint` the answer is about something else: "no" is then an answer too, and counts
    from a life's first one.
    """

    def __init__(self, name: str, life: Life, answers: Answers, *, complaint: str = "") -> None:
        self._name = name
        self._complaint = complaint
        self._life = life
        self._answers = answers
        self._answered: int | None = None
        self._silences = 0

    async def run(self) -> NoReturn:
        """Look every two seconds, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Ask once; a process that is still starting is left alone."""
        pid = self._life.pid
        answer = await self._asked()
        if answer:
            self._answered = pid
        is_starting = pid != self._answered and not self._complaint
        if answer is not False or pid is None or is_starting:
            self._silences = 0
            return
        self._silences += 1
        if self._silences >= SILENCES_MAX and self._life.pid == pid:
            why = self._complaint or "answers nobody"
            print(f"pourline: {self._name} {why}; ending it", file=sys.stderr, flush=True)
            self._silences = 0
            self._life.end()

    async def _asked(self) -> bool | None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._answers()
        except TimeoutError:
            return False
