"""Held pours, decided by a person: billed, wasted or rejected, once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from pourline.contracts.books import DecidePour, Decision, ReconcilePour
from pourline.contracts.device import PourStatus
from pourline.contracts.money import Pour
from pourline.kit.errors import NotFound
from pourline.kit.ids import new_id
from pourline.ledger.errors import NotBillable, NotHeld, VisitNeeded
from pourline.ledger.handlers import by_hand, decisions
from pourline.testkit.books import STAFF, Books

pytestmark = pytest.mark.requirement("LE-1")


async def decide(
    bar: Books, decision: Decision, *, client_tx_id: str = "tx", visit_id: str | None = None
) -> Pour:
    order = DecidePour(
        client_tx_id=client_tx_id, decision=decision, visit_id=visit_id, reason="looked into it"
    )
    async with bar.database.transaction() as unit:
        return await decisions.decide_pour(order, unit, STAFF)


async def hold_a_pour(bar: Books, **changes: object) -> None:
    """Have the ledger hold a pour: its time is in the future, under a grant of the guest."""
    grant = await bar.hold()
    fields = {"grant_id": grant, "ended_at": bar.clock.now() + timedelta(hours=1)}
    [answer] = await bar.pour(bar.report("tx", **(fields | changes)))
    assert answer.status is PourStatus.HELD


async def test_a_held_pour_keeps_its_hold_until_it_is_billed(bar: Books) -> None:
    await bar.top_up(1000)
    await hold_a_pour(bar)
    assert await bar.balance_and_held() == (1000, 1000)

    pour = await decide(bar, Decision.BILL)

    assert (pour.status, pour.amount, pour.decision) == (PourStatus.ACCEPTED, 150, "bill")
    assert await bar.balance_and_held() == (850, 0)


async def test_a_hold_that_was_voided_stays_so_when_its_pour_is_held(bar: Books) -> None:
    await bar.top_up(1000)
    grant = await bar.hold()
    await bar.void(grant)
    ended_at = bar.clock.now() + timedelta(hours=1)

    [answer] = await bar.pour(bar.report("tx", grant_id=grant, ended_at=ended_at))

    assert answer.status is PourStatus.HELD
    assert await bar.balance_and_held() == (1000, 0)
    assert (await decide(bar, Decision.BILL)).amount == 150
    assert await bar.balance_and_held() == (850, 0)
    assert await bar.offenders() == []


async def test_wasted_and_rejected_pours_cost_the_guest_nothing_and_free_the_hold(
    bar: Books,
) -> None:
    await bar.top_up(1000)
    await hold_a_pour(bar)

    pour = await decide(bar, Decision.WASTE)

    assert (pour.status, pour.amount) == (PourStatus.ACCEPTED, 0)
    assert await bar.balance_and_held() == (1000, 0)


async def test_a_wasted_pour_is_in_the_books_at_its_price(bar: Books) -> None:
    await bar.top_up(1000)
    await hold_a_pour(bar)
    await decide(bar, Decision.WASTE)

    async with bar.database.transaction() as unit:
        rows = await unit.all("SELECT id, balance FROM account WHERE guest_id IS NULL ORDER BY id")

    balances = {row["id"]: row["balance"] for row in rows}
    assert (balances["adjustments"], balances["waste"]) == (150, -150)


async def test_a_device_that_repeats_a_decided_pour_hears_held_again(bar: Books) -> None:
    await bar.top_up(1000)
    await hold_a_pour(bar)
    report = bar.report("tx")
    await decide(bar, Decision.BILL)

    [answer] = await bar.pour(report)

    assert (answer.status, answer.amount) == (PourStatus.HELD, None)
    assert (await bar.balance_and_held())[0] == 850


@pytest.mark.parametrize("decision", list(Decision))
async def test_a_pour_is_decided_once(bar: Books, decision: Decision) -> None:
    await bar.top_up(1000)
    await hold_a_pour(bar)
    await decide(bar, decision)
    before = await bar.balance_and_held()

    for again in Decision:
        with pytest.raises(NotHeld):
            await decide(bar, again)

    assert await bar.balance_and_held() == before


async def test_a_pour_of_nobody_is_billed_to_the_visit_that_staff_name(bar: Books) -> None:
    await bar.top_up(1000)
    await bar.pour(bar.report("tx", card_uid="04ffffff"))

    with pytest.raises(VisitNeeded):
        await decide(bar, Decision.BILL)
    with pytest.raises(NotFound):
        await decide(bar, Decision.BILL, visit_id=str(new_id()))
    pour = await decide(bar, Decision.BILL, visit_id=str(bar.visit))

    assert (pour.visit_id, pour.amount) == (str(bar.visit), 150)
    assert (await bar.balance_and_held())[0] == 850


async def test_a_negative_volume_is_never_billed_and_can_be_rejected(bar: Books) -> None:
    await bar.pour(bar.report("tx", visit_id=str(bar.visit), volume_ml=Decimal(-5)))

    with pytest.raises(NotBillable):
        await decide(bar, Decision.BILL)

    assert (await decide(bar, Decision.REJECT)).status is PourStatus.REJECTED


async def test_a_pour_with_a_time_in_the_future_counts_as_of_its_receipt(bar: Books) -> None:
    await bar.top_up(1000)
    await hold_a_pour(bar)

    pour = await decide(bar, Decision.BILL)

    assert pour.ended_at == bar.clock.now()


@pytest.mark.requirement("SY-5")
async def test_rejecting_the_pour_of_a_mistyped_entry_joins_the_two(bar: Books) -> None:
    await bar.top_up(1000)
    async with bar.database.transaction() as unit:
        entry = await by_hand.reconcile_pour(
            ReconcilePour(
                visit_id=str(bar.visit), short_id="000132", tap_id="1", volume_ml=Decimal(310)
            ),
            unit,
            STAFF,
        )
    late = bar.report("tx", visit_id=str(bar.visit), short_id="000123", age_ms=60_000)
    await bar.pour(late)
    await decide(bar, Decision.REJECT)
    other = bar.report("tx-2", visit_id=str(bar.visit), short_id="000122", age_ms=60_000)

    [answer] = await bar.pour(other)

    assert answer.status is PourStatus.ACCEPTED  # nothing waits for its pour any more
    async with bar.database.transaction() as unit:
        row = await unit.one(
            "SELECT matched_by, takes_keg FROM pour WHERE client_tx_id = %s", (entry.client_tx_id,)
        )
    assert (row["matched_by"], row["takes_keg"]) == ("tx", False)


async def test_deciding_what_nobody_sent_is_refused(bar: Books) -> None:
    with pytest.raises(NotFound):
        await decide(bar, Decision.BILL, client_tx_id="nobody")
