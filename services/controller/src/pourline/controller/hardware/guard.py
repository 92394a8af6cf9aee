"""The valve's guard: a process of its own that alone holds the valve, and lets go of nothing else.

A pin does not fall when its program dies: the kernel of Raspberry Pi OS leaves an output as it was
(unless `strict_gpiod` is set), and a program that hangs never lets go at all. So the controller
tells this process to open, for how long at most, and beats. The guard shuts the valve when it is
told to, when the time is over, when the beats stop, when the controller's end of the pipe closes
(as it does with its death), and at SIGTERM.

    python -m pourline.controller.hardware.guard --line gpio:17 [--shut]

Lines in: `open N MS`, `shut N`, `beat`. Lines out: `open N`, `shut N WHY`, `alive`. N numbers the
orders, so that an old word is never taken for the answer to a new one.
"""

import argparse
import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn, Protocol

from pourline.controller.hardware.pins import ValvePin

SILENCE_S: Final = 1.0
"""Without a beat for so long the controller hangs, and nobody counts the beer any more."""
LOOK_S: Final = 0.05
AT_ONCE: Final = 4096


class Line(Protocol):
    """What switches a valve."""

    def set(self, *, to_open: bool) -> None:
        """Switch it."""

    def close(self) -> None:
        """Shut the valve and let go."""


class FileLine:
    """A valve that is a file with 1 or 0 in it, to try everything without a pin."""

    def __init__(self, path: Path) -> None:
        self._number = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        self.set(to_open=False)

    def set(self, *, to_open: bool) -> None:
        """Write it down."""
        os.pwrite(self._number, b"1" if to_open else b"0", 0)

    def close(self) -> None:
        """Write that it is shut."""
        self.set(to_open=False)
        os.close(self._number)


def line_of(text: str) -> Line:
    """Read `gpio:PIN`, `gpio:PIN:low` or `file:PATH`. Raises ValueError for anything else."""
    match text.split(":"):
        case ["gpio", pin] if pin.isdecimal():
            return ValvePin(int(pin))
        case ["gpio", pin, "low"] if pin.isdecimal():
            return ValvePin(int(pin), active_low=True)
        case ["file", *path] if path and path[0]:
            return FileLine(Path(":".join(path)))
        case _:
            raise ValueError(f"not a line: {text}")


class Guard:
    """Watches one line; `tell` is called with each line of text for the controller."""

    def __init__(
        self,
        line: Line,
        tell: Callable[[str], None],
        *,
        silence_s: float = SILENCE_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line = line
        self._tell = tell
        self._silence_s = silence_s
        self._now_s = now_s
        self._number = "0"
        self._shuts_at_s: float | None = None
        self._beat_s = now_s()
        self.shut("start")

    def hear(self, text: str) -> None:
        """Do one line of the controller; what is none of them counts as nothing."""
        match text.split():
            case ["open", number, at_most_ms] if at_most_ms.isdecimal():
                self._number = number
                self._beat_s = self._now_s()
                self._shuts_at_s = self._now_s() + int(at_most_ms) / 1000
                self._line.set(to_open=True)
                self._tell(f"open {number}")
            case ["shut", number]:
                self._number = number
                self.shut("told")
            case ["beat"]:
                self._beat_s = self._now_s()
                self._tell("alive")
            case _:
                pass

    def look(self) -> None:
        """Shut an open valve whose time is over or whose controller is silent."""
        if self._shuts_at_s is None:
            return
        if self._now_s() >= self._shuts_at_s:
            self.shut("time")
        elif self._now_s() - self._beat_s >= self._silence_s:
            self.shut("silence")

    def shut(self, why: str) -> None:
        """Shut the valve and say why."""
        self._line.set(to_open=False)
        self._shuts_at_s = None
        self._tell(f"shut {self._number} {why}")


def watch(line: Line, source: int, target: int, *, silence_s: float) -> None:
    """Guard the line until the source ends; then it is shut."""

    def tell(text: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens, or nobody reads: the valve matters
            os.write(target, f"{text}\n".encode())

    try:
        guard = Guard(line, tell, silence_s=silence_s)
        for text in _lines(source):
            guard.look()
            if text:
                guard.hear(text)
    finally:
        line.close()


def _lines(source: int) -> Iterator[str]:
    """Yield each line of the source, and nothing as time goes on; end with the source."""
    rest = b""
    while True:
        readable, _, _ = select.select([source], [], [], LOOK_S)
        data = os.read(source, AT_ONCE) if readable else b"\n"
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n") if readable else (b"", rest)
        for line in lines:
            yield line.decode("ascii", "replace")


def main(argv: Sequence[str] | None = None) -> int:
    """Guard a valve over standard input and output; with `--shut` only shut it."""
    parser = argparse.ArgumentParser(prog="valve-guard", description="guards one valve")
    parser.add_argument("--line", required=True, help="gpio:PIN, gpio:PIN:low or file:PATH")
    parser.add_argument("--silence-ms", type=int, default=int(SILENCE_S * 1000))
    parser.add_argument("--shut", action="store_true", help="shut the valve and end")
    options = parser.parse_args(argv)

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the controller, which then ends us
    line = line_of(options.line)
    if options.shut:
        line.close()
        return 0
    target = sys.stdout.fileno()
    os.set_blocking(target, False)
    watch(line, sys.stdin.fileno(), target, silence_s=options.silence_ms / 1000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
