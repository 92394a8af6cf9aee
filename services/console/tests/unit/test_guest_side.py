"""What guests' screens say, and the keys of their own pages: values only."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.console.pages.board import panel_rows
from pourline.console.pages.guest_keys import GuestKeys, evening_ends
from pourline.console.pages.guest_page import first_name, limit_words
from pourline.console.pages.menu_card import LOW, NOT_NOW, ON, OUT, offers
from pourline.console.pages.tap_screen import FOAM_EVERY, FoamReports
from pourline.console.pages.tap_screen_view import Means, Phase, tap_screen_view
from pourline.console.store import Board, TapLine
from pourline.contracts.base import Envelope
from pourline.contracts.cellar import Beverage
from pourline.contracts.device import AlertMessage, FlowReport, TapState
from pourline.contracts.guests import AccessDenied
from pourline.contracts.limits import LimitsLeft
from pourline.contracts.money import VisitMoney
from pourline.contracts.taps import ConfigChanged, Tap
from pourline.kit.ids import new_id
from pourline.testkit.clock import FakeClock

KEYS = GuestKeys(token_key="a key that only this test knows, long enough")
Envelop = Callable[..., Envelope[Any]]
NOW = datetime(2026, 7, 4, 22, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def tap(**fields: object) -> Tap:
    standard: dict[str, object] = {
        "id": "3",
        "name": "Three",
        "location": "main",
        "beverage_id": "b",
        "beverage": "Cider",
        "price_per_litre": 900,
        "keg_id": "k",
        "remaining_ml": Decimal(20_000),
        "volume_ml": Decimal(30_000),
        "state": TapState.ACTIVE,
        "online": True,
        "pending_sync": 0,
    }
    return Tap.model_validate(standard | fields)


def board_with(line: TapLine) -> Board:
    board = Board(clock=FakeClock(NOW))
    board.lines[line.tap.id] = line
    return board


def left(*items: dict[str, object]) -> LimitsLeft:
    return LimitsLeft.model_validate({"visit_id": "v", "as_of": NOW, "items": items})


def means(*limits: dict[str, object], balance: int, held: int) -> Means:
    money = VisitMoney(balance=balance, held=held, poured_ml=Decimal(0), pours=[])
    return Means(money=money, limits=left(*limits))


@given(visit=st.uuids())
def test_a_key_names_its_visit_and_no_changed_key_does(visit: object) -> None:
    key = KEYS.key_of(str(visit))

    assert KEYS.visit_of(key) == str(visit)
    for place, letter in enumerate(key[:-1]):
        changed = key[:place] + ("A" if letter != "A" else "B") + key[place + 1 :]
        assert KEYS.visit_of(changed) is None


@given(text=st.text(max_size=60))
def test_no_text_is_a_key(text: str) -> None:
    assert KEYS.visit_of(text) is None


def test_another_house_does_not_know_our_keys() -> None:
    other = GuestKeys(token_key="a key that another house has, long enough too")

    assert other.visit_of(KEYS.key_of(str(new_id()))) is None


@pytest.mark.parametrize(
    ("closed_at", "ends_at"),
    [
        (datetime(2026, 7, 4, 23, 30, tzinfo=BERLIN), datetime(2026, 7, 5, 6, 0, tzinfo=BERLIN)),
        (datetime(2026, 7, 5, 2, 30, tzinfo=BERLIN), datetime(2026, 7, 5, 6, 0, tzinfo=BERLIN)),
        (datetime(2026, 7, 5, 6, 0, tzinfo=BERLIN), datetime(2026, 7, 6, 6, 0, tzinfo=BERLIN)),
    ],
)
def test_a_guests_page_ends_as_the_bars_next_day_begins(
    closed_at: datetime, ends_at: datetime
) -> None:
    assert evening_ends(closed_at.astimezone(UTC), time(6), BERLIN) == ends_at


def test_a_tap_screen_says_a_first_name_and_what_is_left() -> None:
    line = TapLine(tap=tap(locked_by_visit=str(new_id()), guest_name="Viola Zimmermann"))

    view = tap_screen_view(board_with(line), line, None, means(balance=1_000, held=450))

    assert (view.phase, view.head) == (Phase.CARD, "Hello Viola")
    assert view.note == "€10.00 to spend · up to 500 ml now"
    assert "Zimmermann" not in str(view)


@pytest.mark.parametrize(
    ("limits", "to_spend"),
    [
        ([], 4_750),
        ([{"per": "visit", "amount": 5_000, "left_amount": 0}], 50),
        ([{"per": "visit", "amount": 9_000, "left_amount": 8_000}], 4_750),
        ([{"per": "window", "window_s": 3600, "amount": 900, "left_amount": 250}], 300),
        ([{"per": "visit", "kind": "Beer", "amount": 500, "left_amount": 0}], 50),
        ([{"per": "visit", "kind": "spirits", "amount": 500, "left_amount": 0}], 4_750),
        ([{"per": "serving", "amount": 500, "left_amount": 500}], 4_750),
        ([{"per": "visit", "volume_ml": 100, "left_volume_ml": 0}], 4_750),
    ],
)
def test_what_is_to_spend_is_what_balance_and_spending_limits_both_leave(
    limits: list[dict[str, object]], to_spend: int
) -> None:
    beer = Beverage(id="b", name="Pils", kind="beer", price_per_litre=900, created_at=NOW)

    assert means(*limits, balance=4_750, held=50).to_spend(beer) == to_spend
    assert means(*limits, balance=-1, held=0).to_spend(beer) == 0


def test_a_guests_screens_speak_the_bars_unit(envelop: Envelop) -> None:
    board = board_with(TapLine(tap=tap(locked_by_visit=str(new_id()), guest_name="Viola")))
    board.hear(envelop(ConfigChanged(key="volume_unit", value="oz")))

    carded = tap_screen_view(board, board.lines["3"], None, means(balance=1_000, held=450))
    board.flow("3", FlowReport(volume_ml=Decimal(355), pulses=9, rate_ml_s=Decimal(40)))
    pouring = tap_screen_view(board, board.lines["3"], None, None)

    assert (carded.price, carded.note) == ("€0.27 / oz", "€10.00 to spend · up to 16.9 oz now")
    assert (pouring.phase, pouring.big) == (Phase.POURING, "12.0 oz")
    assert [one.price for one in offers(board, {})] == ["€0.27 / oz"]


def test_a_refusal_is_told_for_a_moment_and_never_by_its_code() -> None:
    line = TapLine(tap=tap())
    board = board_with(line)
    denied = AccessDenied(
        tap_id="3",
        location="main",
        request_id="r",
        card_uid="04aa",
        reason="cut_off",
        message="Viola Zimmermann is cut off",
        denied_at=NOW,
    )
    board.refusals.hear(denied, taps=board.lines, now=NOW)

    view = tap_screen_view(board, line, None, None)

    assert (view.phase, view.head) == (Phase.DENIED, "You are not served any more")
    assert "Zimmermann" not in str(view)
    assert board.refusals.at("3", NOW + timedelta(seconds=11)) is None


def test_refusals_of_taps_that_nobody_registered_are_not_kept() -> None:
    board = board_with(TapLine(tap=tap()))
    denied = AccessDenied(
        tap_id="nowhere",
        location="main",
        request_id="r",
        card_uid="04aa",
        reason="unknown_card",
        message="unknown",
        denied_at=NOW,
    )
    board.refusals.hear(denied, taps=board.lines, now=NOW)

    assert board.refusals.at("nowhere", NOW) is None


def test_foam_is_told_once_a_minute_for_each_tap() -> None:
    reports = FoamReports()

    assert reports.take("3", NOW)
    assert not reports.take("3", NOW)
    assert reports.take("4", NOW)
    assert reports.take("3", NOW + FOAM_EVERY)


@pytest.mark.parametrize(
    ("fields", "face"),
    [
        ({}, ON),
        ({"remaining_ml": Decimal(4_500)}, LOW),
        ({"remaining_ml": Decimal(0)}, OUT),
        ({"state": TapState.OUT_OF_KEG}, OUT),
        ({"state": TapState.STOPPED}, NOT_NOW),
        ({"online": False}, NOT_NOW),
    ],
)
def test_the_menu_says_whether_there_is_any_left(fields: dict[str, object], face: object) -> None:
    found = offers(board_with(TapLine(tap=tap(**fields))), {})

    assert [(one.drink, one.price, one.face) for one in found] == [
        ("Cider", "€0.90 / 100 ml", face)
    ]


def test_what_limits_leave_is_told_in_plain_words() -> None:
    hour = {"per": "window", "window_s": 3600, "kind": "beer", "volume_ml": 1000}
    evening = {"per": "visit", "amount": 5_000, "alcohol_g": 40}

    assert limit_words(
        left(
            hour | {"left_volume_ml": 350},
            evening | {"left_amount": 1_250, "left_alcohol_g": 12.5},
            {"per": "serving", "volume_ml": 500, "left_volume_ml": 500},
        ),
        "EUR",
        "ml",
    ) == [
        "350 ml of 1,000 ml of beer left in any 1 hour",
        "€12.50 of €50.00 and 12.5 g of alcohol of 40 g of alcohol left this evening",
        "At most 500 ml at a time",
    ]
    assert limit_words(
        left(
            hour | {"left_volume_ml": 0},
            evening | {"left_amount": 0, "left_alcohol_g": 3},
            {"per": "visit", "kind": "spirits", "volume_ml": 0, "left_volume_ml": 0},
        ),
        "EUR",
        "ml",
    ) == [
        "Nothing of beer left for now: 1,000 ml in any 1 hour is reached",
        "Nothing left: €50.00 or 40 g of alcohol this evening is reached",
        "No spirits are served to you",
    ]
    assert limit_words(left(), "EUR", "ml") == []
    assert limit_words(left(hour | {"left_volume_ml": 355}), "EUR", "oz") == [
        "12.0 oz of 33.8 oz of beer left in any 1 hour"
    ]


def test_a_name_is_never_more_than_the_first_word() -> None:
    assert (first_name("Viola von Q"), first_name("  ")) == ("Viola", "Guest")


def test_the_wall_has_unseen_before_seen_and_the_oldest_critical_first() -> None:
    def alert(number: int, severity: str, state: str = "open") -> AlertMessage:
        return AlertMessage.model_validate(
            {
                "alert_id": str(number),
                "severity": severity,
                "kind": "keg_low",
                "title": f"Alert {number}",
                "message": "…",
                "subject": {"type": "tap", "id": "1"},
                "state": state,
                "opened_at": NOW + timedelta(minutes=number),
            }
        )

    alerts = [
        alert(1, "critical", "acknowledged"),
        alert(2, "info"),
        alert(3, "critical"),
        alert(4, "warning"),
        alert(5, "critical"),
    ]

    assert [row.alert_id for row in panel_rows(alerts, NOW)] == ["3", "5", "4", "2", "1"]
