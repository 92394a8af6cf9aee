"""How numbers are read and written on a screen."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.console.pages import words
from pourline.console.pages.settings_keys import GROUPS, Kind, Setting, text_of, value_of
from pourline.console.pages.stock_calibration import factor_of


@pytest.mark.parametrize(
    ("unit", "shown"),
    [
        ("ml", "1,000 ml"),
        ("cl", "100.0 cl"),
        ("oz", "33.8 oz"),
        ("pint", "2.11 pints"),
        ("cubit", "1,000 ml"),
    ],
)
def test_a_litre_in_each_unit(unit: str, shown: str) -> None:
    assert words.volume(Decimal(1000), unit) == shown


@pytest.mark.parametrize(
    ("unit", "price_per_litre", "currency", "shown"),
    [
        ("ml", 900, "EUR", "€0.90 / 100 ml"),
        ("cl", 900, "EUR", "€0.90 / 10 cl"),
        ("oz", 900, "EUR", "€0.27 / oz"),
        ("pint", 900, "USD", "$4.26 / pint"),
        ("pint", 1_000_000, "JPY", f"JPY{words.NARROW_SPACE}473,176 / pint"),
        ("cubit", 905, "EUR", "€0.91 / 100 ml"),
        ("oz", 0, "EUR", "€0.00 / oz"),
        ("oz", None, "EUR", ""),
    ],
)
def test_a_price_is_told_for_what_is_compared_in_each_unit(
    unit: str, price_per_litre: int | None, currency: str, shown: str
) -> None:
    assert words.price(price_per_litre, currency, unit) == shown


def test_every_unit_of_volumes_has_one_of_prices() -> None:
    assert words.PRICED_UNITS.keys() == words.VOLUME_UNITS.keys()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Window", "Tap 3 Window"),
        ("", "Tap 3"),
        ("Tap 3", "Tap 3"),
        ("tap 3", "Tap 3"),
        ("3", "Tap 3"),
    ],
)
def test_a_tap_is_called_by_its_number_and_what_its_name_adds(name: str, shown: str) -> None:
    assert words.tap_name("3", name) == shown


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("20", "20"),
        ("-0.7", "-0.7"),
        (" 0,75 ", "0.75"),
        ("", None),
        ("1e5", None),
        ("1.2.3", None),
    ],
)
def test_a_number_is_read_as_people_write_it(text: str, number: str | None) -> None:
    assert words.number_of(text) == (None if number is None else Decimal(number))


@given(st.integers(min_value=0, max_value=10**9), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_money_in_a_field_is_read_back_as_it_was(amount: int, currency: str) -> None:
    assert words.amount_of(words.plain_money(amount, currency), currency) == amount


def test_instants_in_an_owners_words_are_told_in_the_bars_time() -> None:
    told = words.with_local_times(
        "oldest receipt of Pils: 2026-05-01T20:00:00.5+00:00", ZoneInfo("Europe/Berlin")
    )
    assert told == "oldest receipt of Pils: 01 May, 22:00"
    assert words.moment(datetime(2026, 5, 1, 20, tzinfo=UTC), ZoneInfo("UTC")) == "01 May, 20:00"


def test_a_long_pour_weighs_more_in_a_calibration() -> None:
    samples = [(100, Decimal(41)), (300, Decimal(119))]
    assert factor_of(samples) == Decimal("0.4")


@given(st.integers(min_value=0, max_value=100))
def test_a_share_is_shown_and_read_as_percent(share: int) -> None:
    setting = Setting(key="k", label="k", note="", kind=Kind.PERCENT)
    value = value_of(setting, str(share))
    assert value == share / 100
    assert text_of(setting, value) == str(share)


def test_no_key_stands_twice_among_the_settings() -> None:
    keys = [one.key for _, settings in GROUPS for one in settings]
    assert len(keys) == len(set(keys))
