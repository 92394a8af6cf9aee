"""What readers send, made card ids: text lines, STX/ETX frames with a checksum, key presses.

An id goes on exactly as the reader wrote it; the backend normalises it. What is cut off, garbled or
no id at all is dropped here and never becomes a question: each parser forgets an unfinished frame
after a pause, and everything up to the next beginning after a byte that does not belong.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

PAUSE_MS: Final = 500
"""A reader sends an id in one go; what comes after such a pause begins a new one."""
LONGEST: Final = 64
"""Characters of a card id that the contract takes."""
SHORTEST: Final = 4
CARD_ID: Final = re.compile(r"[0-9A-Fa-f]+(?:[ :.-][0-9A-Fa-f]+)*")


class Frames(Protocol):
    """A parser of one reader's bytes."""

    def feed(self, data: bytes, now_ms: int) -> list[str]:
        """Take bytes as they come; return the ids that are complete with them."""

    def reset(self) -> None:
        """Forget what is unfinished: the reader was opened anew."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How long this house's card ids are; no lengths: any."""

    lengths: tuple[int, ...] = ()

    def takes(self, text: str) -> bool:
        """Say whether this can be a card's id."""
        if self.lengths and len(text) not in self.lengths:
            return False
        return SHORTEST <= len(text) <= LONGEST and bool(CARD_ID.fullmatch(text))


class Lines:
    """One id a line, ended by CR, LF or both."""

    def __init__(self, shape: Shape | None = None) -> None:
        self._shape = shape or Shape()
        self._line = bytearray()
        self._is_broken = False
        self._seen_ms = 0

    def feed(self, data: bytes, now_ms: int) -> list[str]:
        """Take bytes; return complete ids."""
        if now_ms - self._seen_ms > PAUSE_MS:
            self.reset()
        self._seen_ms = now_ms
        return [text for byte in data for text in self._take(byte)]

    def reset(self) -> None:
        """Forget an unfinished line."""
        self._line.clear()
        self._is_broken = False

    def _take(self, byte: int) -> Iterator[str]:
        if byte not in b"\r\n":
            self._is_broken |= len(self._line) > LONGEST
            if not self._is_broken:
                self._line.append(byte)
            return
        text, is_broken = self._line.decode("ascii", "replace").strip(), self._is_broken
        self.reset()
        if not is_broken and self._shape.takes(text):
            yield text


class Framed:
    """STX, ten hex digits, two of their checksum, ETX: the 125 kHz readers of the ID-12 kind.

    The checksum is the XOR of the five bytes that the ten digits spell; CR and LF inside are left
    out.
    """

    _STX: Final = 0x02
    _ETX: Final = 0x03

    def __init__(self) -> None:
        self._frame: bytearray | None = None
        self._seen_ms = 0

    def feed(self, data: bytes, now_ms: int) -> list[str]:
        """Take bytes; return the ids whose checksum is right."""
        if now_ms - self._seen_ms > PAUSE_MS:
            self.reset()
        self._seen_ms = now_ms
        return [text for byte in data for text in self._take(byte)]

    def reset(self) -> None:
        """Wait for the next STX."""
        self._frame = None

    def _take(self, byte: int) -> Iterator[str]:
        if byte == self._STX:
            self._frame = bytearray()
        elif self._frame is None or len(self._frame) > LONGEST:
            self._frame = None
        elif byte != self._ETX:
            self._frame.append(byte)
        else:
            text = self._frame.decode("ascii", "replace").strip()
            self._frame = None
            if _has_right_checksum(text):
                yield text[:10]


def _has_right_checksum(text: str) -> bool:
    if not re.fullmatch(r"[0-9A-Fa-f]{12}", text):
        return False
    *content, checksum = bytes.fromhex(text)
    for byte in content:
        checksum ^= byte
    return checksum == 0


_EVENT: Final = struct.Struct("llHHi")
_SYN, _KEY = 0, 1
_SYN_DROPPED: Final = 3
_PRESSED: Final = 1
_ENDS: Final = frozenset({28, 96})
_IGNORED: Final = frozenset({29, 42, 54, 58, 69})
"""Control, shift and the lock keys: readers that send capitals press them."""
KEYS: Final = dict(
    zip(
        (*range(2, 12), 30, 48, 46, 32, 18, 33, *range(71, 74), *range(75, 78), *range(79, 83)),
        "1234567890ABCDEF7894561230",
        strict=True,
    )
) | {12: "-", 39: ":", 52: ".", 57: " "}
"""Linux key codes of a US keyboard, the layout that wedge readers type in, and its key pad."""


class Keys:
    """Key presses of a reader that poses as a keyboard, as the kernel's `struct input_event`."""

    def __init__(self, shape: Shape | None = None) -> None:
        self._shape = shape or Shape()
        self._rest = b""
        self._typed = ""
        self._is_broken = False
        self._seen_ms = 0

    def feed(self, data: bytes, now_ms: int) -> list[str]:
        """Take events, also in pieces; return the ids that an Enter completed."""
        if now_ms - self._seen_ms > PAUSE_MS:
            self._forget()
        self._seen_ms = now_ms
        self._rest += data
        whole = len(self._rest) // _EVENT.size * _EVENT.size
        events, self._rest = self._rest[:whole], self._rest[whole:]
        return [
            text
            for _, _, kind, code, value in _EVENT.iter_unpack(events)
            for text in self._take(kind, code, value)
        ]

    def reset(self) -> None:
        """Forget what was typed and half an event."""
        self._rest = b""
        self._forget()

    def _forget(self) -> None:
        self._typed, self._is_broken = "", False

    def _take(self, kind: int, code: int, value: int) -> Iterator[str]:
        if kind == _SYN and code == _SYN_DROPPED:
            self._is_broken = True
        if kind != _KEY or value != _PRESSED or code in _IGNORED:
            return
        if code not in _ENDS:
            self._is_broken |= code not in KEYS or len(self._typed) >= LONGEST
            self._typed += "" if self._is_broken else KEYS[code]
            return
        text, is_broken = self._typed, self._is_broken
        self._forget()
        if not is_broken and self._shape.takes(text):
            yield text
