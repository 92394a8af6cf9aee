"""Cards on taps against the real database and bus; the ledger is a small stand-in."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import UUID

import pytest
from nats.aio.client import Client
from pourline.auth_lock.handlers.answers import Asked
from pourline.auth_lock.handlers.repair import repair_unanswered
from pourline.auth_lock.store import locks
from pourline.contracts.device import AuthorizeRequest
from pourline.kit.db import Database
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.testkit.access import CARD, Bar, open_bar, seat_guest
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.until import until

ROUNDS = 200


@pytest.fixture
async def bar(fresh_database: FreshDatabase, bus: Client, clock: FakeClock) -> AsyncIterator[Bar]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    async with open_bar(database, bus, clock) as bar:
        yield bar


@pytest.mark.requirement("LK-1", "LK-2", "LK-4")
async def test_an_allow_takes_the_lock_and_says_what_the_tap_needs_to_pour_alone(bar: Bar) -> None:
    answer = await bar.put_card()

    assert (answer.decision, answer.guest_name, answer.visit_id) == ("allow", "Ada", bar.visit.id)
    assert (answer.price_per_litre, answer.balance, answer.currency) == (900, 1000, "EUR")
    assert answer.max_volume_ml == Decimal("333.333")
    assert answer.expires_at is not None
    assert answer.expires_at > bar.clock.now()
    assert await bar.locked_at() == "1"
    assert bar.ledger.grants == {answer.grant_id: "pending"}
    assert [event["grant_id"] for event in await bar.told("evt.lock.taken")] == [answer.grant_id]


async def test_a_repeat_hears_the_stored_answer_and_holds_nothing_again(bar: Bar) -> None:
    answer = await bar.put_card(request_id="r")
    bar.ledger.away = True
    bar.clock.advance(seconds=4)

    assert await bar.put_card(request_id="r") == answer
    assert len(await bar.told("evt.lock.taken")) == 1


async def test_an_answer_is_not_repeated_once_it_expired_or_its_lock_is_open(bar: Bar) -> None:
    first = await bar.put_card(request_id="first")
    await bar.settle(first.grant_id)
    await bar.put_card(request_id="second")

    opened = await bar.put_card(request_id="first")
    bar.clock.advance(seconds=31)
    expired = await bar.put_card(request_id="second")

    assert [opened.reason, expired.reason] == ["bad_request", "bad_request"]


async def test_an_answer_is_not_repeated_once_its_pour_is_in_the_books(bar: Bar) -> None:
    first = await bar.put_card(request_id="first")
    bar.ledger.grants[str(first.grant_id)] = "captured"

    assert (await bar.put_card(request_id="first")).reason == "bad_request"
    assert await bar.locked_at() is None


async def test_of_many_cards_at_once_the_lock_and_the_money_are_the_same_grants(bar: Bar) -> None:
    answers = await asyncio.gather(*(bar.put_card() for _ in range(6)))

    assert {one.decision for one in answers} == {"allow"}
    [lock] = await bar.rows("SELECT grant_id::text FROM tap_lock WHERE released_at IS NULL")
    assert lock["grant_id"] == bar.ledger.orders[-1].grant_id


async def test_a_second_card_by_the_same_visit_renews_the_grant(bar: Bar) -> None:
    first = await bar.put_card()
    second = await bar.put_card()

    assert second.decision == "allow"
    assert second.grant_id != first.grant_id
    [lock] = await bar.rows("SELECT grant_id::text FROM tap_lock WHERE released_at IS NULL")
    assert lock["grant_id"] == second.grant_id


@pytest.mark.long
@pytest.mark.requirement("LK-2")
async def test_two_taps_that_race_for_one_card_have_one_winner_every_time(bar: Bar) -> None:
    for _ in range(ROUNDS):
        answers = await asyncio.gather(bar.put_card("1"), bar.put_card("2"))

        winners = [one for one in answers if one.decision == "allow"]
        losers = [one for one in answers if one.decision == "deny"]
        assert [len(winners), len(losers)] == [1, 1], answers
        assert losers[0].reason == "card_in_use"
        await bar.settle(winners[0].grant_id)
    assert await bar.locked_at() is None


@pytest.mark.requirement("LK-2")
async def test_twenty_guests_that_race_for_one_tap_have_one_winner(bar: Bar) -> None:
    cards = [f"04{number:012x}" for number in range(20)]
    for card in cards:
        await seat_guest(bar.database, card)

    answers = await asyncio.gather(*(bar.put_card(card_uid=card) for card in cards))

    reasons = sorted(one.reason for one in answers)
    assert reasons == ["allowed", *["tap_in_use"] * 19]


async def test_a_request_sent_twice_at_once_is_one_grant(bar: Bar) -> None:
    answers = await asyncio.gather(*(bar.put_card(request_id="r") for _ in range(5)))

    assert {one.decision for one in answers} == {"allow"}
    assert len({one.grant_id for one in answers}) == 1
    assert len(bar.ledger.grants) == 1
    assert len(await bar.told("evt.lock.taken")) == 1


@pytest.mark.requirement("LK-3")
async def test_a_refused_hold_gives_the_lock_back_and_the_same_denial_again(bar: Bar) -> None:
    bar.ledger.refuses = "insufficient_balance"
    first = await bar.put_card(request_id="r")
    bar.ledger.refuses = None
    again = await bar.put_card(request_id="r")

    assert (first.decision, first.reason) == ("deny", "insufficient_balance")
    assert first.message == "Please top up."
    assert again == first
    assert await bar.locked_at() is None
    assert [row["why"] for row in await bar.told("evt.lock.released")] == ["hold_refused"]
    assert (await bar.put_card()).decision == "allow"


async def test_a_hold_that_was_voided_first_is_asked_for_anew_by_the_repeat(bar: Bar) -> None:
    bar.ledger.refuses = "grant_voided"
    first = await bar.put_card(request_id="r")
    bar.ledger.refuses = None
    again = await bar.put_card(request_id="r")

    assert (first.reason, again.decision) == ("unavailable", "allow")


async def test_without_the_ledger_a_card_is_told_so_and_no_lock_is_left(bar: Bar) -> None:
    bar.ledger.away = True
    answer = await bar.put_card(request_id="r")
    locked = await bar.locked_at()
    bar.ledger.away = False
    again = await bar.put_card(request_id="r")

    assert (answer.decision, answer.reason, locked) == ("deny", "unavailable", None)
    assert again.decision == "allow"


async def test_a_ledger_that_died_with_a_question_is_asked_again_while_the_card_waits(
    bar: Bar,
) -> None:
    bar.ledger.loses_answers = True
    waiting = asyncio.create_task(bar.put_card())

    async def asked() -> int:
        return len(bar.ledger.orders)

    await until(asked)
    bar.ledger.loses_answers = False
    answer = await waiting

    assert answer.decision == "allow"
    assert {str(order.grant_id) for order in bar.ledger.orders} == {answer.grant_id}
    assert len(bar.ledger.orders) == 2


async def test_a_hold_left_by_a_renewal_without_an_answer_is_voided(bar: Bar) -> None:
    first = await bar.put_card()
    bar.ledger.loses_answers = True
    unanswered = await bar.put_card()
    bar.ledger.loses_answers = False
    bar.clock.advance(seconds=11)

    await repair(bar)

    assert unanswered.reason == "unavailable"
    [left] = [state for grant, state in bar.ledger.grants.items() if grant != first.grant_id]
    assert left == "voided"
    assert await bar.locked_at() == "1"


async def test_a_hold_whose_renewal_was_answered_with_a_bug_is_voided_too(bar: Bar) -> None:
    first = await bar.put_card()
    bar.ledger.holds_and_fails = True
    refused = await bar.put_card()
    bar.ledger.holds_and_fails = False
    bar.clock.advance(seconds=11)

    await repair(bar)

    assert refused.reason == "unavailable"
    [left] = [state for grant, state in bar.ledger.grants.items() if grant != first.grant_id]
    assert left == "voided"
    assert await bar.locked_at() == "1"


async def repair(bar: Bar) -> int:
    return await repair_unanswered(database=bar.database, caller=bar.caller, clock=bar.clock)


async def test_a_lock_that_a_crash_left_without_hold_is_given_back(bar: Bar) -> None:
    grant_id = await bar.crash_before_the_hold("r")
    early = await repair(bar)
    bar.clock.advance(seconds=11)

    assert (early, await repair(bar), await repair(bar)) == (0, 1, 0)
    assert await bar.locked_at() is None
    [released] = await bar.told("evt.lock.released")
    assert (released["grant_id"], released["why"]) == (str(grant_id), "hold_unanswered")
    assert (await bar.put_card(request_id="r")).decision == "allow"


async def test_a_repeat_goes_on_where_a_crash_stopped(bar: Bar) -> None:
    grant_id = await bar.crash_before_the_hold("r")

    answer = await bar.put_card(request_id="r")

    assert (answer.decision, answer.grant_id) == ("allow", str(grant_id))
    assert bar.ledger.grants == {str(grant_id): "pending"}


async def test_a_repeat_that_is_denied_after_a_crash_leaves_no_lock(bar: Bar) -> None:
    await bar.crash_before_the_hold("r")
    await bar.stop_tap()

    answer = await bar.put_card(request_id="r")

    assert (answer.reason, await bar.locked_at()) == ("tap_not_active", None)


@pytest.mark.requirement("LK-5", "VI-6")
async def test_a_lock_opened_by_force_is_on_record_with_its_reason(bar: Bar) -> None:
    await bar.put_card()

    await bar.force_unlock("controller broken")

    assert await bar.locked_at() is None
    [line] = await bar.audited("lock_released")
    assert (line["actor"], line["reason"]) == ("anna", "controller broken")
    assert line["subject"] == f"visit:{bar.visit.id}"
    with pytest.raises(Rejected) as refused:
        await bar.force_unlock("again")
    assert refused.value.wire_code == "visit_not_locked"


@pytest.mark.requirement("LK-5")
async def test_only_a_pour_of_its_own_grant_opens_a_lock(bar: Bar) -> None:
    first = await bar.put_card()
    second = await bar.put_card()

    await bar.settle(first.grant_id)
    await bar.settle(None)
    after_others = await bar.locked_at()
    await bar.settle(second.grant_id)

    assert (after_others, await bar.locked_at()) == ("1", None)
    assert [row["why"] for row in await bar.told("evt.lock.released")] == ["pour"]


async def test_a_card_is_not_in_use_once_the_ledger_settled_its_pour(bar: Bar) -> None:
    first = await bar.put_card("1")
    assert (await bar.put_card("2")).reason == "card_in_use"
    bar.ledger.grants[str(first.grant_id)] = "captured"

    assert (await bar.put_card("2")).decision == "allow"
    assert await bar.locked_at() == "2"


@pytest.mark.requirement("VI-4")
async def test_a_visit_with_a_lock_cannot_close(bar: Bar) -> None:
    grant = await bar.put_card()

    with pytest.raises(Rejected) as locked:
        await bar.close_visit()
    await bar.say_status("1", online=False)
    with pytest.raises(Rejected) as pending:
        await bar.close_visit()
    bar.ledger.grants[str(grant.grant_id)] = "captured"
    closed = await bar.close_visit()

    assert [locked.value.wire_code, pending.value.wire_code] == ["visit_locked", "pour_pending"]
    assert (closed.status, closed.close_reason) == ("closed", "left")


@pytest.mark.requirement("VI-4")
async def test_closing_takes_effect_at_the_next_card(bar: Bar) -> None:
    await bar.close_visit()

    assert (await bar.put_card()).reason == "no_active_visit"
    with pytest.raises(Rejected) as refused:
        await bar.close_visit()
    assert refused.value.wire_code == "visit_closed"


@pytest.mark.requirement("VI-4")
async def test_closing_waits_for_a_card_on_its_way_and_sees_its_lock(bar: Bar) -> None:
    async with bar.database.transaction() as unit:
        grant = locks.NewGrant(grant_id=new_id(), visit_id=UUID(bar.visit.id))
        await locks.take_lock(unit, tap_id="1", grant=grant)
        closing = asyncio.create_task(bar.close_visit())
        await until(lambda: waiting(bar))
    with pytest.raises(Rejected) as refused:
        await closing

    assert refused.value.wire_code == "visit_locked"


async def waiting(bar: Bar) -> bool:
    rows = await bar.rows(
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(rows)


async def test_a_card_denied_is_on_record_and_told(bar: Bar) -> None:
    unknown = await bar.put_card(card_uid="0a0b0c0d")
    unreadable = await bar.put_card(card_uid="08a1b2c3")
    nowhere = await bar.put_card("7")

    assert [unknown.reason, unreadable.reason] == ["unknown_card", "unreadable_card"]
    assert nowhere.reason == "bad_request"
    reasons = ["unknown_card", "unreadable_card", "bad_request"]
    assert [row["reason"] for row in await bar.audited("access_denied")] == reasons
    assert [event["reason"] for event in await bar.told("evt.access.denied")] == reasons


async def test_a_request_that_was_long_on_its_way_locks_nothing(bar: Bar) -> None:
    request = AuthorizeRequest(request_id="r", card_uid=CARD)
    asked = Asked(tap_id="1", location="main", request=request, received_at=bar.clock.now())
    bar.clock.advance(seconds=6)

    answer = await bar.authorize(asked)

    assert (answer.reason, await bar.locked_at()) == ("unavailable", None)
