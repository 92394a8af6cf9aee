"""The one form of a card's UID: lower-case hex in wire order, no separators.

Lengths and refusals after ISO 14443-3 and the readers seen in the field: 4, 7 or 10 bytes
(14443A), 5 (EM4100), 8 beginning with `e0` (ISO 15693). How a reader writes what it read is its
profile, which is data of its tap. Nothing is ever matched reversed or as decimal: `aliases` are
for warnings only.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce

_SEPARATORS = re.compile(r"[\s:.\-_]")
_HEX = re.compile(r"[0-9a-f]+")
_DECIMAL = re.compile(r"[0-9]{1,25}")
RANDOM_ID = 0x08
CASCADE_TAG = 0x88
VICINITY = 0xE0
PRINTED_DIGITS = 10
"""EM4100 cards show the last four bytes as so many decimal digits."""


class Technology(StrEnum):
    """What kind of card a reader reads; `any` takes every length."""

    ANY = "any"
    ISO14443A = "iso14443a"
    EM4100 = "em4100"
    ISO15693 = "iso15693"


LENGTHS: Mapping[Technology, tuple[int, ...]] = {
    Technology.ANY: (4, 5, 7, 8, 10),
    Technology.ISO14443A: (4, 7, 10),
    Technology.EM4100: (5,),
    Technology.ISO15693: (8,),
}
_SHORT = 4


@dataclass(frozen=True, kw_only=True)
class ReaderProfile:
    """How a reader writes a UID: of which cards, as hex or decimal, in which byte order."""

    technology: Technology = Technology.ANY
    decimal: bool = False
    reversed: bool = False

    @property
    def appends_checksum(self) -> bool:
        """Return whether a fifth byte may be the XOR of four: only 14443A has such a byte."""
        return self.technology in (Technology.ANY, Technology.ISO14443A)


def _profiles() -> Iterator[tuple[str, ReaderProfile]]:
    for technology in Technology:
        prefix = "" if technology is Technology.ANY else f"{technology.value}-"
        for decimal in (False, True):
            for backwards in (False, True):
                name = prefix + ("decimal" if decimal else "hex")
                yield (
                    name + ("-reversed" if backwards else ""),
                    ReaderProfile(technology=technology, decimal=decimal, reversed=backwards),
                )


READER_PROFILES: Mapping[str, ReaderProfile] = dict(_profiles())
"""Every profile by its name: `hex`, `hex-reversed`, `decimal`, `em4100-decimal`, and so on."""
AS_PRINTED = "hex"


class UnreadableCardError(ValueError):
    """The text is no card UID; the message says why, for staff."""


def canonical_uid(text: str, reader_profile: str = AS_PRINTED) -> str:
    """Return the canonical form of a card UID as a reader of this profile wrote it.

    Raises `UnreadableCardError` for wrong lengths, other characters, random ids and ids that the
    reader cut short.
    """
    profile = READER_PROFILES[reader_profile]
    digits = _SEPARATORS.sub("", text.strip().lower())
    uid = _from_decimal(digits, profile) if profile.decimal else _from_hex(digits)
    if profile.reversed:
        uid = uid[::-1]
    if profile.appends_checksum:
        uid = _without_checksum(uid)
    _check_length(uid, profile.technology)
    if len(uid) == _SHORT and uid[0] == RANDOM_ID:
        raise UnreadableCardError("this card shows a random id each time and cannot be used")
    if len(uid) == _SHORT and uid[0] == CASCADE_TAG:
        raise UnreadableCardError("the reader cuts 7-byte ids short; set it to read them whole")
    return uid.hex()


def _from_hex(digits: str) -> bytes:
    digits = digits.removeprefix("0x")
    if not _HEX.fullmatch(digits) or len(digits) % 2:
        raise UnreadableCardError("a card UID is pairs of hex digits")
    return bytes.fromhex(digits)


def _from_decimal(digits: str, profile: ReaderProfile) -> bytes:
    """Return the shortest UID of the reader's technology that holds the number."""
    if not _DECIMAL.fullmatch(digits):
        raise UnreadableCardError("this reader writes a card UID as a decimal number")
    number = int(digits)
    for length in LENGTHS[profile.technology]:
        if number < 256**length:
            return number.to_bytes(length)
    raise UnreadableCardError("this number is too large for a card UID")


def _without_checksum(uid: bytes) -> bytes:
    if len(uid) == 5 and reduce(lambda left, right: left ^ right, uid[:4]) == uid[4]:
        return uid[:4]
    return uid


def _check_length(uid: bytes, technology: Technology) -> None:
    if len(uid) == 8 and uid[0] != VICINITY:
        raise UnreadableCardError("a card UID has 4, 7 or 10 bytes, or 8 that begin with E0")
    if len(uid) not in LENGTHS[technology]:
        lengths = " or ".join(str(length) for length in LENGTHS[technology])
        if technology is Technology.ANY:
            lengths = "4, 7 or 10"
        raise UnreadableCardError(f"a card UID has {lengths} bytes")


def aliases(uid: str) -> tuple[str, ...]:
    """Return what a reader of another profile may make of the same card, in order.

    For warnings only: who is known under an alias may be another card all the same.
    """
    found = set()
    for reading in _misreadings(bytes.fromhex(uid), uid):
        with suppress(UnreadableCardError):
            found.add(canonical_uid(reading))
    return tuple(sorted(found - {uid}))


def _misreadings(raw: bytes, uid: str) -> Iterator[str]:
    yield raw[::-1].hex()
    for order in (raw, raw[::-1]):
        number = str(int.from_bytes(order))
        yield from (number, number.zfill(PRINTED_DIGITS))
    yield str(int.from_bytes(raw[-4:])).zfill(PRINTED_DIGITS)
    if len(raw) == 7:
        cut = bytes([CASCADE_TAG]) + raw[:3]
        yield from (str(int.from_bytes(cut)), str(int.from_bytes(cut[::-1])))
    if uid.isdecimal():
        yield from _read_as_decimal(int(uid))


def _read_as_decimal(number: int) -> Iterator[str]:
    for length in LENGTHS[Technology.ISO14443A]:
        if number < 256**length:
            raw = number.to_bytes(length)
            yield from (raw.hex(), raw[::-1].hex())
