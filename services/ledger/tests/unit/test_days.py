"""Business days begin by the clock on the wall, and leave no gap between them."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from pourline.ledger.domain import business_day, days_until, hours_of

ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")]
)
DAYS = st.dates(min_value=date(2020, 1, 5), max_value=date(2030, 12, 1))
HOURS = st.integers(min_value=4, max_value=12).map(time)
"""Bars that begin their day while clocks are changed do so at their own risk."""


@given(DAYS, ZONES, HOURS)
def test_a_days_hours_follow_each_other_and_belong_to_it(
    day: date, zone: ZoneInfo, begins: time
) -> None:
    steps = hours_of(day, zone, begins)

    assert all(timedelta(0) < b - a <= timedelta(hours=1) for a, b in pairwise(steps))
    assert {business_day(at, zone, begins) for at in steps[:-1]} == {day}
    assert business_day(steps[-1], zone, begins) == day + timedelta(days=1)


@given(DAYS, ZONES, HOURS)
def test_each_of_the_days_begins_where_the_one_before_ends(
    day: date, zone: ZoneInfo, begins: time
) -> None:
    steps = days_until(day, 5, zone, begins)

    assert [business_day(at, zone, begins) for at in steps[:-1]] == [
        day - timedelta(days=back) for back in range(4, -1, -1)
    ]
    assert steps == sorted(steps)


def test_before_the_day_begins_it_is_still_the_day_before() -> None:
    at = datetime(2026, 5, 9, 3, 59, tzinfo=UTC)
    assert business_day(at, ZoneInfo("Europe/Berlin"), time(6)) == date(2026, 5, 8)
    later = at + timedelta(minutes=1)
    assert business_day(later, ZoneInfo("Europe/Berlin"), time(6)) == date(2026, 5, 9)
