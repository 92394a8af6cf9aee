"""The ledger's rules, sentence by sentence of the contract's section on pours."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.ledger import domain
from pourline.ledger.domain import (
    Connection,
    Grant,
    GrantId,
    GrantState,
    GuestId,
    Knowledge,
    PriceStep,
    Report,
    Status,
    Visit,
    VisitId,
)

NOW = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
GUEST = GuestId(UUID(int=1))
VISIT = VisitId(UUID(int=2))
OTHER_VISIT = VisitId(UUID(int=3))
GRANT = GrantId(UUID(int=4))
BEER = UUID(int=5)
FIRST_KEG, SECOND_KEG = UUID(int=6), UUID(int=7)


def a_visit(visit_id: VisitId = VISIT, **changes: datetime) -> Visit:
    opened_at = changes.get("opened_at", NOW - timedelta(hours=1))
    return Visit(
        visit_id=visit_id,
        guest_id=GUEST,
        opened_at=opened_at,
        closed_at=changes.get("closed_at"),
    )


def a_grant(visit_id: VisitId = VISIT, *, price: int = 500) -> Grant:
    return Grant(
        grant_id=GRANT,
        request_id="request",
        visit_id=visit_id,
        guest_id=GUEST,
        tap_id="1",
        price_per_litre=price,
        state=GrantState.PENDING,
        beverage_id=BEER,
    )


def what_is_known(**changes: object) -> Knowledge:
    grant = a_grant()
    known = Knowledge(
        grants={str(GRANT): grant},
        requests={("1", "request"): grant},
        visits={str(VISIT): a_visit()},
        kegs={
            "1": [
                Connection(
                    keg_id=FIRST_KEG, beverage_id=BEER, connected_at=NOW - timedelta(hours=2)
                ),
                Connection(
                    keg_id=SECOND_KEG, beverage_id=BEER, connected_at=NOW - timedelta(minutes=10)
                ),
            ]
        },
        prices={
            BEER: [
                PriceStep(from_at=NOW - timedelta(days=1), price_per_litre=600),
                PriceStep(from_at=NOW - timedelta(minutes=5), price_per_litre=800),
            ]
        },
    )
    for name, value in changes.items():
        setattr(known, name, value)
    return known


def a_report(**changes: object) -> Report:
    fields: dict[str, object] = {
        "client_tx_id": "tx",
        "short_id": "000001",
        "tap_id": "1",
        "location": "main",
        "volume_ml": Decimal(300),
        "received_at": NOW,
        "grant_id": str(GRANT),
    }
    return Report(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("volume_ml", "price", "amount"),
    [("300", 500, 150), ("333.333", 900, 300), ("0.5", 1000, 1), ("0.499", 1000, 0), ("1", 0, 0)],
)
def test_an_amount_is_volume_times_price_rounded_half_up(
    volume_ml: str, price: int, amount: int
) -> None:
    assert domain.amount_of(Decimal(volume_ml), price) == amount


@given(amount=st.integers(0, 10**9), price=st.integers(1, 10**6))
def test_the_volume_that_an_amount_pays_never_costs_more(amount: int, price: int) -> None:
    volume = domain.volume_for(amount, price)

    assert volume is not None
    assert volume * price / 1000 <= amount


@pytest.mark.requirement("SY-7")
def test_age_wins_over_the_device_clock_and_duration_gives_the_start() -> None:
    report = a_report(
        age_ms=60_000, duration_ms=8_000, ended_at=NOW + timedelta(days=9), started_at=NOW
    )

    span = domain.span_of(report)

    assert span.ended_at == NOW - timedelta(seconds=60)
    assert span.started_at == NOW - timedelta(seconds=68)


def test_a_pour_without_any_time_ended_when_the_broker_took_it() -> None:
    assert domain.span_of(a_report()).ended_at == NOW


@pytest.mark.requirement("KG-3", "LE-1")
def test_a_late_pour_meets_the_keg_and_the_price_of_its_start() -> None:
    known = what_is_known(grants={}, requests={})
    late = a_report(grant_id=None, visit_id=str(VISIT), age_ms=15 * 60_000)

    settled = domain.settle(late, known)

    assert settled.keg_id == FIRST_KEG
    assert settled.price_per_litre == 600
    assert settled.amount == 180


def test_a_pour_under_a_grant_costs_the_grants_quote() -> None:
    settled = domain.settle(a_report(), what_is_known())

    assert (settled.price_per_litre, settled.amount) == (500, 150)
    assert settled.settles == a_grant()


def test_a_pour_before_the_first_keg_meets_the_taps_first_keg() -> None:
    assert domain.settle(a_report(age_ms=3 * 3_600_000), what_is_known()).keg_id == FIRST_KEG


def test_a_visit_id_goes_before_the_grants_visit() -> None:
    known = what_is_known(visits={str(VISIT): a_visit(), str(OTHER_VISIT): a_visit(OTHER_VISIT)})

    settled = domain.settle(a_report(visit_id=str(OTHER_VISIT)), known)

    assert settled.visit == a_visit(OTHER_VISIT)


def test_a_pour_that_names_nobody_is_of_the_visit_that_locks_its_tap() -> None:
    known = what_is_known(tap_grants={"1": a_grant()})

    settled = domain.settle(a_report(grant_id=None), known)

    assert settled.visit == a_visit()
    assert settled.settles == a_grant()


def test_a_pour_that_names_another_grant_leaves_the_lock_of_its_tap_alone() -> None:
    known = what_is_known(tap_grants={"1": a_grant()})

    settled = domain.settle(a_report(grant_id=str(UUID(int=88)), visit_id=str(VISIT)), known)

    assert settled.settles is None
    assert (settled.visit, settled.status) == (a_visit(), Status.ACCEPTED)
    assert settled.price_per_litre == 800


def test_a_pour_with_a_card_alone_is_of_the_cards_active_visit() -> None:
    known = what_is_known(card_visits={"04a1b2c3": a_visit()})

    assert domain.settle(a_report(grant_id=None, card_uid="04a1b2c3"), known).visit == a_visit()


def test_flow_that_nobody_asked_for_costs_nobody_and_the_keg_loses_it() -> None:
    settled = domain.settle(a_report(grant_id=None), what_is_known())

    assert settled.ghost
    assert settled.status is Status.ACCEPTED
    assert (settled.amount, settled.takes_keg) == (0, True)


def test_an_old_grant_does_not_open_a_newer_lock() -> None:
    newer = Grant(
        grant_id=GrantId(UUID(int=99)),
        request_id="newer",
        visit_id=OTHER_VISIT,
        guest_id=GUEST,
        tap_id="1",
        price_per_litre=500,
        state=GrantState.PENDING,
    )

    settled = domain.settle(a_report(), what_is_known(tap_grants={"1": newer}))

    assert settled.settles == a_grant()


@pytest.mark.parametrize(
    ("changes", "reason", "takes_keg"),
    [
        ({"volume_ml": Decimal(-1)}, "negative_volume", False),
        ({"volume_ml": Decimal(100_001)}, "volume_impossible", False),
        ({"volume_ml": Decimal(2501), "duration_ms": 10_000}, "rate_impossible", False),
        ({"duration_ms": -1}, "ends_before_start", True),
        ({"ended_at": NOW + timedelta(seconds=121)}, "time_in_future", True),
        ({"grant_id": None, "card_uid": "04a1b2c3"}, "unknown_visit_or_card", True),
        ({"visit_id": str(UUID(int=77))}, "unknown_visit_or_card", True),
    ],
)
def test_what_a_person_must_decide_is_held(
    changes: dict[str, object], reason: str, *, takes_keg: bool
) -> None:
    settled = domain.settle(a_report(**changes), what_is_known())

    assert (settled.status, settled.reason, settled.amount) == (Status.HELD, reason, 0)
    assert settled.takes_keg is takes_keg


def test_a_time_in_the_past_alone_never_holds_a_pour() -> None:
    settled = domain.settle(a_report(age_ms=14 * 86_400_000), what_is_known())

    assert settled.status is Status.ACCEPTED


def test_a_pour_that_began_after_its_visit_closed_is_held() -> None:
    closed = a_visit(closed_at=NOW - timedelta(minutes=5))
    known = what_is_known(visits={str(VISIT): closed})

    assert domain.settle(a_report(), known).reason == "began_after_close"
    assert domain.settle(a_report(age_ms=600_000), known).status is Status.ACCEPTED


def test_a_start_before_the_visit_opened_counts_as_its_opening() -> None:
    settled = domain.settle(a_report(age_ms=7_200_000), what_is_known())

    assert settled.span.started_at == a_visit().opened_at


def test_nothing_poured_is_accepted_and_costs_nothing() -> None:
    settled = domain.settle(a_report(volume_ml=Decimal(0)), what_is_known())

    assert (settled.status, settled.amount, settled.ghost) == (Status.ACCEPTED, 0, False)
    assert settled.settles == a_grant()
