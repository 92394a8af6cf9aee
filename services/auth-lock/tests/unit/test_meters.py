"""A meter that counted more than its tap reported."""

from decimal import Decimal

import pytest
from pourline.auth_lock.domain.meters import Meter, missed_ml


def meter(lifetime: int, *, base: int | None = 1000, told: int = 0, told_ml: int = 0) -> Meter:
    return Meter(
        lifetime_pulses=lifetime,
        base_pulses=base,
        told_pulses=told,
        told_ml=Decimal(told_ml),
    )


@pytest.mark.requirement("SY-7")
@pytest.mark.parametrize(
    ("looked_at", "missed"),
    [
        (meter(1000), None),
        (meter(2600, told=1600, told_ml=300), None),
        (meter(4200, told=1600, told_ml=320), Decimal(320)),
        (meter(1200, base=None), None),
        (meter(900), None),
        (meter(1200), None),
        (meter(2000), Decimal(185)),
    ],
    ids=[
        "nothing ran",
        "all was told",
        "one of two was told",
        "never looked at before",
        "another meter",
        "drips",
        "a whole pour, at a common meter's factor",
    ],
)
def test_what_a_meter_says_was_missed(looked_at: Meter, missed: Decimal | None) -> None:
    assert missed_ml(looked_at) == missed
