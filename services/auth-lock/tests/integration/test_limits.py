"""How much a guest may still be served, against the real database: counted once, held back."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from nats.aio.client import Client
from pourline.auth_lock.handlers import limits, visits
from pourline.contracts.guests import (
    CreateGuest,
    CutOff,
    LiftCutOff,
    OpenVisit,
    Reactivate,
    VerifyAge,
    Visit,
)
from pourline.contracts.limits import GetLimitsLeft, LimitLeft
from pourline.contracts.money import PourHeld
from pourline.kit.db import Database
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.testkit.access import CARD, STAFF, Bar, open_bar
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

PER_VISIT = {"per": "visit", "volume_ml": 500}
pytestmark = pytest.mark.requirement("LK-8")


@pytest.fixture
async def bar(fresh_database: FreshDatabase, bus: Client, clock: FakeClock) -> AsyncIterator[Bar]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    async with open_bar(database, bus, clock) as bar:
        bar.ledger.affords_ml = Decimal(50_000)
        yield bar


async def drink(bar: Bar, volume_ml: int, tap_id: str = "1") -> None:
    """Pour and hear that it is in the books."""
    grant = await bar.put_card(tap_id)
    assert grant.decision == "allow", grant
    await bar.hear(bar.pour_told(grant.grant_id, volume_ml, tap_id=tap_id))


async def left(bar: Bar, tap_id: str = "1") -> object:
    """Return what a card may pour, or why it may not, and leave no lock."""
    answer = await bar.put_card(tap_id)
    if answer.max_volume_ml is None:
        return answer.reason
    await bar.hear(bar.pour_told(answer.grant_id, 0, tap_id=tap_id))
    return answer.max_volume_ml


async def test_without_a_profile_only_balance_and_keg_limit_a_pour(bar: Bar) -> None:
    assert await left(bar) == 50_000
    bar.ledger.affords_ml = Decimal(400)
    assert await left(bar) == 400


async def test_a_visit_may_have_its_volume_and_no_more_and_hears_which_limit(bar: Bar) -> None:
    await bar.limit(PER_VISIT)
    before = await left(bar)
    await drink(bar, 300)
    between = await left(bar)
    await drink(bar, 200)
    answer = await bar.put_card()

    assert (before, between) == (500, 200)
    assert (answer.decision, answer.reason) == ("deny", "limit_reached")
    assert answer.message == "Your limit is reached: 500 ml per visit."
    assert await bar.locked_at() is None
    [line] = await bar.audited("access_denied")
    assert line["reason"] == "limit_reached"


async def limits_left(bar: Bar) -> list[LimitLeft]:
    async with bar.database.transaction() as unit:
        query = GetLimitsLeft(visit_id=bar.visit.id)
        return (await limits.get_limits_left(query, unit, STAFF)).items


async def test_what_is_left_is_told_and_an_open_grant_is_held_back(bar: Bar) -> None:
    without = await limits_left(bar)
    await bar.limit(
        PER_VISIT, {"per": "serving", "volume_ml": 200}, {"per": "visit", "amount": 900}
    )
    await drink(bar, 120)
    poured = await limits_left(bar)
    await bar.put_card()
    granted = await limits_left(bar)

    assert without == []
    assert [(one.left_volume_ml, one.left_amount) for one in poured] == [
        (380, None),
        (200, None),
        (None, 792),
    ]
    assert granted[0].left_volume_ml == 380 - 200


async def test_the_least_of_all_limits_balance_and_keg_counts(bar: Bar) -> None:
    await bar.limit(PER_VISIT, {"per": "serving", "volume_ml": 355.5})
    assert await left(bar) == Decimal("355.5")
    bar.ledger.affords_ml = Decimal(100)
    assert await left(bar) == 100


async def test_money_limits_a_visit_by_what_it_buys(bar: Bar) -> None:
    await bar.limit({"per": "visit", "amount": 450})
    assert await left(bar) == 500
    await drink(bar, 400)
    assert await left(bar) == 100
    await drink(bar, 100)
    assert (await bar.put_card()).message == "Your limit is reached: your spending limit per visit."


async def test_alcohol_limits_a_visit_by_the_strength_of_what_is_poured(bar: Bar) -> None:
    await bar.limit({"per": "visit", "alcohol_g": 39.45}, assumed_abv=5)
    unknown = await left(bar)
    strong = await bar.new_beverage("1", kind="beer", abv=10)
    known = await left(bar)
    grant = await bar.put_card()
    await bar.hear(bar.pour_told(grant.grant_id, 250, beverage_id=str(strong)))
    rest = await left(bar, "2")
    await bar.new_beverage("2", kind="lemonade", abv=0)

    assert (unknown, known, rest) == (1000, 500, 500)
    assert await left(bar, "2") == 50_000


async def test_a_limit_for_one_kind_leaves_the_others_alone(bar: Bar) -> None:
    beer = await bar.new_beverage("1", kind="Beer", abv=5)
    await bar.new_beverage("2", kind="wine", abv=12)
    await bar.limit(
        {"per": "visit", "kind": "beer", "volume_ml": 700},
        {"per": "visit", "kind": "wine", "volume_ml": 0},
    )
    grant = await bar.put_card("1")
    await bar.hear(bar.pour_told(grant.grant_id, 600, beverage_id=str(beer)))

    assert await left(bar, "1") == 100
    assert (await bar.put_card("2")).message == "Your limit is reached: 0 ml of wine per visit."


async def test_a_beverage_of_unknown_kind_slips_through_no_limit(bar: Bar) -> None:
    await bar.limit({"per": "visit", "kind": "wine", "volume_ml": 300})
    await drink(bar, 100)

    assert await left(bar) == 200


async def test_a_window_moves_on_and_counts_over_the_guests_visits(bar: Bar) -> None:
    await bar.limit({"per": "window", "window_s": 3600, "volume_ml": 500})
    await drink(bar, 500)
    at_once = await bar.put_card()
    await bar.close_visit()
    await bar.open_visit(limit_profile="test")
    in_another_visit = await left(bar)
    bar.clock.advance(minutes=61)

    assert at_once.message == "Your limit is reached: 500 ml in 1 h."
    assert (in_another_visit, await left(bar)) == ("limit_reached", 500)


async def test_a_late_pour_counts_when_it_was_poured_not_when_it_came(bar: Bar) -> None:
    await bar.limit({"per": "window", "window_s": 3600, "volume_ml": 500})
    poured_at = bar.clock.now()
    bar.clock.advance(minutes=59)
    await bar.hear(bar.pour_told(None, 400, started_at=poured_at))
    still_counts = await left(bar)
    bar.clock.advance(minutes=2)

    assert (still_counts, await left(bar)) == (100, 500)


async def test_a_pour_that_is_told_twice_counts_once(bar: Bar) -> None:
    await bar.limit(PER_VISIT)
    pour = bar.pour_told(None, 200)
    await bar.hear(pour, pour)
    await bar.hear(pour)

    assert await left(bar) == 300


async def test_what_waits_for_a_person_or_ran_to_nowhere_counts_not(bar: Bar) -> None:
    await bar.limit(PER_VISIT)
    await bar.hear(bar.pour_told(None, 400, kind=PourHeld, status="held"))
    await bar.hear(bar.pour_told(None, 400, visit_id=None, guest_id=None, ghost=True))

    assert await left(bar) == 500


async def test_companions_share_a_visits_limits_and_not_a_servings(bar: Bar) -> None:
    await bar.limit(PER_VISIT, {"per": "serving", "volume_ml": 700}, companions=1)
    first = await left(bar)
    await drink(bar, 400)
    second = await left(bar)
    await bar.limit(PER_VISIT, companions=1, counts_companions=False)

    assert (first, second, await left(bar)) == (700, 600, 500)


async def test_a_pour_whose_event_is_on_its_way_counts_at_another_tap(bar: Bar) -> None:
    await bar.limit(PER_VISIT)
    grant = await bar.put_card("1")
    await bar.book_unheard(grant.grant_id, 400)

    assert await left(bar, "2") == 100


async def test_a_pour_whose_event_is_on_its_way_counts_at_its_own_tap(bar: Bar) -> None:
    await bar.limit(PER_VISIT)
    grant = await bar.put_card("1")
    await bar.book_unheard(grant.grant_id, 400)

    again = await bar.put_card("1", "again")

    assert again.max_volume_ml == 100
    await bar.hear(bar.pour_told(again.grant_id, 100))
    assert await left(bar) == "limit_reached"


async def test_a_pour_booked_while_its_grant_is_renewed_counts(bar: Bar) -> None:
    await bar.limit(PER_VISIT)
    first = await bar.put_card()

    async def book() -> None:
        await bar.hear(bar.pour_told(first.grant_id, 400))

    bar.ledger.meanwhile = book
    again = await bar.put_card()

    assert again.max_volume_ml == 100
    states = [bar.ledger.grants[order.grant_id] for order in bar.ledger.orders]
    assert states == ["pending", "voided", "pending"]
    assert await bar.locked_taps() == ["1"]


async def test_a_card_put_on_again_before_it_poured_may_have_all_of_its_limit(bar: Bar) -> None:
    await bar.limit(PER_VISIT)
    await bar.put_card()

    assert (await bar.put_card()).max_volume_ml == 500


async def test_open_grants_at_other_taps_are_held_back(bar: Bar) -> None:
    await bar.configure("FF_ACTIVE_TAP_LOCK", value=False)
    await bar.limit(PER_VISIT, {"per": "serving", "volume_ml": 300})

    answers = await asyncio.gather(bar.put_card("1"), bar.put_card("2"))
    assert sorted(one.max_volume_ml or 0 for one in answers) == [200, 300]


async def reactivate(bar: Bar, actor: str = "anna") -> Visit | str:
    answer = await bar.staff(Reactivate(visit_id=bar.visit.id, reason="ate"), actor=actor)
    assert isinstance(answer, Visit | str)
    return answer


async def test_a_reactivation_by_name_lets_the_visit_start_anew(bar: Bar) -> None:
    await bar.limit(PER_VISIT, {"per": "window", "window_s": 3600, "volume_ml": 800})
    await drink(bar, 500)
    denied = await left(bar)
    bar.clock.advance(seconds=1)
    visit = await reactivate(bar, "bert")

    assert isinstance(visit, Visit)
    assert (denied, await left(bar)) == ("limit_reached", 300)
    assert (visit.reactivations, visit.reactivated_by) == (1, "bert")
    assert visit.reactivated_at == bar.clock.now()
    [line] = await bar.audited("visit_reactivated")
    assert (line["actor"], line["reason"]) == ("bert", "ate")
    assert line["after"]["starts_anew"] == ["visit"]


async def test_a_reactivation_grants_what_the_profile_says(bar: Bar) -> None:
    nothing = await reactivate(bar)
    window = {"per": "window", "window_s": 3600, "volume_ml": 500}
    await bar.limit(window, reactivation={"starts_anew": ["window"], "at_most": 1})
    await drink(bar, 500)
    bar.clock.advance(seconds=1)
    await reactivate(bar)
    anew = await left(bar)
    too_often = await reactivate(bar)
    await bar.limit(PER_VISIT, reactivation={"starts_anew": []})

    assert (nothing, anew, too_often) == ("reactivation_refused", 500, "reactivation_refused")
    assert await reactivate(bar) == "reactivation_refused"


async def test_a_guest_who_is_cut_off_is_denied_until_it_is_lifted(bar: Bar) -> None:
    cut = await bar.staff(CutOff(visit_id=bar.visit.id, reason="had enough"), actor="bert")
    answer = await bar.put_card()
    lifted = await bar.staff(LiftCutOff(visit_id=bar.visit.id, reason="ate"))

    assert isinstance(cut, Visit)
    assert isinstance(lifted, Visit)
    assert (cut.cut_off_by, cut.cut_off_reason, cut.cut_off_at) == (
        "bert",
        "had enough",
        bar.clock.now(),
    )
    assert (answer.reason, answer.message) == (
        "cut_off",
        "We serve you no more for now. Please talk to staff.",
    )
    assert (lifted.cut_off_at, await left(bar)) == (None, 50_000)
    reasons = [row["reason"] for row in await bar.audited("guest_cut_off")]
    reasons += [row["reason"] for row in await bar.audited("guest_cut_off_lifted")]
    assert reasons == ["had enough", "ate"]
    assert await bar.staff(LiftCutOff(visit_id=bar.visit.id, reason="x")) == "not_cut_off"


async def test_a_cut_off_goes_with_the_guest_into_another_visit_of_the_evening(bar: Bar) -> None:
    await bar.staff(CutOff(visit_id=bar.visit.id, reason="had enough"))
    bar.clock.advance(hours=20)
    in_the_visit = await left(bar)
    await bar.staff(CutOff(visit_id=bar.visit.id, reason="again"))
    await bar.close_visit()
    await bar.open_visit()
    in_the_evening = await left(bar)
    bar.clock.advance(hours=13)

    assert (in_the_visit, in_the_evening) == ("cut_off", "cut_off")
    assert await left(bar) == 50_000


async def test_nobody_is_served_outside_the_serving_hours_of_the_bars_own_clock(bar: Bar) -> None:
    zone_is_utc = await left(bar)
    now = bar.clock.now()
    soon, later = ((now.hour + hours) % 24 for hours in (1, 2))
    await bar.configure("serving_hours", f"{soon:02d}:00-{later:02d}:00")
    answer = await bar.put_card()
    bar.clock.advance(minutes=60 - now.minute)

    assert zone_is_utc == 50_000
    assert (answer.reason, answer.message) == ("cut_off", f"We serve again from {soon:02d}:00.")
    assert await left(bar) == 50_000


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"title": "x"},
        {"title": "x", "limits": []},
        {"title": "x", "limits": [{"per": "visit"}]},
        {"title": "x", "limits": [{"per": "visit", "volume_mL": 5}]},
        {"title": "x", "limits": [{"per": "evening", "volume_ml": 5}]},
        {"title": "x", "limits": [{"per": "visit", "volume_ml": -5}]},
        {"title": "x", "limits": [{"per": "visit", "volume_ml": "5"}]},
        {"title": "x", "limits": [{"per": "visit", "amount": 0.5}]},
        {"title": "x", "limits": [{"per": "visit", "alcohol_g": 40}]},
        {"title": "x", "limits": [{"per": "window", "volume_ml": 5}]},
        {"title": "x", "limits": [{"per": "visit", "window_s": 60, "volume_ml": 5}]},
        {"title": "x", "limits": [PER_VISIT], "unknown": 1},
        {"title": "x", "limits": [PER_VISIT], "reactivation": {"at_most": -1}},
    ],
)
async def test_a_profile_that_does_not_fit_is_refused(bar: Bar, value: object) -> None:
    with pytest.raises(Rejected) as refused:
        await bar.configure("limit_profile.x", value)

    assert (refused.value.wire_code, refused.value.status) == ("bad_config_value", 422)


async def test_a_visit_names_a_profile_that_there_is(bar: Bar) -> None:
    await bar.close_visit()
    order = OpenVisit(guest_id=bar.visit.guest.id, card_uid=CARD, limit_profile=str(new_id()))

    assert await bar.staff(order) == "limit_profile_unknown"


async def test_a_profile_takes_effect_at_the_next_card(bar: Bar) -> None:
    await bar.limit(PER_VISIT)
    first = await left(bar)
    await bar.configure(
        "limit_profile.test", {"title": "Less", "limits": [PER_VISIT | {"volume_ml": 330}]}
    )

    assert (first, await left(bar)) == (500, 330)


async def test_an_age_check_says_who_saw_it_and_when_and_opens_the_taps(bar: Bar) -> None:
    async with bar.database.transaction() as unit:
        young = await visits.create_guest(CreateGuest(name="Eve"), unit, STAFF)
        order = OpenVisit(guest_id=young.id, card_uid="04a1b2c3d4e5f6")
        await visits.open_visit(order, unit, STAFF)
    before = await bar.put_card(card_uid="04a1b2c3d4e5f6")
    bar.clock.advance(minutes=1)
    async with bar.database.transaction() as unit:
        seen = await visits.verify_age(VerifyAge(guest_id=young.id), unit, STAFF)
    after = await bar.put_card(card_uid="04a1b2c3d4e5f6")

    assert (before.reason, after.decision) == ("age_not_verified", "allow")
    assert (young.age_verified_at, seen.age_verified_by) == (None, "anna")
    assert seen.age_verified_at == bar.clock.now()
    [line] = await bar.audited("age_verified")
    assert (line["actor"], line["subject"]) == ("anna", f"guest:{young.id}")
