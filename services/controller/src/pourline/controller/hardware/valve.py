"""A valve behind its guard: orders and beats go out, what the guard says comes back."""

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import PIPE, Process
from typing import Final

log = logging.getLogger(__name__)

BEAT_S: Final = 0.2
DEAF_S: Final = 2.0
"""A guard that has said nothing for so long is replaced; the new one begins by shutting."""
START_S: Final = 15.0
"""A guard's first word may take this long on a small board."""
AGAIN_S: Final = 0.1
LEAVE_S: Final = 3.0


class GuardedValve:
    """A valve that opens and shuts in another process; see `guard`.

    It counts as open from the order to open until the guard has said that it is shut: what the
    status tells the bar is what was done, not what was wished.
    """

    def __init__(self, line: str, *, silence_ms: int = 1_000) -> None:
        self._arguments = ("--line", line, "--silence-ms", str(silence_ms))
        self._guard: Process | None = None
        self._number = 0
        self._is_open = False
        self._heard_s = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether there is a guard that would open it."""
        return self._guard is not None

    @property
    def is_open(self) -> bool:
        """Whether beer can flow, as far as known."""
        return self._is_open

    @property
    def guard_pid(self) -> int | None:
        """The guard's process, if there is one."""
        return self._guard.pid if self._guard else None

    def open(self, *, at_most_ms: int) -> None:
        """Have it opened; without a guard nothing opens."""
        self._number += 1
        self._is_open = self._say(f"open {self._number} {at_most_ms}")

    def close(self) -> None:
        """Have it shut."""
        self._number += 1
        self._say(f"shut {self._number}")

    async def run(self) -> None:
        """Keep a guard and beat, until cancelled; the valve is shut then."""
        while True:
            guard = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pourline.controller.hardware.guard", *self._arguments),
                stdin=PIPE,
                stdout=PIPE,
                start_new_session=True,
            )
            try:
                await self._live_with(guard)
            finally:
                self._guard = None
                await _part(guard)
            log.error("valve_guard_lost", extra={"exit_code": guard.returncode})
            await asyncio.sleep(AGAIN_S)

    async def _live_with(self, guard: Process) -> None:
        """Return when the guard is gone, or says nothing any more."""
        loop = asyncio.get_running_loop()
        self._heard_s = loop.time() + START_S - DEAF_S
        listening = asyncio.create_task(self._listen(guard))
        try:
            while not listening.done() and loop.time() - self._heard_s < DEAF_S:
                self._say("beat")
                await asyncio.wait([listening], timeout=BEAT_S)
            if not listening.done():
                _kill(guard)
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    async def _listen(self, guard: Process) -> None:
        if guard.stdout is None:
            return
        while line := await guard.stdout.readline():
            self._heard_s = asyncio.get_running_loop().time()
            match line.decode("ascii", "replace").split():
                case ["shut", number, why] if why == "start" or number == str(self._number):
                    self._is_open = False
                    self._guard = guard
                    if why not in {"told", "start"}:
                        log.error("valve_shut_by_guard", extra={"why": why})
                case _:
                    pass

    def _say(self, text: str) -> bool:
        guard = self._guard
        if guard is None or guard.stdin is None or guard.stdin.is_closing():
            return False
        guard.stdin.write(f"{text}\n".encode())
        return True


async def _part(guard: Process) -> None:
    """End a guard: it shuts when its pipe closes; one that cannot is killed."""
    if guard.stdin is not None:
        guard.stdin.close()
    try:
        async with asyncio.timeout(LEAVE_S):
            await guard.wait()
    except TimeoutError:
        _kill(guard)
        await guard.wait()
    if guard.stdout is not None:
        await guard.stdout.read()


def _kill(guard: Process) -> None:
    """Kill a guard that may be ending by itself right now."""
    with contextlib.suppress(ProcessLookupError):
        guard.kill()
