"""Business days as spans of time: they begin by the clock on the wall, and clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)


def business_day(at: datetime, zone: ZoneInfo, begins: time) -> date:
    """Return the day that an instant counts for: before `begins` it is the day before's."""
    local = at.astimezone(zone)
    return local.date() if local.time() >= begins else local.date() - timedelta(days=1)


def begin_of(day: date, zone: ZoneInfo, begins: time) -> datetime:
    """Return the instant, in UTC, at which a business day begins."""
    return datetime.combine(day, begins, zone).astimezone(UTC)


def hours_of(day: date, zone: ZoneInfo, begins: time) -> list[datetime]:
    """Return where each hour of a business day begins, and its end: 23 to 25 hours."""
    found, end = (
        [begin_of(day, zone, begins)],
        begin_of(day + timedelta(days=1), zone, begins),
    )
    while found[-1] + HOUR < end:
        found.append(found[-1] + HOUR)
    return [*found, end]


def days_until(last: date, count: int, zone: ZoneInfo, begins: time) -> list[datetime]:
    """Return where each of `count` business days begins, `last` the last, and its end."""
    first = last - timedelta(days=count - 1)
    return [begin_of(first + timedelta(days=one), zone, begins) for one in range(count + 1)]
