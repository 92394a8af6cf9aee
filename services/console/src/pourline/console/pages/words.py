"""How numbers and moments read on a screen."""

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from pourline.contracts.base import in_calendar

SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}
MINOR_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "VND": 0, "KWD": 3, "BHD": 3, "TND": 3}
"""Digits after the point where they are not two (ISO 4217)."""
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
VOLUME_UNITS = {
    "ml": (Decimal(1), 0, "ml"),
    "cl": (Decimal(10), 1, "cl"),
    "oz": (Decimal("29.5735295625"), 1, "oz"),
    "pint": (Decimal("473.176473"), 2, "pints"),
}
"""Millilitres in each unit, digits shown, its word; ounce and pint as the United States have them
(NIST Handbook 44, appendix C)."""
ON_PAPER = "ml"
"""The unit of what is printed, whatever screens show."""
PRICED_UNITS = {
    "ml": (Decimal(100), "100 ml"),
    "cl": (Decimal(100), "10 cl"),
    "oz": (VOLUME_UNITS["oz"][0], "oz"),
    "pint": (VOLUME_UNITS["pint"][0], "pint"),
}
"""Millilitres that a price for guests is told for in each unit, and how they are called: what a
card prints where that unit is at home."""
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 24 * 3600


def tap_name(tap_id: str, name: str) -> str:
    """Write what a tap is called: `Tap 3 Window`, and `Tap 3` when its name says no more."""
    plain = f"Tap {tap_id}"
    return (
        plain if name.casefold() in ("", tap_id.casefold(), plain.casefold()) else f"{plain} {name}"
    )


def money(amount: int, currency: str) -> str:
    """Write minor units as money: `€6.50`."""
    digits = MINOR_DIGITS.get(currency, 2)
    value = Decimal(amount).scaleb(-digits)
    sign = SIGNS.get(currency, currency + NARROW_SPACE)
    return f"{'-' if value < 0 else ''}{sign}{abs(value):,.{digits}f}"


def amount_of(text: str, currency: str) -> int | None:
    """Read money as people write it (`20`, `20.50`, `20,5`) in minor units; None if it is none."""
    digits = MINOR_DIGITS.get(currency, 2)
    found = re.fullmatch(r"\s*(\d{1,9})(?:[.,](\d{1,3}))?\s*", text)
    if found is None or len(found[2] or "") > digits:
        return None
    return int(found[1] + (found[2] or "").ljust(digits, "0"))


def volume(volume_ml: Decimal, unit: str) -> str:
    """Write millilitres in the bar's unit: `18,600 ml`, `1,860.0 cl`, `16.9 oz`, `1.06 pints`."""
    size, digits, word = VOLUME_UNITS.get(unit, VOLUME_UNITS["ml"])
    shown = (volume_ml / size).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    return f"{shown:,} {word}"


def price(price_per_litre: int | None, currency: str, unit: str) -> str:
    """Write a price as guests compare it: `€0.90 / 100 ml`, `€0.27 / oz`; nothing for none.

    It is worked out exactly and rounded half up to the minor unit to be shown; nobody pays by it.
    """
    if price_per_litre is None:
        return ""
    priced_ml, word = PRICED_UNITS.get(unit, PRICED_UNITS["ml"])
    return f"{money(cost(priced_ml, price_per_litre), currency)} / {word}"


def cost(volume_ml: Decimal, price_per_litre: int) -> int:
    """Return what a volume costs, as the backend will round it (contract 1)."""
    exact = volume_ml * price_per_litre / 1000
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def percent(part: Decimal, whole: Decimal) -> int:
    """Return a share in whole percent between 0 and 100; a rest is never shown as nothing."""
    if part <= 0 or whole <= 0:
        return 0
    return max(1, min(100, int(part * 100 / whole)))


def age(since: datetime, now: datetime) -> str:
    """Write how long ago something was: `now`, `4 min`, `2 h 05`, `3 days`."""
    seconds = max(0, int((now - since).total_seconds()))
    if seconds < MINUTE_S:
        return "just now"
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S} min ago"
    if seconds < DAY_S:
        return f"{seconds // HOUR_S} h {seconds % HOUR_S // MINUTE_S:02d} min ago"
    days = seconds // DAY_S
    return "1 day ago" if days == 1 else f"{days} days ago"


def clock_time(at: datetime, zone: ZoneInfo) -> str:
    """Write a moment as the bar's clock shows it, or say that there was none."""
    if at == datetime.min.replace(tzinfo=UTC):
        return "never"
    return in_calendar(at).astimezone(zone).strftime("%H:%M:%S")


def count(number: int, one: str, many: str) -> str:
    """Write a number with its noun."""
    return f"{number} {one if number == 1 else many}"


def number_of(text: str) -> Decimal | None:
    """Read a number as people write it (`20`, `-0.7`, `0,7`); None if it is none."""
    found = re.fullmatch(r"\s*([+-]?\d{1,10})(?:[.,](\d{1,6}))?\s*", text)
    return Decimal(f"{found[1]}.{found[2] or 0}") if found else None


def quantity(number: Decimal) -> str:
    """Write a quantity without the zeros that say nothing: `1,250.5`."""
    return f"{number.normalize():,f}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Write a moment with its day, as the bar's clock shows it: `21 Nov, 14:05`."""
    return in_calendar(at).astimezone(zone).strftime("%d %b, %H:%M")


def with_local_times(text: str, zone: ZoneInfo) -> str:
    """Write the instants in an owner's words as the bar's clock shows them."""
    return re.sub(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)",
        lambda found: moment(datetime.fromisoformat(found[0]), zone),
        text,
    )


def plain_money(amount: int, currency: str) -> str:
    """Write minor units as a field takes them: `6.50`."""
    digits = MINOR_DIGITS.get(currency, 2)
    return f"{Decimal(amount).scaleb(-digits):.{digits}f}"
