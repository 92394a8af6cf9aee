from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from pourline.auth_lock.domain import (
    CONFIG,
    FLAGS,
    AskedCard,
    AskedTap,
    AskingVisit,
    ConfigRule,
    Denied,
    Deny,
    Eligible,
    GrantId,
    GuestId,
    House,
    LockHeld,
    TapFacts,
    TapState,
    VisitId,
    decide,
    fits,
    is_stale,
    tap_state,
)
from pourline.contracts.device import DenyReason

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
VISIT = VisitId(UUID(int=1))
OTHER_VISIT = VisitId(UUID(int=2))
GRANT = GrantId(UUID(int=3))
KEG = UUID(int=4)
SEEN = AskedCard(was_seen=True)


def lock(*, tap_id: str = "1", visit_id: VisitId = VISIT) -> LockHeld:
    return LockHeld(visit_id=visit_id, tap_id=tap_id, tap_name=f"Tap {tap_id}", grant_id=GRANT)


def a_tap(**changes: object) -> AskedTap:
    fields: dict[str, object] = {
        "tap_id": "1",
        "name": "Tap 1",
        "location": "main",
        "state": TapState.ACTIVE,
        "beverage_id": UUID(int=5),
        "keg_id": KEG,
        "remaining_ml": Decimal(20_000),
        "price_per_litre": 900,
        "lock": None,
    }
    return AskedTap(**(fields | changes))  # type: ignore[arg-type]


def a_visit(*, age_verified: bool = True, held: LockHeld | None = None) -> AskingVisit:
    return AskingVisit(
        visit_id=VISIT,
        guest_id=GuestId(UUID(int=6)),
        guest_name="Ada",
        age_verified=age_verified,
        lock=held,
    )


def denied(
    tap: AskedTap, visit: AskingVisit | None, *, card_was_seen: bool = True
) -> tuple[Deny, str]:
    card = AskedCard(was_seen=card_was_seen)
    verdict = decide(tap=tap, visit=visit, card=card, house=House())
    assert isinstance(verdict, Denied)
    return verdict.reason, verdict.message


def test_a_guest_with_an_open_visit_may_pour_at_an_active_tap() -> None:
    verdict = decide(tap=a_tap(), visit=a_visit(), card=SEEN, house=House())

    assert isinstance(verdict, Eligible)
    assert (verdict.price_per_litre, verdict.at_most_ml) == (900, Decimal(20_000))
    assert verdict.renews is None


def test_the_visit_that_holds_the_tap_renews_its_grant() -> None:
    verdict = decide(tap=a_tap(lock=lock()), visit=a_visit(held=lock()), card=SEEN, house=House())

    assert isinstance(verdict, Eligible)
    assert verdict.renews == GRANT


@pytest.mark.requirement("LK-3")
@pytest.mark.parametrize(
    ("tap", "visit", "card_was_seen", "reason"),
    [
        (a_tap(), None, False, Deny.UNKNOWN_CARD),
        (a_tap(), None, True, Deny.NO_ACTIVE_VISIT),
        (a_tap(), a_visit(age_verified=False), True, Deny.AGE_NOT_VERIFIED),
        (a_tap(), a_visit(held=lock(tap_id="2")), True, Deny.CARD_IN_USE),
        (a_tap(lock=lock(visit_id=OTHER_VISIT)), a_visit(), True, Deny.TAP_IN_USE),
        (a_tap(state=TapState.STOPPED), a_visit(), True, Deny.TAP_NOT_ACTIVE),
        (a_tap(price_per_litre=None), a_visit(), True, Deny.TAP_NOT_ACTIVE),
        (a_tap(remaining_ml=None), a_visit(), True, Deny.TAP_NOT_ACTIVE),
    ],
)
def test_every_refusal_has_its_reason(
    tap: AskedTap, visit: AskingVisit | None, reason: Deny, *, card_was_seen: bool
) -> None:
    assert denied(tap, visit, card_was_seen=card_was_seen)[0] is reason


