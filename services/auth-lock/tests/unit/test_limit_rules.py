"""What limits leave of a drink, and the profiles that operators find in the documentation."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.auth_lock.domain.limits import (
    Drink,
    Limit,
    Scope,
    Standing,
    Used,
    alcohol_g,
    least_allowance,
)
from pourline.contracts.limits import LimitProfile

pytestmark = pytest.mark.requirement("LK-8")
PROFILES = Path(__file__).parents[4] / "docs" / "limit-profiles"
BEER = Drink(kind="beer", abv=Decimal(5), price_per_litre=900)


def left(limit: Limit, used: Used = Used(), drink: Drink = BEER, people: int = 1) -> Decimal | None:  # noqa: B008 a frozen value
    allowance = least_allowance((Standing(limit=limit, used=used, people=people),), drink)
    return allowance.volume_ml if allowance else None


def test_half_a_litre_of_five_percent_holds_not_quite_twenty_grams() -> None:
    assert alcohol_g(Decimal(500), Decimal(5)) == Decimal("19.725")


def test_nothing_limits_where_no_limit_is_about_the_drink() -> None:
    wine = Limit(per=Scope.VISIT, kind="wine", volume_ml=Decimal(0))
    spirit = Drink(kind="spirits", abv=Decimal(40), price_per_litre=0)

    assert left(wine) is None
    assert left(Limit(per=Scope.VISIT, amount=100), drink=spirit) is None


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit(per=Scope.SERVING, kind="beer", volume_ml=Decimal("354.882")), "354.882 ml of beer"),
        (Limit(per=Scope.VISIT, alcohol_g=Decimal(40)), "40 g of alcohol per visit"),
        (Limit(per=Scope.WINDOW, window_s=5400, volume_ml=Decimal(1)), "1 ml in 90 min"),
        (Limit(per=Scope.WINDOW, window_s=7200, volume_ml=Decimal(1)), "1 ml in 2 h"),
        (Limit(per=Scope.WINDOW, window_s=90, volume_ml=Decimal(1)), "1 ml in 90 s"),
    ],
)
def test_a_limit_says_itself_to_the_guest(limit: Limit, words: str) -> None:
    allowance = least_allowance((Standing(limit=limit, used=Used()),), BEER)

    assert allowance is not None
    assert words in allowance.words


def test_less_than_a_millilitre_is_nothing_left() -> None:
    limit = Limit(per=Scope.VISIT, volume_ml=Decimal(500))
    for used, used_up in (("499", False), ("499.001", True), ("700", True)):
        standing = Standing(limit=limit, used=Used(volume_ml=Decimal(used)))
        allowance = least_allowance((standing,), BEER)
        assert allowance is not None
        assert allowance.is_used_up is used_up


VOLUMES = st.decimals(min_value=0, max_value=10_000, places=3)


@given(most=VOLUMES, used=VOLUMES, people=st.integers(1, 10))
def test_what_is_left_never_passes_a_limit_of_volume(
    most: Decimal, used: Decimal, people: int
) -> None:
    rest = left(Limit(per=Scope.VISIT, volume_ml=most), Used(volume_ml=used), people=people)

    assert rest == max(most * people - used, Decimal(0))


@given(
    most=st.integers(1, 10**6),
    used=st.integers(0, 10**6),
    price=st.integers(1, 10**6),
)
def test_what_is_left_never_costs_more_than_is_left_of_the_money(
    most: int, used: int, price: int
) -> None:
    drink = Drink(kind="beer", abv=Decimal(5), price_per_litre=price)
    rest = left(Limit(per=Scope.VISIT, amount=most), Used(amount=used), drink)

    assert rest is not None
    assert rest * price / 1000 <= max(most - used, 0)


@given(
    most=st.decimals(min_value="0.001", max_value=500, places=3),
    abv=st.decimals(min_value="0.1", max_value=96, places=1),
)
def test_what_is_left_never_holds_more_alcohol_than_is_left(most: Decimal, abv: Decimal) -> None:
    drink = Drink(kind="beer", abv=abv, price_per_litre=900)
    rest = left(Limit(per=Scope.SERVING, alcohol_g=most), drink=drink)

    assert rest is not None
    assert alcohol_g(rest, abv) <= most


@pytest.mark.parametrize("name", ["washington", "arkansas", "connecticut", "house"])
def test_an_example_in_the_documentation_is_a_profile_with_its_source(name: str) -> None:
    profile = LimitProfile.model_validate(json.loads((PROFILES / f"{name}.json").read_text()))

    assert profile.source
    assert f"({name}.json)" in (PROFILES / "README.md").read_text()


def test_no_profile_lies_there_untested() -> None:
    found = {path.stem for path in PROFILES.glob("*.json")}

    assert found == {"washington", "arkansas", "connecticut", "house"}
