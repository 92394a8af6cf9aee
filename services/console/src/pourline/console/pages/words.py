"""How numbers and moments read on a screen."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}
MINOR_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "VND": 0, "KWD": 3, "BHD": 3, "TND": 3}
"""Digits after the point where they are not two (ISO 4217)."""
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 24 * 3600


def money(amount: int, currency: str) -> str:
    """Write minor units as money: `€6.50`."""
    digits = MINOR_DIGITS.get(currency, 2)
    value = Decimal(amount).scaleb(-digits)
    sign = SIGNS.get(currency, currency + NARROW_SPACE)
    return f"{'-' if value < 0 else ''}{sign}{abs(value):,.{digits}f}"


def volume(volume_ml: Decimal) -> str:
    """Write millilitres: `18,600 ml`."""
    whole = volume_ml.quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return f"{whole:,} ml"


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
    return at.astimezone(zone).strftime("%H:%M:%S")


def count(number: int, one: str, many: str) -> str:
    """Write a number with its noun."""
    return f"{number} {one if number == 1 else many}"
