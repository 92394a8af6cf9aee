"""Where a happening counts."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from pourline.kit.ids import new_id
from pourline.shift import domain
from pourline.shift.domain import (
    Bucket,
    Figures,
    Happening,
    OpenShift,
    Place,
    business_day,
    place_of,
    sum_up,
)

OPENED = datetime(2026, 5, 1, 18, tzinfo=UTC)
SHIFT = OpenShift(shift_id=new_id(), opened_at=OPENED)


@pytest.mark.parametrize(
    ("minutes", "bucket"), [(-1, Bucket.LATE), (0, Bucket.OWN), (90, Bucket.OWN)]
)
def test_what_began_before_the_open_shift_is_late_there(minutes: int, bucket: Bucket) -> None:
    place = place_of("main", OPENED + timedelta(minutes=minutes), SHIFT)

    assert place == Place(location="main", shift_id=SHIFT.shift_id, bucket=bucket)


def test_without_a_shift_a_happening_is_kept_unassigned() -> None:
    assert place_of("main", OPENED, None) == Place(location="main")


def test_a_batch_is_summed_by_place() -> None:
    def pour(minutes: int, location: str = "main") -> Happening:
        return Happening(
            location=location,
            at=OPENED + timedelta(minutes=minutes),
            figures=Figures(pours=1, volume_ml=Decimal("500.5"), revenue=350),
        )

    sums = sum_up([pour(1), pour(2), pour(-5), pour(1, "garden")], {"main": SHIFT})

    one = Figures(pours=1, volume_ml=Decimal("500.5"), revenue=350)
    assert sums == {
        Place(location="main", shift_id=SHIFT.shift_id): one + one,
        Place(location="main", shift_id=SHIFT.shift_id, bucket=Bucket.LATE): one,
        Place(location="garden"): one,
    }


@pytest.mark.requirement("SH-3")
def test_the_till_holds_its_float_and_what_was_paid_in_cash_less_what_was_paid_back() -> None:
    lines = [
        ("method", "cash", "topups", 5_000),
        ("method", "card", "topups", 9_000),
        ("method", "cash", "refunds", 700),
        ("member", "anna", "topups", 14_000),
    ]

    assert domain.cash_expected(10_000, lines) == 14_300


@pytest.mark.requirement("SH-3")
@pytest.mark.parametrize(
    ("opened", "zone", "day"),
    [
        ("2026-10-24T20:00:00Z", "Europe/Berlin", date(2026, 10, 24)),
        ("2026-10-25T00:30:00Z", "Europe/Berlin", date(2026, 10, 24)),  # 02:30, the first time
        ("2026-10-25T01:30:00Z", "Europe/Berlin", date(2026, 10, 24)),  # 02:30, the second time
        ("2026-10-25T04:59:00Z", "Europe/Berlin", date(2026, 10, 24)),
        ("2026-10-25T05:00:00Z", "Europe/Berlin", date(2026, 10, 25)),  # 06:00, now UTC+1
        ("2026-03-29T03:59:00Z", "Europe/Berlin", date(2026, 3, 28)),
        ("2026-03-29T04:00:00Z", "Europe/Berlin", date(2026, 3, 29)),  # 06:00, now UTC+2
        ("2026-05-02T03:00:00Z", "America/New_York", date(2026, 5, 1)),
        ("2026-05-02T03:00:00Z", "UTC", date(2026, 5, 1)),
    ],
)
def test_a_shift_counts_for_the_evening_it_belongs_to(opened: str, zone: str, day: date) -> None:
    at = datetime.fromisoformat(opened)

    assert business_day(at, ZoneInfo(zone), time(6)) == day
