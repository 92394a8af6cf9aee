"""How guests are found: names without case or accents, phones in any notation.

A name and a query are folded alike and compared as text; grams (pieces of two and three
characters) let an index find the few rows worth comparing.
"""

import re
import unicodedata
from dataclasses import dataclass

DIGITS_MIN = 4
"""Fewer digits are a piece of a name or a visit's number, no phone."""
NUMBER_DIGITS_MAX = 18
COUNTRY_DIGITS_MAX = 3
"""A country's calling code has one to three digits (ITU-T E.164)."""
NATIONAL_DIGITS_MIN = 5
QUERY_GRAMS_MAX = 12
"""More narrow a search no further."""

_APOSTROPHES = str.maketrans("", "", "'`\u00b4\u02bc\u2018\u2019")
_PLAIN = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ħ": "h",
        "\u0131": "i",
    }
)
"""Letters that Unicode does not take apart though people type them plain."""


@dataclass(frozen=True, kw_only=True)
class Sought:
    """What a search's one input may mean; each is tried."""

    words: tuple[str, ...]
    phone: str
    national_phones: tuple[str, ...]
    number: int | None

    @property
    def name_grams(self) -> tuple[str, ...]:
        """The longest pieces of the words, for the index; none where each is a single letter."""
        found = {gram for word in self.words for gram in _grams(word, 3 if len(word) > 2 else 2)}
        return tuple(sorted(found)[:QUERY_GRAMS_MAX])

    @property
    def phone_grams(self) -> tuple[str, ...]:
        """The pieces of the phone, for the index."""
        return tuple(sorted(_grams(self.phone, 3))[:QUERY_GRAMS_MAX])


def sought(text: str) -> Sought:
    """Return what `text` may mean."""
    phone = canonical_phone(text) if _looks_like_a_phone(text) else ""
    return Sought(
        words=tuple(dict.fromkeys(fold(text).split())),
        phone=phone.lstrip("0"),
        national_phones=_national(phone),
        number=_number(text),
    )


def fold(text: str) -> str:
    """Return `text` in small letters without accents and apostrophes, other marks as blanks."""
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_APOSTROPHES))
    plain = "".join(one for one in apart if not unicodedata.combining(one)).translate(_PLAIN)
    return " ".join(re.findall(r"\w+", plain))


def canonical_phone(text: str) -> str:
    """Return a phone's digits: international ones bare, national ones after a single nought.

    `+49 (0)30 1234`, `0049 30 1234` and `+49-30-1234` are all `49301234`; `030 1234` is `0301234`.
    """
    digits = re.sub(r"\D", "", re.sub(r"\(\s*0\s*\)", "", text))
    return digits.lstrip("0") if "+" in text or digits.startswith("00") else digits


def search_columns(name: str, phone: str | None) -> dict[str, object]:
    """Return what a guest is found by, beside name and phone as they were given."""
    search_name, search_phone = fold(name), canonical_phone(phone or "")
    return {
        "search_name": search_name,
        "search_phone": search_phone,
        "search_grams": grams(search_name, search_phone),
    }


def grams(name: str, phone: str) -> list[str]:
    """Return the pieces by which a guest with this folded name and this phone is found."""
    found = {gram for word in name.split() for size in (2, 3) for gram in _grams(word, size)}
    return sorted(found | _grams(phone.lstrip("0"), 3))


def _grams(text: str, size: int) -> set[str]:
    return {text[at : at + size] for at in range(len(text) - size + 1)}


def _looks_like_a_phone(text: str) -> bool:
    return len(re.sub(r"\D", "", text)) >= DIGITS_MIN and not re.search(r"[^\W\d_]", text)


def _national(phone: str) -> tuple[str, ...]:
    """Return how an international number is written at home, for each country code it may have."""
    if phone.startswith("0"):
        return ()
    cut = (phone[length:] for length in range(1, COUNTRY_DIGITS_MAX + 1))
    long = [rest for rest in cut if len(rest) >= NATIONAL_DIGITS_MIN]
    return tuple(one for rest in long for one in (f"0{rest}", rest))


def _number(text: str) -> int | None:
    digits = text.strip().removeprefix("#")
    plain = digits.isascii() and digits.isdecimal() and len(digits) <= NUMBER_DIGITS_MAX
    return int(digits) if plain else None
