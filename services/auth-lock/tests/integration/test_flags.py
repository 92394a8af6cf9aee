"""What each flag lets happen while it is off, and locks that stand too long."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client
from pourline.auth_lock.handlers.locks import tell_stale
from pourline.kit.db import Database
from pourline.kit.errors import Rejected
from pourline.testkit.access import Bar, open_bar, seat_guest
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

ROUNDS = 30


@pytest.fixture
async def bar(fresh_database: FreshDatabase, bus: Client, clock: FakeClock) -> AsyncIterator[Bar]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    async with open_bar(database, bus, clock) as bar:
        yield bar


@pytest.mark.requirement("LK-7")
async def test_without_visit_enforcement_a_cards_last_visit_pours_though_closed(bar: Bar) -> None:
    await bar.close_visit()
    last = await bar.open_visit()
    await bar.close_visit()
    enforced = await bar.put_card()
    await bar.configure("FF_VISIT_ENFORCEMENT", value=False)
    allowed = await bar.put_card()

    assert (enforced.reason, allowed.decision) == ("no_active_visit", "allow")
    assert allowed.visit_id == last.id
    assert bar.ledger.orders[-1].visit_closed
    assert (await bar.audited("access_allowed"))[-1]["after"]["visit_closed"] is True
    await bar.configure("FF_VISIT_ENFORCEMENT", value=True)
    assert await bar.offenders() == []
    await bar.hear(bar.pour_told(allowed.grant_id))
    assert (await bar.put_card()).reason == "no_active_visit"


@pytest.mark.requirement("LK-7")
async def test_without_visit_enforcement_an_open_visit_goes_before_a_closed_one(bar: Bar) -> None:
    await bar.configure("FF_VISIT_ENFORCEMENT", value=False)
    allowed = await bar.put_card()
    unknown = await bar.put_card("2", card_uid="04a1b2c3d4e5f6")

    assert (allowed.visit_id, unknown.reason) == (bar.visit.id, "unknown_card")
    assert not bar.ledger.orders[-1].visit_closed


@pytest.mark.requirement("LK-7")
async def test_without_the_tap_lock_a_second_tap_opens_within_the_same_hold(bar: Bar) -> None:
    enforced = [await bar.put_card("1"), await bar.put_card("2")]
    await bar.configure("FF_ACTIVE_TAP_LOCK", value=False)
    second = await bar.put_card("2")

    assert [one.reason for one in enforced] == ["allowed", "card_in_use"]
    assert second.decision == "allow"
    assert [order.shares_hold for order in bar.ledger.orders] == [False, True]
    assert await bar.locked_taps() == ["1", "2"]
    await bar.configure("FF_ACTIVE_TAP_LOCK", value=True)
    assert await bar.offenders() == []
    with pytest.raises(Rejected, match="has a tap open"):
        await bar.close_visit()
    await bar.hear(bar.pour_told(enforced[0].grant_id))
    assert await bar.locked_taps() == ["2"]
    assert (await bar.put_card("1")).reason == "card_in_use"
    await bar.hear(bar.pour_told(second.grant_id))
    assert (await bar.put_card("1")).decision == "allow"


@pytest.mark.requirement("LK-7")
async def test_without_the_tap_lock_another_guests_tap_stays_theirs(bar: Bar) -> None:
    await bar.configure("FF_ACTIVE_TAP_LOCK", value=False)
    await seat_guest(bar.database, "04a1b2c3d4e5f6")
    await bar.put_card("1")

    assert (await bar.put_card("1", card_uid="04a1b2c3d4e5f6")).reason == "tap_in_use"
    assert (await bar.put_card("1")).decision == "allow"
    assert await bar.locked_taps() == ["1"]


@pytest.mark.requirement("LK-7")
async def test_without_the_tap_lock_taps_that_race_for_one_card_all_win(bar: Bar) -> None:
    await bar.configure("FF_ACTIVE_TAP_LOCK", value=False)
    for _ in range(ROUNDS):
        answers = await asyncio.gather(bar.put_card("1"), bar.put_card("2"))
        assert {one.decision for one in answers} == {"allow"}
        await bar.hear(*(bar.pour_told(one.grant_id) for one in answers))
        assert await bar.locked_taps() == []


@pytest.mark.requirement("LK-7")
async def test_all_locks_of_a_visit_open_by_force_at_once(bar: Bar) -> None:
    await bar.configure("FF_ACTIVE_TAP_LOCK", value=False)
    await bar.put_card("1")
    await bar.put_card("2")
    await bar.force_unlock("both controllers broken")

    assert await bar.locked_taps() == []
    assert len(await bar.audited("lock_released")) == 2


@pytest.mark.requirement("LK-7")
async def test_without_sync_enforcement_a_tap_with_pours_to_book_shows_and_pours(bar: Bar) -> None:
    await bar.say_status("1", online=True, pending_sync=2)
    enforced = await bar.put_card()
    await bar.configure("FF_SYNC_STATUS_ENFORCEMENT", value=False)
    allowed = await bar.put_card()

    [tap] = await bar.rows("SELECT state FROM tap WHERE id = '1'")
    assert (enforced.reason, allowed.decision, tap["state"]) == (
        "tap_not_active",
        "allow",
        "processing_sync",
    )
    await bar.stop_tap()
    assert (await bar.put_card()).reason == "tap_not_active"


async def look(bar: Bar) -> int:
    async with bar.database.transaction() as unit:
        return await tell_stale(unit)


@pytest.mark.requirement("LK-5")
async def test_a_lock_that_stands_too_long_is_told_once_and_stays_shut(bar: Bar) -> None:
    grant = await bar.put_card()
    bar.clock.advance(minutes=14)
    early = await look(bar)
    bar.clock.advance(minutes=2)
    looks = [await look(bar), await look(bar)]
    standing = await bar.locked_at()
    await bar.hear(bar.pour_told(grant.grant_id))

    assert (early, looks, standing) == (0, [1, 0], "1")
    told = await bar.told("evt.lock.stale")
    assert [(one["tap_id"], one["over"]) for one in told] == [("1", False), ("1", True)]
    assert told[0]["grant_id"] == grant.grant_id


@pytest.mark.requirement("LK-5")
async def test_how_long_a_lock_may_stand_is_configured(bar: Bar) -> None:
    await bar.configure("stale_lock_s", 60)
    grant = await bar.put_card()
    bar.clock.advance(seconds=62)

    assert await look(bar) == 1
    await bar.hear(bar.pour_told(grant.grant_id))
    second = await bar.put_card()
    await bar.hear(bar.pour_told(second.grant_id))
    assert [one["over"] for one in await bar.told("evt.lock.stale")] == [False, True]
