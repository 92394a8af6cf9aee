"""On which day an item runs out, from what was really consumed (requirement PO-5).

The expected consumption of a weekday is the mean of that weekday over the last weeks; while it was
seen less than twice, what is missing counts with the mean of all days. From now on the days are
walked and their expected consumption is taken from the stock until nothing is left. Today counts
for what is still to come of it. docs/stock-out.md shows how the method was chosen and how well it
does.

Quantities are exact: a stock is a decimal, a mean a fraction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction

from pourline.alerts.domain.kinds import Findings, Kind, breach_of, cause_of
from pourline.alerts.domain.quantities import plain

WEEKS = 4
"""Long enough to know a weekday, short enough to follow the season."""
KNOWN_AFTER = 2
"""A weekday seen so often speaks for itself; docs/stock-out.md has what other numbers came to."""
PREDICTION_DAYS = 7
WEEK = 7
DAY_BEGINS = timedelta(hours=6)
CALENDAR = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Between these any zone, day or span can be reckoned with; a spout's clock may say any year."""
"""A bar's evening ends after midnight: until six it belongs to the day before."""

Consumed = Mapping[date, Decimal]
"""Quantity by business day; a day that is not there had none."""


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What is left of an item, and what was consumed of it."""

    item_id: str
    name: str
    unit: str
    left: Decimal
    consumed: Consumed


def business_day(at: datetime, zone: tzinfo = UTC) -> date:
    """Return the day of a bar's calendar to which an instant belongs.

    An instant beyond `CALENDAR` counts as its nearer end.
    """
    at = min(max(at, CALENDAR[0]), CALENDAR[1])
    return (at.astimezone(zone) - DAY_BEGINS).date()


def expected(consumed: Consumed, *, today: date) -> tuple[Fraction, ...]:
    """Return the expected consumption of each weekday, Monday first.

    The days looked at are the last four weeks before today, from the first on which anything was
    consumed. On the very first day there is only what today has brought so far.
    """
    days = _days(consumed, today)
    known = [max(Fraction(0), Fraction(consumed.get(day, Decimal(0)))) for day in days]
    overall = sum(known, Fraction(0)) / len(days) if days else Fraction(0)
    means = []
    for weekday in range(WEEK):
        same = [one for day, one in zip(days, known, strict=True) if day.weekday() == weekday]
        unknown = max(0, KNOWN_AFTER - len(same))
        means.append((sum(same, Fraction(0)) + unknown * overall) / (len(same) + unknown))
    return tuple(means)


def _days(consumed: Consumed, today: date) -> list[date]:
    since = today - timedelta(days=WEEKS * WEEK)
    known = [day for day in consumed if day <= today]
    first = max(since, min(known)) if known else today
    before = [first + timedelta(days=number) for number in range((today - first).days)]
    return before or ([today] if known else [])


def run_out_day(left: Decimal, consumed: Consumed, *, today: date, within_days: int) -> date | None:
    """Return the day on which nothing is left, None where that is more than `within_days` away.

    What is not there any more is gone today; what nobody consumes never runs out.
    """
    means = expected(consumed, today=today)
    if not any(means):
        return None
    rest = Fraction(left)
    so_far = Fraction(consumed.get(today, Decimal(0)))
    for number in range(within_days + 1):
        day = today + timedelta(days=number)
        mean = means[day.weekday()]
        rest -= max(Fraction(0), mean - so_far) if number == 0 else mean
        if rest <= 0:
            return day
    return None


def stockout_findings(supply: Supply, *, today: date, within_days: int) -> Findings:
    """Return whether an item is predicted to run out within so many days."""
    cause = cause_of(Kind.STOCKOUT_PREDICTED, supply.item_id)
    day = run_out_day(supply.left, supply.consumed, today=today, within_days=within_days)
    if day is None:
        return Findings(ends=(cause,))
    left = f"{plain(supply.left)} {supply.unit}"
    found = breach_of(cause, name=supply.name, left=left, day=f"{day:%A, %Y-%m-%d}")
    return Findings(opens=(found,))
