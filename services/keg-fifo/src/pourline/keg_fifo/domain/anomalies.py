"""Pours that are not as usual: simple rules, each of which says in words what it saw.

A rule compares with the spout's or the item's own past, never with a number for all bars. Medians
instead of means, so that what is unusual does not move what counts as usual. Source: requirement
SP-11. `bench.anomalies` plays them a month with known faults.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from statistics import median
from zoneinfo import ZoneInfo

SIZE_HISTORY = 50
"""Pours of a channel that say what its usual size is: an evening or two."""
SIZE_LEAST = 20
"""With fewer there is no usual size yet."""
SIZE_DEVIATIONS = Decimal(8)
MAD_AS_DEVIATION = Decimal("1.4826")
"""The median absolute deviation times this is the standard deviation of a normal spread."""
SIZE_TIMES = Decimal("2.5")
"""A double is two singles and is usual, whatever the spread; a triple asks for a look."""
HOUR_LEAST_POURS = 100
HOUR_LEAST_DAYS = 7
"""A week shows every weekday's hours once."""
HOUR_HISTORY = timedelta(days=28)
NO_SALE_LEAST_ML = Decimal(1000)
"""A spill, a staff drink and a late receipt stay below this in a day."""
NO_SALE_SHARE = Decimal("0.08")
"""Measures are poured a little generous: with much sold, only more than this share is unusual."""
DRIFT_LEAST_ML = Decimal(2000)
"""Less than two litres poured between counts says more of the counting than of the meter."""
DRIFT_SHARE = Decimal("0.05")
"""Two public factors of one meter model differ by up to 4 percent; more wants a new calibration."""
DAY_BEGINS_HOUR = 6
CALENDAR = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Between these any zone, day or span can be reckoned with; a spout's clock may say any year."""
"""A day of business lasts until the morning: a bar that closes at three closes that evening."""
_TENTH = Decimal("0.1")
_THREE = Decimal("0.001")


class Anomaly(StrEnum):
    """In what way pours are not as usual."""

    UNUSUAL_SIZE = "unusual_size"
    UNUSUAL_HOUR = "unusual_hour"
    NO_SALE = "no_sale"
    CALIBRATION_DRIFT = "calibration_drift"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is unusual, in words, and the numbers behind them."""

    kind: Anomaly
    explanation: str
    figures: Mapping[str, Decimal] = field(default_factory=dict)


def business_day(at: datetime, zone: ZoneInfo) -> date:
    """Return the day of business of an instant, in the bar's own time.

    An instant beyond `CALENDAR` counts as its nearer end.
    """
    at = min(max(at, CALENDAR[0]), CALENDAR[1])
    return (at.astimezone(zone) - timedelta(hours=DAY_BEGINS_HOUR)).date()


def unusual_size(volume_ml: Decimal, history: Sequence[Decimal]) -> Finding | None:
    """Compare a pour with the channel's last ones, of which `history` are the volumes."""
    if len(history) < SIZE_LEAST:
        return None
    usual = median(history)
    deviation = MAD_AS_DEVIATION * median([abs(one - usual) for one in history])
    limit = max(usual + SIZE_DEVIATIONS * deviation, usual * SIZE_TIMES)
    if usual <= 0 or volume_ml <= limit:
        return None
    return Finding(
        kind=Anomaly.UNUSUAL_SIZE,
        explanation=(
            f"{_ml(volume_ml)} in one pour; usual here is {_ml(usual)} "
            f"(middle of the last {len(history)}), and up to {_ml(limit)} would pass."
        ),
        figures={"volume_ml": volume_ml, "usual_ml": usual, "limit_ml": _rounded(limit)},
    )


@dataclass(frozen=True, kw_only=True)
class Hours:
    """How many pours a spout had in each hour of the bar's day, and on how many days."""

    pours: Mapping[int, int]
    days: int


def unusual_hour(at: datetime, zone: ZoneInfo, usual: Hours) -> Finding | None:
    """Compare a pour's hour with those in which the spout has poured, one hour either side."""
    total = sum(usual.pours.values())
    if total < HOUR_LEAST_POURS or usual.days < HOUR_LEAST_DAYS:
        return None
    local = at.astimezone(zone)
    near = sum(usual.pours.get((local.hour + step) % 24, 0) for step in (-1, 0, 1))
    if near:
        return None
    return Finding(
        kind=Anomaly.UNUSUAL_HOUR,
        explanation=(
            f"A pour at {local:%H:%M}; of {total} pours on {usual.days} days "
            "none was within an hour of that time."
        ),
        figures={"hour": Decimal(local.hour), "pours": Decimal(total), "days": Decimal(usual.days)},
    )


def no_sale(poured_ml: Decimal, sold_ml: Decimal) -> Finding | None:
    """Compare what ran in a day of business with what was sold of it."""
    unsold = poured_ml - sold_ml
    limit = max(NO_SALE_LEAST_ML, NO_SALE_SHARE * sold_ml)
    if unsold <= limit:
        return None
    return Finding(
        kind=Anomaly.NO_SALE,
        explanation=(
            f"{_ml(poured_ml)} ran in a day and {_ml(sold_ml)} were sold: {_ml(unsold)} have no "
            f"sale, where {_ml(limit)} would pass. A leak, drinks that nobody rang up, or a factor "
            "that is too high."
        ),
        figures={"poured_ml": poured_ml, "sold_ml": sold_ml, "unsold_ml": unsold},
    )


def calibration_drift(
    poured_ml: Decimal, discrepancy_ml: Decimal, *, sold_unmeasured_ml: Decimal = Decimal(0)
) -> Finding | None:
    """Compare what spouts measured since the last count with what the count says has gone.

    `discrepancy_ml` = counted - expected: above zero, less ran than was measured. Where sales
    moved the stock besides (`sold_unmeasured_ml`), nobody can tell whose the difference is.
    """
    if poured_ml < DRIFT_LEAST_ML or sold_unmeasured_ml > 0:
        return None
    times = (poured_ml - discrepancy_ml) / poured_ml
    if abs(times - 1) <= DRIFT_SHARE or times <= 0:
        return None
    more = "more" if times > 1 else "less"
    return Finding(
        kind=Anomaly.CALIBRATION_DRIFT,
        explanation=(
            f"{_ml(poured_ml)} were measured since the last count, and "
            f"{abs(times - 1):.1%} {more} is gone. Calibrate again: the present factor times "
            f"{_rounded(times)} would agree. Or something left the bottle past the spout."
        ),
        figures={
            "poured_ml": poured_ml,
            "discrepancy_ml": discrepancy_ml,
            "factor_times": _rounded(times),
        },
    )


def days_to_close(
    poured: Collection[date], closed: Collection[date], today: date
) -> Sequence[date]:
    """Return the days of business that are over and were not looked at yet, oldest first."""
    return sorted(day for day in poured if day < today and day not in closed)


def _ml(volume: Decimal) -> str:
    if volume >= 1000:
        return f"{(volume / 1000).quantize(_TENTH, rounding=ROUND_HALF_UP)} l"
    return f"{volume.quantize(Decimal(1), rounding=ROUND_HALF_UP)} ml"


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_THREE, rounding=ROUND_HALF_UP)
