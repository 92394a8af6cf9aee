"""The one form of a card's UID: lower-case hex in wire order, no separators.

Lengths and refusals after ISO 14443-3 and the readers seen in the field: 4, 7 or 10 bytes
(14443A), 5 (EM4100), 8 beginning with `e0` (ISO 15693). A fifth byte that is the XOR of the
other four is the checksum some readers append. Nothing is ever matched reversed or as decimal.
"""

import re
from functools import reduce

_SEPARATORS = re.compile(r"[\s:.\-_]")
_HEX = re.compile(r"[0-9a-f]+")
LENGTHS = frozenset({4, 5, 7, 8, 10})
RANDOM_ID = 0x08
CASCADE_TAG = 0x88
VICINITY = 0xE0


class UnreadableCardError(ValueError):
    """The text is no card UID; the message says why, for staff."""


def canonical_uid(text: str) -> str:
    """Return the canonical form of a card UID.

    Raises `UnreadableCardError` for wrong lengths, other characters, random ids and ids that the
    reader cut short.
    """
    digits = _SEPARATORS.sub("", text.strip().lower().removeprefix("0x"))
    if not _HEX.fullmatch(digits) or len(digits) % 2:
        raise UnreadableCardError("a card UID is pairs of hex digits")
    uid = _without_checksum(bytes.fromhex(digits))
    if len(uid) not in LENGTHS or (len(uid) == 8 and uid[0] != VICINITY):
        raise UnreadableCardError("a card UID has 4, 7 or 10 bytes")
    if len(uid) == 4 and uid[0] == RANDOM_ID:
        raise UnreadableCardError("this card shows a random id each time and cannot be used")
    if len(uid) == 4 and uid[0] == CASCADE_TAG:
        raise UnreadableCardError("the reader cuts 7-byte ids short; set it to read them whole")
    return uid.hex()


def _without_checksum(uid: bytes) -> bytes:
    if len(uid) == 5 and reduce(lambda left, right: left ^ right, uid[:4]) == uid[4]:
        return uid[:4]
    return uid
