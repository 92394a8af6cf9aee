from decimal import Decimal

import pytest
from pourline.alerts.domain import (
    KEG_LOW_RATIO,
    SEVERITIES,
    Findings,
    KegLevel,
    Kind,
    Severity,
    Stock,
    balance_findings,
    keg_findings,
    keg_is_off,
    pour_findings,
    stock_findings,
    tap_findings,
)

pytestmark = pytest.mark.requirement("AL-2")


def opened(found: Findings) -> list[Kind]:
    return [breach.cause.kind for breach in found.opens]


def ended(found: Findings) -> list[Kind]:
    return [cause.kind for cause in found.ends]


def level(remaining_ml: str, *, tap_id: str | None = "1") -> KegLevel:
    return KegLevel(
        keg_id="keg",
        beverage="Pils",
        tap_id=tap_id,
        location="main",
        volume_ml=Decimal(10_000),
        remaining_ml=Decimal(remaining_ml),
    )


@pytest.mark.parametrize(
    ("remaining_ml", "opens", "ends"),
    [
        ("10000", [], [Kind.KEG_LOW, Kind.KEG_EMPTY]),
        ("1500.001", [], [Kind.KEG_LOW, Kind.KEG_EMPTY]),
        ("1500", [Kind.KEG_LOW], [Kind.KEG_EMPTY]),
        ("0.001", [Kind.KEG_LOW], [Kind.KEG_EMPTY]),
        ("0", [Kind.KEG_EMPTY], [Kind.KEG_LOW]),
    ],
)
def test_a_keg_is_low_at_fifteen_percent_and_empty_at_nothing(
    remaining_ml: str, opens: list[Kind], ends: list[Kind]
) -> None:
    found = keg_findings(level(remaining_ml), low_ratio=KEG_LOW_RATIO)

    assert (opened(found), ended(found)) == (opens, ends)


def test_the_ratio_of_a_low_keg_may_be_set() -> None:
    assert opened(keg_findings(level("4000"), low_ratio=Decimal("0.5"))) == [Kind.KEG_LOW]
    assert opened(keg_findings(level("1"), low_ratio=Decimal(0))) == []


def test_a_low_keg_is_told_in_words() -> None:
    [breach] = keg_findings(level("1234.4"), low_ratio=KEG_LOW_RATIO).opens

    assert (breach.title, breach.location) == ("Pils is low", "main")
    assert breach.message == "The keg on tap 1 holds 1234 ml, 12 %."


@pytest.mark.parametrize("remaining_ml", ["0", "100", "10000"])
def test_a_keg_that_is_on_no_tap_is_nobodys_trouble(remaining_ml: str) -> None:
    found = keg_findings(level(remaining_ml, tap_id=None), low_ratio=KEG_LOW_RATIO)

    assert found == keg_is_off("keg")
    assert (opened(found), ended(found)) == ([], [Kind.KEG_LOW, Kind.KEG_EMPTY])


@pytest.mark.parametrize(
    ("online", "pending_sync", "opens", "ends"),
    [
        (True, 0, [], [Kind.DEVICE_OFFLINE, Kind.SYNC_PENDING]),
        (False, 0, [Kind.DEVICE_OFFLINE], [Kind.SYNC_PENDING]),
        (True, 2, [Kind.SYNC_PENDING], [Kind.DEVICE_OFFLINE]),
        (False, 2, [Kind.DEVICE_OFFLINE, Kind.SYNC_PENDING], []),
    ],
)
def test_a_taps_link_opens_and_ends_its_alerts(
    pending_sync: int, opens: list[Kind], ends: list[Kind], *, online: bool
) -> None:
    found = tap_findings(tap_id="1", location="main", online=online, pending_sync=pending_sync)

    assert (opened(found), ended(found)) == (opens, ends)


@pytest.mark.parametrize(
    ("balance", "opens", "ends"),
    [(-1, [Kind.OVERDRAWN], []), (0, [], [Kind.OVERDRAWN]), (1, [], [Kind.OVERDRAWN])],
)
def test_a_guest_is_overdrawn_below_zero(balance: int, opens: list[Kind], ends: list[Kind]) -> None:
    found = balance_findings(guest_id="g", location="main", balance=balance)

    assert (opened(found), ended(found)) == (opens, ends)


@pytest.mark.parametrize("kind", [Kind.POUR_HELD, Kind.SYNC_MISMATCH, Kind.GHOST_POUR])
def test_a_pour_out_of_the_ordinary_is_its_own_cause(kind: Kind) -> None:
    [breach] = pour_findings(
        client_tx_id="tx", tap_id="1", location="main", kind=kind, reason="negative_volume"
    ).opens

    assert (breach.cause.kind, breach.cause.subject_type) == (kind, "pour")
    assert breach.cause.subject_id == "tx"


def stock(quantity: str, *, low: bool = False, ever_moved: bool = True) -> Stock:
    return Stock(
        item_id="gin",
        name="Gin",
        quantity=Decimal(quantity),
        unit="ltr",
        threshold=Decimal("2.50") if low else None,
        is_low=low,
        ever_moved=ever_moved,
    )


@pytest.mark.requirement("SP-6", "AL-2")
def test_stock_below_zero_is_told_and_ends_at_zero() -> None:
    below, nothing = stock_findings(stock("-0.040000")), stock_findings(stock("0"))

    assert opened(below) == [Kind.NEGATIVE_STOCK]
    assert "-0.04 ltr" in below.opens[0].message
    assert opened(nothing) == []
    assert {cause.kind for cause in nothing.ends} == {Kind.NEGATIVE_STOCK, Kind.LOW_STOCK}


@pytest.mark.requirement("AL-2")
def test_low_stock_names_what_is_left_and_its_threshold() -> None:
    [low] = stock_findings(stock("2", low=True)).opens

    assert low.cause.kind is Kind.LOW_STOCK
    assert low.message == "2 ltr left; the threshold is 2.5."


def test_an_item_that_was_never_in_stock_is_not_low() -> None:
    assert opened(stock_findings(stock("0", low=True, ever_moved=False))) == []


@pytest.mark.requirement("AL-1")
def test_every_kind_has_a_severity_and_an_empty_keg_is_critical() -> None:
    assert set(SEVERITIES) == set(Kind)
    assert SEVERITIES[Kind.KEG_EMPTY] is Severity.CRITICAL
