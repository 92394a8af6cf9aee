from decimal import Decimal

import pytest
from pourline.alerts.domain.devices import (
    anomaly_findings,
    pos_findings,
    refused_findings,
    spout_findings,
    tap_findings,
)
from pourline.alerts.domain.kegs import KEG_LOW_RATIO, KegLevel, keg_findings, keg_is_off
from pourline.alerts.domain.kinds import RULES, STOCK_KINDS, Findings, Kind, Severity, is_mailed
from pourline.alerts.domain.pours import balance_findings, pour_findings
from pourline.alerts.domain.stock import Stock, stock_findings

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
    found = balance_findings(guest_id="g", balance=balance, currency="EUR")

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


@pytest.mark.parametrize(
    ("balance", "currency", "words"),
    [
        (-235, "EUR", "-2.35 EUR"),
        (-5, "USD", "-0.05 USD"),
        (-235, "JPY", "-235 JPY"),
        (-2350, "KWD", "-2.350 KWD"),
        (-(10**12), "EUR", "-10000000000.00 EUR"),
    ],
)
def test_what_a_guest_owes_is_told_in_money(balance: int, currency: str, words: str) -> None:
    [breach] = balance_findings(guest_id="g", balance=balance, currency=currency).opens

    assert breach.message == f"The guest's balance is {words}."


CONTRACT_KINDS = """
lost_card_used keg_low keg_empty sync_pending sync_mismatch pour_held ghost_pour overdrawn
stale_lock stop_unconfirmed device_offline device_battery_low missed_pour negative_stock low_stock
package_unavailable package_low_stock package_bottleneck stockout_predicted pour_anomaly
pos_failing mail_failing
"""


@pytest.mark.requirement("AL-1")
def test_every_kind_of_the_contract_has_its_row_in_the_matrix() -> None:
    assert {kind.value for kind in RULES} - set(CONTRACT_KINDS.split()) == {"foam_reported"}
    assert set(CONTRACT_KINDS.split()) <= {kind.value for kind in RULES}


@pytest.mark.requirement("AL-3")
@pytest.mark.parametrize(
    ("kind", "severity", "priority"),
    [
        (Kind.PACKAGE_UNAVAILABLE, Severity.CRITICAL, "urgent"),
        (Kind.PACKAGE_BOTTLENECK, Severity.CRITICAL, "urgent"),
        (Kind.PACKAGE_LOW_STOCK, Severity.WARNING, "high"),
        (Kind.STOCKOUT_PREDICTED, Severity.WARNING, "high"),
    ],
)
def test_urgent_is_critical_and_high_is_a_warning(
    kind: Kind, severity: Severity, priority: str
) -> None:
    assert (RULES[kind].severity, RULES[kind].priority) == (severity, priority)


@pytest.mark.requirement("AL-4")
def test_what_is_critical_or_about_stock_is_mailed_and_failing_mail_is_not() -> None:
    mailed = {kind for kind in Kind if is_mailed(kind, RULES[kind].severity)}
    critical = {kind for kind in Kind if RULES[kind].severity is Severity.CRITICAL}

    assert mailed == critical | STOCK_KINDS
    assert is_mailed(Kind.SYNC_MISMATCH, Severity.CRITICAL)
    assert not is_mailed(Kind.MAIL_FAILING, Severity.CRITICAL)


@pytest.mark.requirement("AL-2", "SP-10")
@pytest.mark.parametrize(
    ("online", "battery_low", "opens", "ends"),
    [
        (True, False, [], [Kind.DEVICE_OFFLINE, Kind.DEVICE_BATTERY_LOW]),
        (False, False, [Kind.DEVICE_OFFLINE], [Kind.DEVICE_BATTERY_LOW]),
        (True, True, [Kind.DEVICE_BATTERY_LOW], [Kind.DEVICE_OFFLINE]),
        (False, True, [Kind.DEVICE_OFFLINE, Kind.DEVICE_BATTERY_LOW], []),
    ],
)
def test_a_spout_is_silent_or_short_of_battery(
    opens: list[Kind], ends: list[Kind], *, online: bool, battery_low: bool
) -> None:
    found = spout_findings(
        device_id="d",
        name="Gin 1",
        location="main",
        online=online,
        battery_low=battery_low,
        battery_pct=Decimal(12),
    )

    assert (opened(found), ended(found)) == (opens, ends)


def test_a_point_of_sale_fails_and_recovers_and_an_anomaly_says_what() -> None:
    failing = pos_findings(adapter="webhook", is_failing=True, waiting=3, reason="refused")
    well = pos_findings(adapter="webhook", is_failing=False, waiting=0, reason="")
    odd = anomaly_findings(
        subject="spout", about="d", name="Gin 1", location="main", what="40 ml at 04:10."
    )
    refused = refused_findings(event_id="7", reference="pour-1", reason="HTTP 400")

    assert failing.opens[0].message == "3 notifications wait: refused."
    assert ended(well) == [Kind.POS_FAILING]
    assert odd.opens[0].title == "Gin 1 poured unusually"
    assert refused.opens[0].cause != failing.opens[0].cause


def test_a_name_with_lines_in_it_stays_on_one_line() -> None:
    [breach] = stock_findings(
        Stock(
            item_id="gin",
            name="Gin\r\nBcc: all@example.org",
            quantity=Decimal(-1),
            unit="ml",
            threshold=None,
            is_low=False,
            ever_moved=True,
        )
    ).opens

    assert breach.title == "Gin Bcc: all@example.org is below zero"
