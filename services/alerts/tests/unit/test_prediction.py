from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.alerts.domain.prediction import (
    WEEKS,
    Consumed,
    business_day,
    expected,
    run_out_day,
)

pytestmark = pytest.mark.requirement("PO-5")

TODAY = date(2026, 5, 13)
"""A Wednesday."""


def past(*, week: tuple[int, ...], days: int = 28) -> Consumed:
    """Return the same week again and again, Monday first, up to yesterday."""
    before = [TODAY - timedelta(days=back) for back in range(1, days + 1)]
    return {day: Decimal(week[day.weekday()]) for day in before}


def runs_out(left: str, consumed: Consumed, *, within_days: int = 28) -> int | None:
    day = run_out_day(Decimal(left), consumed, today=TODAY, within_days=within_days)
    return (day - TODAY).days if day else None


def test_an_even_rate_is_walked_day_by_day() -> None:
    consumed = past(week=(100,) * 7)

    assert [runs_out(left, consumed) for left in ("100", "100.001", "300", "0")] == [0, 1, 2, 0]


def test_a_weekends_thirst_is_known_before_it_comes() -> None:
    consumed = past(week=(0, 0, 0, 0, 500, 500, 0))

    assert runs_out("600", consumed) == 3, "Saturday; an even mean would have said Thursday week"


def test_a_weekday_seen_seldom_is_drawn_towards_the_mean_of_all_days() -> None:
    once = {TODAY - timedelta(days=1): Decimal(700)}
    week, month = (
        expected(past(week=(0, 0, 0, 0, 700, 0, 0), days=days), today=TODAY) for days in (5, 28)
    )

    assert set(expected(once, today=TODAY)) == {Fraction(700)}, "one day is all there is to know"
    assert week[4] == Fraction(700 + 140, 2)
    assert (week[0], week[2]) == (Fraction(140, 2), Fraction(140)), "a Wednesday was never seen"
    assert month[4] == Fraction(700)
    assert month[0] == Fraction(0)


def test_today_counts_for_what_is_still_to_come_of_it() -> None:
    consumed = past(week=(100,) * 7)

    assert runs_out("150", consumed) == 1
    assert runs_out("150", {**consumed, TODAY: Decimal(90)}) == 2
    assert runs_out("50", {**consumed, TODAY: Decimal(400)}) == 1, "a busy today is not endless"


def test_on_the_first_day_there_is_only_today() -> None:
    assert runs_out("500", {TODAY: Decimal(200)}) == 3


def test_what_nobody_consumes_never_runs_out_and_what_is_taken_back_is_none() -> None:
    assert runs_out("1", {}) is None
    assert runs_out("1", {TODAY - timedelta(days=1): Decimal(-50)}) is None


def test_what_is_further_back_than_four_weeks_is_forgotten() -> None:
    long_ago = {TODAY - timedelta(weeks=WEEKS, days=1): Decimal(10_000)}

    assert runs_out("1", long_ago) is None


def test_a_bars_day_ends_in_the_morning_of_its_own_place() -> None:
    late = datetime(2026, 5, 16, 2, 30, tzinfo=UTC)

    assert business_day(late) == date(2026, 5, 15)
    assert business_day(late, ZoneInfo("Asia/Tokyo")) == date(2026, 5, 16)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles"])
def test_any_year_that_a_clock_may_say_has_a_day(zone: str) -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

    assert business_day(first, ZoneInfo(zone)).year in (1899, 1900)
    assert business_day(last, ZoneInfo(zone)).year in (8999, 9000)


weeks = st.lists(st.integers(0, 10_000), min_size=7, max_size=7).map(tuple)
stocks = st.integers(0, 100_000).map(Decimal)


@given(week=weeks, less=stocks, more=stocks)
def test_more_stock_never_runs_out_earlier(
    week: tuple[int, ...], less: Decimal, more: Decimal
) -> None:
    less, more = sorted((less, more))
    consumed = past(week=week)
    sooner, later = (runs_out(str(left), consumed) for left in (less, more))

    assert later is None or (sooner is not None and sooner <= later)


@given(week=weeks, left=stocks, times=st.integers(1, 1000))
def test_the_unit_of_measure_changes_nothing(
    week: tuple[int, ...], left: Decimal, times: int
) -> None:
    consumed = past(week=week)
    scaled = {day: one * times for day, one in consumed.items()}

    assert runs_out(str(left), consumed) == runs_out(str(left * times), scaled)
