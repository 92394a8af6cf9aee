"""Keeps processes running: what dies is started again, at once, then with growing pauses."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

from pourline.local import process
from pourline.local.errors import TOO_OLD, TooOldError, UnavailableError
from pourline.local.process import POLL_S, Command
from pourline.local.watch import Answers, Watch

BACKOFF_S = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Pauses before the first, second, … restart in a row; the last one stays."""

STEADY_AFTER_S = 10.0
"""A process that lived this long begins anew with the first pause."""

HOPELESS_DEATHS = 4
"""Before it was ever ready, a process that died this often will not start."""

STOP_WITHIN_S = 10.0
CANCEL_AGAIN_S = 0.5


class Child:
    """One supervised process through all its lives."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.deaths = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of its present life, None between two."""
        return self._process.pid if self._process else None

    async def run(self) -> None:
        """Start the process, and again whenever it ends; cancelling stops it cleanly."""
        deaths_in_a_row = 0
        while True:
            began = time.monotonic()
            code = await self._live()
            self.deaths += 1
            deaths_in_a_row += 1
            if time.monotonic() - began > STEADY_AFTER_S:
                deaths_in_a_row = 1
            pause_s = BACKOFF_S[min(deaths_in_a_row, len(BACKOFF_S)) - 1]
            _say(f"{self.command.name} ended ({_ending(code)}); starting it again")
            await asyncio.sleep(pause_s)

    def end(self) -> None:
        """End its present life at once; it is started again."""
        if self._process:
            process.kill(self._process)

    def require_hope(self) -> None:
        """Raise UnavailableError when the process keeps dying as soon as it is started."""
        if self.deaths >= HOPELESS_DEATHS:
            log = self.command.log
            reason = f": {process.last_line(log)} (see {log})" if log else ""
            raise UnavailableError(f"{self.command.name} does not start{reason}")

    async def _live(self) -> int:
        self._process = process.start(self.command)
        try:
            code = await process.exited(self._process)
            process.kill(self._process)  # what it started must not meet its next life
        except asyncio.CancelledError:
            await process.stop(self._process, self.command.stop_signal, within_s=STOP_WITHIN_S)
            raise
        finally:
            self._process = None
        return code


class Supervisor:
    """A group of children; leaving the context stops all of them together."""

    def __init__(self) -> None:
        self.children: dict[str, Child] = {}
        self._lives: list[asyncio.Task[None]] = []
        self._watches: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await ended(self._watches)  # first: whoever stops may be silent
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)

    def add(self, command: Command) -> Child:
        """Run the command from now on."""
        if command.log:
            process.rotate(command.log)
        child = Child(command)
        self.children[command.name] = child
        self._lives.append(asyncio.create_task(child.run(), name=command.name))
        return child

    def watch(self, child: Child, answers: Answers, *, complaint: str = "") -> None:
        """Replace the child's process, from its first answer on, when it answers nobody.

        A `complaint` says what else a "no" means; then any "no" counts.
        """
        life = Watch(child.command.name, child, answers, complaint=complaint).run()
        self._watches.append(asyncio.create_task(life, name=f"watch {child.command.name}"))


async def ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: before Python 3.12 a wait may swallow a cancellation."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)


async def run_once(command: Command) -> None:
    """Run a command to its end; raises UnavailableError with its last words when it fails.

    What it said to people, in lines that begin with our name, is said again; raises TooOldError
    when it ended so.
    """
    begun = command.log.stat().st_size if command.log and command.log.exists() else 0
    running = process.start(command)
    try:
        code = await process.exited(running)
    finally:
        process.kill(running)
    said = process.told(command.log, since=begun) if command.log else []
    if code == TOO_OLD:
        raise TooOldError(said[-1] if said else _ending(code))
    for line in said if code == 0 else ():
        _say(line)
    if code != 0:
        reason = process.last_line(command.log) if command.log else _ending(code)
        raise UnavailableError(f"{command.name} failed: {reason}")


async def ready(child: Child, is_ready: Callable[[int], Awaitable[bool]]) -> None:
    """Wait until the child's present life takes work."""
    while not (child.pid and await is_ready(child.pid)):
        child.require_hope()
        await asyncio.sleep(POLL_S)


def _say(line: str) -> None:
    print(f"pourline: {line}", file=sys.stderr, flush=True)


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
