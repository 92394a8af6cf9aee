"""Readers that write UIDs in their own way, against the real database."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from nats.aio.client import Client
from pourline.contracts.guests import BindCard, Visit
from pourline.contracts.taps import CreateTap
from pourline.kit.db import Database
from pourline.testkit.access import CARD, Bar, open_bar, seat_guest, seat_tap
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pydantic import ValidationError

BACKWARDS = bytes.fromhex(CARD)[::-1].hex()
pytestmark = pytest.mark.requirement("VI-5")


@pytest.fixture
async def bar(fresh_database: FreshDatabase, bus: Client, clock: FakeClock) -> AsyncIterator[Bar]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    async with open_bar(database, bus, clock) as bar:
        yield bar


async def seat(bar: Bar, tap_id: str, reader_profile: str) -> None:
    tap = CreateTap(id=tap_id, name=tap_id, reader_profile=reader_profile)
    await seat_tap(bar.database, bar.clock, bar.beverage, tap)


async def test_a_tap_whose_reader_turns_bytes_round_knows_the_card(bar: Bar) -> None:
    await seat(bar, "round", "hex-reversed")
    first = await bar.put_card("round", card_uid=BACKWARDS)
    second = await bar.put_card("round", card_uid=BACKWARDS)
    as_printed = await bar.put_card("1", card_uid=BACKWARDS)

    assert [first.visit_id, second.visit_id] == [bar.visit.id, bar.visit.id]
    assert as_printed.reason == "unknown_card"
    assert bar.ledger.orders[0].card_uid == CARD


async def test_a_tap_with_a_decimal_reader_knows_the_card(bar: Bar) -> None:
    await seat(bar, "decimal", "decimal")
    number = str(int(CARD, 16))

    assert (await bar.put_card("decimal", card_uid=number)).visit_id == bar.visit.id
    assert (await bar.put_card("decimal", card_uid="not 1")).reason == "unreadable_card"


def test_a_reader_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be one of"):
        CreateTap(id="1", name="1", reader_profile="upside-down")


async def test_a_card_that_reads_like_a_known_one_is_never_that_one_and_says_so(bar: Bar) -> None:
    answer = await bar.put_card(card_uid=BACKWARDS)
    stranger = await bar.put_card(card_uid="0a0b0c0d")

    assert (answer.reason, answer.visit_id) == ("unknown_card", None)
    assert "It resembles a card that we know" in answer.message
    assert "resembles" not in stranger.message
    first, second = await bar.audited("access_denied")
    assert (first["after"]["resembles"], second["after"].get("resembles")) == ([CARD], None)


async def test_who_gives_away_a_card_that_reads_like_another_is_warned(bar: Bar) -> None:
    await seat_guest(bar.database, "5567232d")
    visit = await bar.staff(BindCard(visit_id=bar.visit.id, card_uid="1432822573"))

    assert isinstance(visit, Visit)
    assert UUID(visit.id)
    [warning] = visit.warnings
    assert "reads like 5567232d" in warning
    [line] = await bar.audited("card_bound")
    assert line["after"]["warnings"] == [warning]


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        ("08A1B2C3", "shows a random id"),
        ("880419EE", "cuts 7-byte ids short"),
        ("123456", "4, 7 or 10 bytes"),
    ],
)
async def test_what_is_no_cards_id_is_denied_with_the_reason_in_words(
    bar: Bar, reading: str, why: str
) -> None:
    answer = await bar.put_card(card_uid=reading)
    refused = await bar.staff(BindCard(visit_id=bar.visit.id, card_uid=reading))

    assert (answer.reason, refused) == ("unreadable_card", "unreadable_card")
    assert why in answer.message
