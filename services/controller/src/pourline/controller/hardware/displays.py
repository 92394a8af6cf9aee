"""Displays: a terminal, a device that takes lines, a memory; and a thread for those that block."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from pourline.controller.hardware.parts import Display

log = logging.getLogger(__name__)


class PrintedDisplay:
    """A display for a terminal; `prefix` tells taps apart."""

    def __init__(self, prefix: str, *, out: Callable[[str], None] = print) -> None:
        self._prefix = prefix
        self._out = out

    def show(self, text: str) -> None:
        """Print the text as one line."""
        self._out(f"{self._prefix}: {text}")


class DeviceDisplay:
    """A display that takes lines of text through a device file, or a pipe to a screen's program."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def show(self, text: str) -> None:
        """Write the text as one line. Raises OSError; may block as the device does."""
        with self._path.open("w") as device:
            device.write(f"{text}\n")


class KeptDisplay:
    """A display that remembers its last text, for simulations and tests."""

    def __init__(self) -> None:
        self.text = ""

    def show(self, text: str) -> None:
        """Remember the text."""
        self.text = text


class AsideDisplay:
    """Another display, worked by a thread of its own: a screen that hangs holds up nobody.

    Only the newest text waits. The thread is a daemon, so that it cannot hold up the exit either.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self._newest: str | None = None
        self._turn = threading.Condition()
        threading.Thread(target=self._work, name="display", daemon=True).start()

    def show(self, text: str) -> None:
        """Leave the text for the thread."""
        with self._turn:
            self._newest = text
            self._turn.notify()

    def _work(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._newest is not None)
                text, self._newest = self._newest or "", None
            try:
                self._display.show(text)
            except OSError:
                log.exception("display_failed")
