"""What a forecast says where it has too little to go by."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pourline.keg_fifo.domain.losses import Recent, outlook

NOW = datetime(2026, 5, 1, 20, tzinfo=UTC)
WEEK = "pours of it here in the last week"


@pytest.mark.requirement("KG-6")
@pytest.mark.parametrize(
    ("pours", "hours", "basis"),
    [
        (0, None, f"too little: 0 {WEEK}; 10 are needed"),
        (9, 30, f"too little: 9 {WEEK}; 10 are needed"),
        (84, 5.9, f"too little: 84 {WEEK}; the first was 5 h ago, a day is needed"),
        (2, 1, f"too little: 2 {WEEK}; 10 are needed; the first was 1 h ago, a day is needed"),
    ],
)
def test_a_keg_without_a_forecast_says_what_is_missing(
    pours: int, hours: float | None, basis: str
) -> None:
    since = None if hours is None else NOW - timedelta(hours=hours)
    seen = outlook(Decimal(9_000), Recent(volume_ml=Decimal(900), pours=pours, since=since), NOW)

    assert (seen.rate_ml_day, seen.runs_out_at, seen.basis) == (None, None, basis)


def test_ten_pours_since_a_day_are_enough() -> None:
    since = NOW - timedelta(days=1)
    seen = outlook(Decimal(9_000), Recent(volume_ml=Decimal(900), pours=10, since=since), NOW)

    assert (seen.rate_ml_day, seen.basis) == (Decimal(900), "10 pours of it here in 1.0 days")
