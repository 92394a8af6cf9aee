"""Lost cards against the real database: denied whatever else is true, told, let pour by name."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from nats.aio.client import Client
from pourline.auth_lock.handlers import lost_cards
from pourline.contracts.guests import (
    BindCard,
    ListLostCards,
    LostCard,
    OverrideLostCard,
    ReportLostCard,
    RestoreLostCard,
    Visit,
)
from pourline.kit.db import Database
from pourline.testkit.access import CARD, STAFF, Bar, open_bar
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

OTHER_CARD = "04a1b2c3d4e5f6"
SPELLED = "04:19:EE:B2:75:71:81"
pytestmark = pytest.mark.requirement("LC-1")


@pytest.fixture
async def bar(fresh_database: FreshDatabase, bus: Client, clock: FakeClock) -> AsyncIterator[Bar]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    async with open_bar(database, bus, clock) as bar:
        yield bar


async def report(bar: Bar, card_uid: str = SPELLED, note: str | None = None) -> LostCard:
    answer = await bar.staff(ReportLostCard(card_uid=card_uid, note=note), actor="bert")
    assert isinstance(answer, LostCard)
    return answer


async def override(bar: Bar, **ahead: float) -> LostCard | Visit | str:
    until = bar.clock.now() + timedelta(**ahead)
    return await bar.staff(OverrideLostCard(card_uid=SPELLED, until=until, reason="found"))


async def listed(bar: Bar) -> list[str]:
    async with bar.database.transaction() as unit:
        page = await lost_cards.list_lost(ListLostCards(), unit, STAFF)
    return [one.card_uid for one in page.items]


@pytest.mark.requirement("LK-3")
async def test_a_lost_card_opens_no_tap_and_is_on_record_and_told(bar: Bar) -> None:
    entry = await report(bar, note="at the door")

    answer = await bar.put_card()

    assert (answer.decision, answer.reason) == ("deny", "lost_card")
    assert (answer.grant_id, await bar.locked_at(), bar.ledger.orders) == (None, None, [])
    assert (entry.card_uid, entry.visit_id, entry.reported_by) == (CARD, bar.visit.id, "bert")
    [line] = await bar.audited("access_denied")
    assert (line["reason"], line["subject"]) == ("lost_card", "tap:1")
    [told] = await bar.told("evt.card.lost_used")
    assert (told["card_uid"], told["tap_id"], told["visit_id"]) == (CARD, "1", bar.visit.id)
    [reported] = await bar.audited("card_reported_lost")
    assert (reported["actor"], reported["reason"]) == ("bert", "at the door")


async def test_a_lost_card_is_denied_whatever_else_is_true(bar: Bar) -> None:
    await report(bar)
    await report(bar, OTHER_CARD)
    nobodys = await bar.put_card(card_uid=OTHER_CARD)
    await bar.stop_tap()
    at_a_stopped_tap = await bar.put_card()
    await bar.close_visit()
    without_visit = await bar.put_card()

    answers = (nobodys, at_a_stopped_tap, without_visit)
    assert {one.reason for one in answers} == {"lost_card"}


async def test_a_card_reported_twice_is_one_entry_with_the_newer_note(bar: Bar) -> None:
    first = await report(bar, note="a")
    second = await report(bar, note="b")
    third = await report(bar)

    assert {first.id, second.id, third.id} == {first.id}
    assert (second.note, third.note) == ("b", "b")
    assert await listed(bar) == [CARD]


async def test_a_restored_card_pours_again_and_its_past_stays_on_record(bar: Bar) -> None:
    await report(bar)
    await bar.put_card()
    restored = await bar.staff(RestoreLostCard(card_uid=SPELLED), actor="clara")

    assert isinstance(restored, LostCard)
    assert (restored.restored_by, restored.restored_at) == ("clara", bar.clock.now())
    assert (await bar.put_card()).decision == "allow"
    assert await listed(bar) == []
    [line] = await bar.audited("lost_card_restored")
    assert (line["actor"], line["after"]["reported_by"]) == ("clara", "bert")
    assert len(await bar.told("evt.card.lost_used")) == 1
    assert await bar.staff(RestoreLostCard(card_uid=SPELLED)) == "not_found"


async def test_a_manager_lets_a_lost_card_pour_until_an_instant(bar: Bar) -> None:
    await report(bar)
    entry = await override(bar, minutes=10)
    allowed = await bar.put_card()
    bar.clock.advance(minutes=10)
    denied = await bar.put_card()

    assert isinstance(entry, LostCard)
    assert (entry.override_by, entry.override_reason) == ("anna", "found")
    assert (allowed.decision, denied.reason) == ("allow", "lost_card")
    [line] = await bar.audited("lost_card_overridden")
    assert (line["after"]["severity"], line["reason"]) == ("high", "found")
    [used] = await bar.audited("access_allowed")
    assert (used["after"]["severity"], used["after"]["lost_card"]) == ("high", True)
    assert len(await bar.told("evt.card.lost_used")) == 1


async def test_an_override_is_for_a_lost_card_and_ends_in_the_future(bar: Bar) -> None:
    unknown = await override(bar, minutes=10)
    await report(bar)

    assert (unknown, await override(bar, minutes=-1)) == ("not_found", "bad_override")


async def test_a_lost_card_is_replaced_in_one_call_and_the_visit_goes_on(bar: Bar) -> None:
    order = BindCard(visit_id=bar.visit.id, card_uid=OTHER_CARD, lost=True)
    visit = await bar.staff(order)
    old = await bar.put_card()
    new = await bar.put_card(card_uid=OTHER_CARD)

    assert isinstance(visit, Visit)
    assert (visit.id, visit.card_uid, visit.warnings) == (bar.visit.id, OTHER_CARD, [])
    assert (old.reason, new.decision, new.visit_id) == ("lost_card", "allow", bar.visit.id)
    assert await listed(bar) == [CARD]


async def test_a_card_replaced_without_a_word_is_not_lost(bar: Bar) -> None:
    await bar.staff(BindCard(visit_id=bar.visit.id, card_uid=OTHER_CARD))

    assert (await listed(bar), (await bar.put_card()).reason) == ([], "unknown_card")


async def test_who_gives_away_a_lost_card_is_warned(bar: Bar) -> None:
    await report(bar, OTHER_CARD)
    visit = await bar.staff(BindCard(visit_id=bar.visit.id, card_uid=OTHER_CARD))

    assert isinstance(visit, Visit)
    assert visit.warnings == ["This card is reported lost: no tap opens for it."]
    assert (await bar.put_card(card_uid=OTHER_CARD)).reason == "lost_card"


@pytest.mark.requirement("LK-7")
async def test_without_lost_card_enforcement_a_lost_card_pours_and_is_on_record(bar: Bar) -> None:
    await report(bar)
    await bar.configure("FF_LOST_CARD_ENFORCEMENT", value=False)
    allowed = await bar.put_card()
    await bar.hear(bar.pour_told(allowed.grant_id))
    await bar.configure("FF_LOST_CARD_ENFORCEMENT", value=True)

    assert allowed.decision == "allow"
    [line] = await bar.audited("access_allowed")
    assert (line["after"]["lost_card"], line["after"]["severity"]) == (True, "high")
    assert (await bar.put_card()).reason == "lost_card"
