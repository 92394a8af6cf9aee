"""What the embedded servers have in common: one process in one folder, started, stopped, killed."""

import asyncio
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path

from pourline.local import process
from pourline.local.errors import UnavailableError
from pourline.local.process import POLL_S, Command

START_WITHIN_S = 60.0
"""Recovery after a crash replays what was written; a slow disk takes its time."""

STOP_WITHIN_S = 15.0


class EmbeddedServer(ABC):
    """A server process that can be started again on the same folder and the same ports.

    It dies with the thread that started it: start it from the main thread. The supervisor uses
    `prepare`, `command` and `is_ready`, and starts the process itself.
    """

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    async def prepare(self) -> None:
        """Write what the server needs to start; safe to repeat."""

    @property
    @abstractmethod
    def command(self) -> Command:
        """The command line that runs the server in the foreground."""

    @abstractmethod
    async def is_ready(self, pid: int) -> bool:
        """Return whether the server takes work that runs as this process."""

    @abstractmethod
    async def answers(self) -> bool:
        """Return whether the server answers a stranger; never ends while it stands still."""

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    async def start(self) -> None:
        """Start the server and return when it takes work."""
        await self.prepare()
        self._process = process.start(self.command)
        try:
            async with asyncio.timeout(START_WITHIN_S):
                await self._ready_or_dead(self._process)
        except BaseException:
            self.kill()
            raise

    async def stop(self) -> None:
        """End the server cleanly."""
        if self._process is not None:
            await process.stop(self._process, self.command.stop_signal, within_s=STOP_WITHIN_S)
            self._process = None

    def kill(self) -> None:
        """End the server as a crash would."""
        if self._process is not None:
            process.kill(self._process)
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise UnavailableError(f"{self.name} is not running")
        return self._process

    async def _ready_or_dead(self, child: subprocess.Popen[bytes]) -> None:
        while not await self.is_ready(child.pid):
            if child.poll() is not None:
                raise UnavailableError(f"{self.name} did not start: {process.last_line(self.log)}")
            await asyncio.sleep(POLL_S)