@pytest.mark.requirement("LK-3", "LC-1")
def test_a_lost_card_is_refused_before_anything_else() -> None:
    lost = AskedCard(was_seen=False, lost=True)
    verdict = decide(tap=a_tap(state=TapState.STOPPED), visit=None, card=lost, house=House())

    assert isinstance(verdict, Denied)
    assert verdict.reason is Deny.LOST_CARD


def test_the_reasons_are_those_of_the_contract() -> None:
    assert {one.value for one in Deny} == {one.value for one in DenyReason}


@pytest.mark.parametrize(
    ("hours", "now", "serving"),
    [
        (None, "03:00", True),
        (("11:00", "23:00"), "10:59", False),
        (("11:00", "23:00"), "11:00", True),
        (("11:00", "23:00"), "23:00", False),
        (("18:00", "02:00"), "23:59", True),
        (("18:00", "02:00"), "01:59", True),
        (("18:00", "02:00"), "02:00", False),
        (("18:00", "02:00"), "12:00", False),
    ],
)
@pytest.mark.requirement("LK-8")
def test_serving_hours_may_pass_midnight(
    hours: tuple[str, str] | None, now: str, *, serving: bool
) -> None:
    serves = (time.fromisoformat(hours[0]), time.fromisoformat(hours[1])) if hours else None

    assert House(serves=serves, local_time=time.fromisoformat(now)).is_serving is serving


def test_a_card_in_use_names_the_tap_and_the_lock_in_the_way() -> None:
    verdict = decide(tap=a_tap(), visit=a_visit(held=lock(tap_id="2")), card=SEEN, house=House())

    assert isinstance(verdict, Denied)
    assert verdict.message == "Card already in use on Tap 2."
    assert verdict.conflict == lock(tap_id="2")


@pytest.mark.parametrize("state", [one for one in TapState if one is not TapState.ACTIVE])
def test_a_tap_that_is_not_active_says_which_state_it_is_in(state: TapState) -> None:
    reason, message = denied(a_tap(state=state), a_visit())

    assert reason is Deny.TAP_NOT_ACTIVE
    assert state.value in message


