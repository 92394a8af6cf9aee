"""Sums of pours over hours, days and beverages, as reports and plots show them."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, StringConstraints

from pourline.contracts.base import (
    Count,
    Id,
    Instant,
    Message,
    QuantitySum,
    Query,
    Text,
    Total,
)

DAYS = 56
"""Eight weeks: each weekday eight times, so that an evening stands beside others like it."""
YEAR_MIN, YEAR_MAX = 2000, 2200


class ReportBy(StrEnum):
    """What pours are summed over: hours or beverages of one business day, or the days before it."""

    HOUR = "hour"
    BEVERAGE = "beverage"
    DAY = "day"


def _near(day: date) -> date:
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise ValueError(f"must be between {YEAR_MIN} and {YEAR_MAX}")
    return day


class GetPourReport(Query):
    """Sums of pours by when they began; without `day` the present business day.

    `timezone` and `day_begins` (`06:00`) say what a business day is; absent: as configured.
    """

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "pour.report"
    by: ReportBy = ReportBy.HOUR
    day: Annotated[date, AfterValidator(_near)] | None = None
    timezone: Text | None = None
    day_begins: Annotated[str, StringConstraints(pattern=r"^(?:[01]\d|2[0-3]):[0-5]\d$")] | None = (
        None
    )


class PourSums(Message):
    """What began within a span, and of which beverage where it is summed by beverage.

    `pours`, `volume_ml` and `amount` (minor units) are what guests were charged for. `ghost_ml`
    ran without a card, `wasted_ml` was decided to be nobody's, `held_ml` waits for a person.
    """

    begins_at: Instant
    ends_at: Instant
    day: date | None = None
    beverage_id: Id | None = None
    pours: Count
    volume_ml: QuantitySum
    amount: Total
    ghost_ml: QuantitySum
    wasted_ml: QuantitySum
    held_ml: QuantitySum


class PourReport(Message):
    """Sums in order of time, spans without a pour too; by beverage the largest volume first."""

    by: ReportBy
    day: date
    items: Annotated[list[PourSums], Field(max_length=100)]
