from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.alerts.domain.kinds import Kind
from pourline.alerts.domain.packages import (
    LOW_RATIO,
    NORMAL_DAYS,
    Day,
    Limit,
    Stand,
    bottleneck_findings,
    bottlenecks,
    normal,
    package_findings,
)

pytestmark = pytest.mark.requirement("AL-3")

TODAY = date(2026, 5, 13)


def day(back: int, most: int, last: int | None = None) -> Day:
    return Day(day=TODAY - timedelta(days=back), most=most, last=most if last is None else last)


def stand(
    sellable: int | None, usual: str | None = "10", *, name: str = "spritz", limit: str = "gin"
) -> Stand:
    return Stand(
        package_id=name,
        name=name.title(),
        sellable=sellable,
        limit=Limit(item_id=limit, name=limit.title(), available=Decimal("2.50")),
        normal=None if usual is None else Decimal(usual),
    )


@pytest.mark.parametrize(
    ("days", "usual"),
    [
        ([], None),
        ([day(0, 7)], 7),
        ([day(1, 10), day(0, 2)], 10),
        ([day(27, 20, 4)], 4),
        ([day(40, 50, 12)], 12),
        ([day(2, 10), day(1, 4), day(0, 3)], 10),
        ([day(0, 9, 1)], 9),
    ],
)
def test_normal_is_the_median_of_the_daily_maxima(days: list[Day], usual: int | None) -> None:
    assert normal(days, today=TODAY) == usual


def test_the_middle_of_an_even_number_of_days_is_exact() -> None:
    # Yesterday it had 3 at most and ended with 0: today's maximum is 4, over what it began with.
    assert normal([day(1, 3, 0), day(0, 4)], today=TODAY) == Decimal("3.5")


@given(most=st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_normal_lies_between_the_least_and_the_most_that_ever_was(most: list[int]) -> None:
    days = [day(len(most) - 1 - place, one) for place, one in enumerate(most)]
    usual = normal(days, today=TODAY)

    assert usual is not None
    assert min(most[-NORMAL_DAYS:]) <= usual <= max(most[-NORMAL_DAYS - 1 :])


@pytest.mark.parametrize(
    ("sellable", "usual", "opens"),
    [
        (0, "10", [Kind.PACKAGE_UNAVAILABLE]),
        (0, None, [Kind.PACKAGE_UNAVAILABLE]),
        (1, "10", [Kind.PACKAGE_LOW_STOCK]),
        (2, "10", []),
        (2, "10.5", [Kind.PACKAGE_LOW_STOCK]),
        (1, "1", []),
        (1, None, []),
        (None, "10", []),
    ],
)
def test_a_package_is_unavailable_at_none_and_low_below_a_fifth(
    sellable: int | None, usual: str | None, opens: list[Kind]
) -> None:
    found = package_findings(stand(sellable, usual), ratio=LOW_RATIO)

    assert [breach.cause.kind for breach in found.opens] == opens
    assert {cause.kind for cause in found.ends} | set(opens) == {
        Kind.PACKAGE_UNAVAILABLE,
        Kind.PACKAGE_LOW_STOCK,
    }


def test_an_alert_names_what_limits_the_package() -> None:
    [gone] = package_findings(stand(0), ratio=LOW_RATIO).opens
    [low] = package_findings(stand(1), ratio=LOW_RATIO).opens

    assert gone.message == "None can be made: Gin is used up."
    assert low.message == "1 can be sold, 10 are usual. Gin limits it."


def test_an_item_is_a_bottleneck_of_packages_that_are_short_of_it_and_of_no_others() -> None:
    stands = [
        stand(0, name="spritz"),
        stand(1, name="sour"),
        stand(9, name="fizz"),
        stand(0, name="mojito", limit="rum"),
    ]
    held_up = bottlenecks(stands, ratio=LOW_RATIO, at_least=2)
    found = bottleneck_findings(held_up, ["gin", "rum"])

    assert {item: [one.name for one in those] for item, those in held_up.items()} == {
        "gin": ["Spritz", "Sour"]
    }
    [breach] = found.opens
    assert (breach.cause.subject_id, breach.title) == ("gin", "Gin limits 2 packages")
    assert breach.message == "2.5 left. It limits Spritz, Sour."
    assert [cause.subject_id for cause in found.ends] == ["rum"]


def test_a_bottleneck_of_very_many_names_a_few() -> None:
    stands = [stand(0, name=f"p{number}") for number in range(8)]
    held_up = bottlenecks(stands, ratio=LOW_RATIO, at_least=2)
    [breach] = bottleneck_findings(held_up, []).opens

    assert breach.message.endswith("P0, P1, P2, P3, P4 and 3 more.")
