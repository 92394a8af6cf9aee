"""Card readers behind a file: read on the loop, opened again when they were unplugged.

A reader that hangs takes nothing from anybody: its file is only read when it has something, and
what may block, opening it, runs in a daemon thread of its own.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from pourline.controller.hardware.aside import aside
from pourline.controller.hardware.frames import Frames

log = logging.getLogger(__name__)

AGAIN_S: Final = 1.0
"""Pause before a reader that cannot be opened is tried again."""
AT_ONCE: Final = 4096
"""Bytes taken at a time."""


class Port(Protocol):
    """What a reader is plugged into."""

    def open(self) -> int:
        """Open it and return its file number, which must not block. Raises OSError."""

    def close(self) -> None:
        """Close it; closed twice is closed."""


class DevicePort:
    """A device file or pipe that is read as it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number: int | None = None

    def open(self) -> int:
        """Open the file for reading. Raises OSError."""
        self._number = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        return self._number

    def close(self) -> None:
        """Close the file."""
        if self._number is not None:
            os.close(self._number)
            self._number = None


@dataclass(slots=True)
class Presence:
    """Turns what a reader reports into changes.

    A reader with `stays` repeats a card as long as it lies there: silence for `gone_ms` means that
    it was taken. Any other says an id once; reports within `again_ms` are one showing.
    """

    stays: bool = False
    gone_ms: int = 700
    again_ms: int = 1_500
    _card_uid: str | None = None
    _seen_ms: int = 0

    def seen(self, card_uid: str, now_ms: int) -> list[str | None]:
        """Return what changed with this report."""
        before, last_ms = self._card_uid, self._seen_ms
        self._card_uid, self._seen_ms = card_uid, now_ms
        if card_uid == before and (self.stays or now_ms - last_ms < self.again_ms):
            return []
        return [None, card_uid] if self.stays and before is not None else [card_uid]

    def passed(self, now_ms: int) -> list[str | None]:
        """Return what changed because time went on."""
        if not self.stays or self._card_uid is None or now_ms - self._seen_ms < self.gone_ms:
            return []
        self._card_uid = None
        return [None]

    def wait_s(self, now_ms: int) -> float | None:
        """Return how long silence changes nothing, in seconds; None: for ever."""
        if not self.stays or self._card_uid is None:
            return None
        return max(0, self._seen_ms + self.gone_ms - now_ms) / 1000


@dataclass(slots=True)
class PortReader:
    """A card reader on a port."""

    port: Port
    frames: Frames
    presence: Presence
    now_ms: Callable[[], int]
    _changes: deque[str | None] = field(default_factory=deque)
    _number: int | None = None

    async def next_card(self) -> str | None:
        """Wait for a change; a reader that is away is waited for."""
        while not self._changes:
            try:
                await self._look()
            except OSError as error:
                log.warning("reader_away", extra={"why": str(error)})
                self._unplug()
                self._changes += self.presence.passed(self.now_ms())
                await asyncio.sleep(AGAIN_S)
        return self._changes.popleft()

    async def run(self) -> None:
        """Close the port when the tap ends."""
        try:
            await asyncio.Event().wait()
        finally:
            self._unplug()

    async def _look(self) -> None:
        if self._number is None:
            self._number = await aside(self.port.open, name="reader")
            self.frames.reset()
        data = await self._more(self._number)
        now_ms = self.now_ms()
        for card_uid in self.frames.feed(data, now_ms) if data else ():
            self._changes += self.presence.seen(card_uid, now_ms)
        self._changes += self.presence.passed(now_ms)

    async def _more(self, number: int) -> bytes:
        """Wait for bytes, no longer than until a silence means something; raises OSError at end."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(number, readable.set)
        try:
            async with asyncio.timeout(self.presence.wait_s(self.now_ms())):
                await readable.wait()
        except TimeoutError:
            return b""
        finally:
            loop.remove_reader(number)
        data = os.read(number, AT_ONCE)
        if not data:
            raise ConnectionResetError("the other end is closed")
        return data

    def _unplug(self) -> None:
        self._number = None
        self.port.close()


class BlockingReader:
    """A reader whose library only blocks: each call in a daemon thread, one at a time."""

    def __init__(self, read: Callable[[], str | None]) -> None:
        self._read = read

    async def next_card(self) -> str | None:
        """Wait for the library's next word."""
        return await aside(self._read, name="reader")