def facts(**changes: object) -> TapFacts:
    fields: dict[str, object] = {
        "order": None,
        "keg_id": KEG,
        "remaining_ml": Decimal(1),
        "offline": False,
        "pending_sync": 0,
        "sync_was_reset": False,
        "locked": False,
    }
    return TapFacts(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.requirement("SY-3", "KG-4")
@pytest.mark.parametrize(
    ("known", "state"),
    [
        (facts(), TapState.ACTIVE),
        (facts(locked=True), TapState.ACTIVE),
        (facts(offline=True), TapState.ACTIVE),
        (facts(offline=True, locked=True), TapState.PROCESSING_SYNC),
        (facts(pending_sync=1), TapState.PROCESSING_SYNC),
        (facts(pending_sync=1, sync_was_reset=True), TapState.ACTIVE),
        (facts(offline=True, locked=True, sync_was_reset=True), TapState.ACTIVE),
        (facts(keg_id=None), TapState.OUT_OF_KEG),
        (facts(remaining_ml=Decimal(0)), TapState.OUT_OF_KEG),
        (facts(remaining_ml=Decimal(0), pending_sync=3), TapState.OUT_OF_KEG),
        (facts(order=TapState.STOPPED), TapState.STOPPED),
        (facts(order=TapState.CLEANING, keg_id=None, pending_sync=1), TapState.CLEANING),
    ],
)
def test_a_taps_state_follows_from_its_facts(known: TapFacts, state: TapState) -> None:
    assert tap_state(known) is state


@pytest.mark.parametrize(
    ("waited_s", "age_ms", "stale"),
    [
        (0, None, False),
        (5, None, False),
        (5.001, None, True),
        (0, 5_000, False),
        (0, 5_001, True),
        (3, 2_500, True),
        (-60, None, False),
        (0, 2**53, True),
    ],
)
def test_a_request_is_stale_after_five_seconds_on_the_way(
    waited_s: float, age_ms: int | None, *, stale: bool
) -> None:
    now = NOON + timedelta(seconds=waited_s)

    assert is_stale(received_at=NOON, age_ms=age_ms, now=now) is stale


@pytest.mark.requirement("LK-7")
def test_the_seven_flags_are_on_unless_somebody_says_otherwise() -> None:
    assert [CONFIG[flag].default for flag in FLAGS] == [True] * 7


@pytest.mark.parametrize("key", sorted(CONFIG))
def test_every_default_fits_its_own_rule(key: str) -> None:
    assert fits(CONFIG[key], CONFIG[key].default)


@pytest.mark.parametrize(
    ("key", "value", "taken"),
    [
        ("FF_ACTIVE_TAP_LOCK", False, True),
        ("FF_ACTIVE_TAP_LOCK", 0, False),
        ("FF_ACTIVE_TAP_LOCK", "false", False),
        ("keg_low_ratio", 0, True),
        ("keg_low_ratio", 0.2, True),
        ("keg_low_ratio", 1.01, False),
        ("keg_low_ratio", -0.1, False),
        ("keg_low_ratio", True, False),
        ("keg_low_ratio", float("nan"), False),
        ("sync_timeout_s", 60, True),
        ("sync_timeout_s", 59, False),
        ("sync_timeout_s", 301, False),
        ("sync_timeout_s", 90.5, False),
        ("min_pour_ml", "50", False),
        ("min_pour_ml", None, False),
        ("currency", "EUR", True),
        ("currency", "", False),
        ("currency", "x" * 65, False),
        ("serving_hours", "", True),
        ("serving_hours", "18:00-02:00", True),
        ("serving_hours", "18:00", False),
        ("serving_hours", "24:00-02:00", False),
        ("stale_lock_s", 900, True),
        ("stale_lock_s", 1, False),
        ("notification_recipients", ["a@example.org"], True),
        ("notification_recipients", "a@example.org", False),
        ("notification_recipients", [1], False),
        ("notification_recipients", [], True),
        ("notification_recipients", ["a@example.org"] * 101, False),
        ("package_low_stock_ratio", 0.2, True),
        ("package_low_stock_ratio", 1.5, False),
        ("stockout_prediction_days", 0.5, False),
        ("bottleneck_min_packages", 0, False),
        ("notification_cooldown_hours", 0, True),
        ("escalation_minutes", -1, False),
    ],
)
def test_a_configuration_value_is_taken_only_where_it_fits(
    key: str, value: object, *, taken: bool
) -> None:
    assert fits(CONFIG[key], value) is taken


@pytest.mark.requirement("AL-6")
@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("anna@example.org", True),
        ("anna+bar@mail.example.org", True),
        ("root@localhost", True),
        ("o'neill@example.org", True),
        ('"a b"@example.org', False),
        ('"anna..b"@example.org', True),
        ("anna@[192.0.2.1]", True),
        ("", False),
        ("anna", False),
        ("anna@", False),
        ("@example.org", False),
        ("anna@@example.org", False),
        ("anna@example..org", False),
        ("anna@-example.org", False),
        (".anna@example.org", False),
        ("an..na@example.org", False),
        ("anna @example.org", False),
        ("anna@example.org\nBcc: all@example.org", False),
        ("Anna <anna@example.org>", False),
        ("anna@example.org, ben@example.org", False),
        ("anna@example.org(work)", False),
        ("a" * 65 + "@example.org", False),
        ("anna@" + "e" * 64 + ".org", False),
        ("anna@" + "e." * 130 + "org", False),
    ],
)
def test_only_an_address_of_rfc_5322_is_written_to(address: str, *, is_one: bool) -> None:
    assert fits(CONFIG["notification_recipients"], [address]) is is_one


def test_a_rule_without_bounds_takes_any_number() -> None:
    assert fits(ConfigRule(default=0, kind=int), -(10**9))
