"""Pours that staff enter by hand, and what their taps send late: never a second charge."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from pourline.contracts.books import ReconcilePour
from pourline.contracts.device import PourStatus
from pourline.contracts.money import Pour
from pourline.contracts.taps import ConfigChanged
from pourline.kit.errors import NotFound
from pourline.kit.ids import new_id
from pourline.ledger.errors import Disabled, NoPrice
from pourline.ledger.handlers import by_hand
from pourline.ledger.store import copies
from pourline.testkit.books import STAFF, Books

pytestmark = pytest.mark.requirement("SY-5")


def order(bar: Books, **changes: object) -> ReconcilePour:
    fields = {
        "visit_id": str(bar.visit),
        "short_id": "000123",
        "tap_id": "1",
        "volume_ml": Decimal(300),
    }
    return ReconcilePour.model_validate(fields | changes)


async def enter(bar: Books, **changes: object) -> Pour:
    async with bar.database.transaction() as unit:
        return await by_hand.reconcile_pour(order(bar, **changes), unit, STAFF)


async def told(bar: Books) -> list[tuple[str, str | None, bool]]:
    """Return the events about pours: type, the pour that it replaces, whether the keg loses it."""
    async with bar.database.transaction() as unit:
        rows = await unit.all(
            """
            SELECT payload::json->>'type' AS type, payload::json->'data'->>'replaces' AS replaces,
                   (payload::json->'data'->>'takes_keg')::boolean AS takes_keg
            FROM outbox WHERE subject LIKE 'evt.pour.%%' ORDER BY id
            """
        )
    return [(row["type"], row["replaces"], row["takes_keg"]) for row in rows]


@pytest.mark.requirement("SY-4", "SY-5")
async def test_a_pour_entered_by_hand_is_charged_at_the_grants_price_and_ends_its_hold(
    bar: Books,
) -> None:
    await bar.top_up(1000)
    await bar.hold()

    pour = await enter(bar, amount=999, comment="the link is down")

    assert (pour.amount, pour.sync_status, pour.short_id) == (150, "reconciled", "000123")
    assert await bar.balance_and_held() == (850, 0)


async def test_a_repeated_entry_is_the_first_one_whatever_volume_it_says(bar: Books) -> None:
    await bar.top_up(1000)

    first = await enter(bar)
    again = await enter(bar, volume_ml=Decimal(500))

    assert (again.client_tx_id, again.amount) == (first.client_tx_id, 150)
    assert await bar.balance_and_held() == (850, 0)


async def test_fifty_entries_of_one_pour_at_once_charge_it_once(bar: Books) -> None:
    await bar.top_up(1000)

    entered = await asyncio.gather(*(enter(bar) for _ in range(50)))

    assert len({pour.client_tx_id for pour in entered}) == 1
    assert await bar.balance_and_held() == (850, 0)


@pytest.mark.requirement("SY-6")
@pytest.mark.parametrize("volume_ml", ["300", "301", "299.000"])
async def test_a_late_sync_that_agrees_within_a_millilitre_is_reconciled_and_not_billed(
    bar: Books, volume_ml: str
) -> None:
    await bar.top_up(1000)
    grant = await bar.hold()
    entered = await enter(bar)
    late = bar.report(
        "tx", grant_id=grant, short_id="000123", volume_ml=Decimal(volume_ml), offline=True
    )

    first = await bar.pour(late)
    again = await bar.pour(late)

    assert (first[0].status, first[0].amount, first[0].balance) == (
        PourStatus.RECONCILED,
        150,
        850,
    )
    assert again == first
    assert await bar.balance_and_held() == (850, 0)
    assert (await told(bar))[-1] == ("pour.reconciled.v1", entered.client_tx_id, True)


@pytest.mark.requirement("SY-6", "SY-7")
async def test_a_late_sync_with_another_volume_is_a_mismatch_and_the_keg_follows_the_tap(
    bar: Books,
) -> None:
    await bar.top_up(1000)
    grant = await bar.hold()
    entered = await enter(bar)
    late = bar.report("tx", grant_id=grant, short_id="000123", volume_ml=Decimal(450))

    [answer] = await bar.pour(late)

    assert (answer.status, answer.amount) == (PourStatus.MISMATCH, 150)
    assert await bar.balance_and_held() == (850, 0)
    assert (await told(bar))[-1] == ("pour.mismatched.v1", entered.client_tx_id, True)


async def test_an_amount_that_staff_read_otherwise_is_a_mismatch_though_volumes_agree(
    bar: Books,
) -> None:
    await enter(bar, amount=400)

    [answer] = await bar.pour(bar.report("tx", visit_id=str(bar.visit), short_id="000123"))

    assert answer.status is PourStatus.MISMATCH


async def test_an_impossible_volume_after_an_entry_leaves_the_keg_as_entered(bar: Books) -> None:
    await enter(bar)

    late = bar.report("tx", visit_id=str(bar.visit), short_id="000123", volume_ml=Decimal(200_000))
    [answer] = await bar.pour(late)

    assert answer.status is PourStatus.MISMATCH
    assert (await told(bar))[-1] == ("pour.mismatched.v1", None, False)


async def test_an_entry_for_what_the_tap_has_sent_returns_the_taps_own_pour(bar: Books) -> None:
    await bar.top_up(1000)
    grant = await bar.hold()
    await bar.pour(bar.report("tx", grant_id=grant, short_id="000123"))

    found = await enter(bar, volume_ml=Decimal(500))

    assert (found.client_tx_id, found.amount) == ("tx", 150)
    assert await bar.balance_and_held() == (850, 0)


async def test_an_entry_and_its_pour_at_the_same_moment_charge_once(bar: Books) -> None:
    await bar.top_up(100_000)
    for number in range(20):
        short_id = f"{number:06d}"
        report = bar.report(f"tx-{number}", visit_id=str(bar.visit), short_id=short_id)
        await asyncio.gather(enter(bar, short_id=short_id), bar.pour(report))

    assert (await bar.balance_and_held())[0] == 100_000 - 20 * 150


async def test_the_same_short_id_at_another_tap_is_another_pour(bar: Books) -> None:
    await bar.top_up(1000)
    async with bar.database.transaction() as unit:
        await copies.connect_keg(
            unit,
            tap_id="2",
            keg_id=new_id(),
            beverage_id=bar.beverage,
            at=bar.clock.now() - timedelta(hours=1),
        )
    await enter(bar)

    [answer] = await bar.pour(
        bar.report("tx", visit_id=str(bar.visit), tap_id="2", short_id="000123")
    )

    assert answer.status is PourStatus.ACCEPTED
    assert (await bar.balance_and_held())[0] == 700


async def test_an_earlier_pour_with_another_short_id_waits_while_the_entry_is_unmatched(
    bar: Books,
) -> None:
    await bar.top_up(1000)
    await enter(bar, short_id="000132")
    mistyped = bar.report("tx", visit_id=str(bar.visit), short_id="000123", age_ms=60_000)

    [answer] = await bar.pour(mistyped)

    assert (answer.status, answer.reason) == (PourStatus.HELD, "manual_entry_unmatched")
    assert (await bar.balance_and_held())[0] == 850


@pytest.mark.parametrize("names_its_grant", [True, False])
async def test_a_pour_that_says_no_time_is_as_old_as_its_grant_or_as_the_link_was_away(
    bar: Books, *, names_its_grant: bool
) -> None:
    await bar.top_up(1000)
    grant = await bar.hold()
    bar.clock.advance(seconds=1)
    await enter(bar, short_id="000132")
    whose = {"grant_id": grant} if names_its_grant else {"visit_id": str(bar.visit)}

    [answer] = await bar.pour(bar.report("tx", **whose, short_id="000123", offline=True))

    assert (answer.status, answer.reason) == (PourStatus.HELD, "manual_entry_unmatched")
    assert (await bar.balance_and_held())[0] == 850


async def test_a_pour_under_a_grant_given_after_the_entry_is_billed_as_ever(bar: Books) -> None:
    await bar.top_up(1000)
    await enter(bar, short_id="000132")
    grant = await bar.hold()

    [answer] = await bar.pour(bar.report("tx", grant_id=grant, short_id="000124", offline=True))

    assert answer.status is PourStatus.ACCEPTED


async def test_a_pour_that_began_after_the_entry_is_billed_as_ever(bar: Books) -> None:
    await bar.top_up(1000)
    await enter(bar, short_id="000132")
    bar.clock.advance(seconds=60)

    [answer] = await bar.pour(bar.report("tx", visit_id=str(bar.visit), short_id="000124"))

    assert answer.status is PourStatus.ACCEPTED


async def test_an_earlier_pour_is_billed_once_the_entry_has_found_its_own(bar: Books) -> None:
    await bar.top_up(1000)
    await enter(bar)
    earlier = bar.report("tx-2", visit_id=str(bar.visit), short_id="000122", age_ms=60_000)
    own = bar.report("tx-1", visit_id=str(bar.visit), short_id="000123", age_ms=50_000)

    answers = await bar.pour(own, earlier)

    assert [one.status for one in answers] == [PourStatus.RECONCILED, PourStatus.ACCEPTED]


async def test_one_entry_matches_one_pour(bar: Books) -> None:
    await bar.top_up(1000)
    await enter(bar)
    one = bar.report("tx-1", visit_id=str(bar.visit), short_id="000123")

    answers = await bar.pour(one, replace(one, client_tx_id="tx-2", digest=b"other"))

    assert [one.status for one in answers] == [PourStatus.RECONCILED, PourStatus.ACCEPTED]


async def test_an_entry_is_taken_two_weeks_after_and_two_weeks_before_its_sync(bar: Books) -> None:
    await bar.top_up(1000)
    await enter(bar)
    bar.clock.advance(days=14)

    late = bar.report(
        "tx", visit_id=str(bar.visit), short_id="000123", age_ms=14 * 86_400_000, offline=True
    )
    [answer] = await bar.pour(late)

    assert answer.status is PourStatus.RECONCILED


@pytest.mark.requirement("LK-7")
async def test_with_its_flag_off_nothing_is_entered_by_hand(bar: Books) -> None:
    await switch(bar, on=False)

    with pytest.raises(Disabled):
        await enter(bar)

    await switch(bar, on=True, version=2)
    assert (await enter(bar)).amount == 150


async def switch(bar: Books, *, on: bool, version: int = 1) -> None:
    change = ConfigChanged(key=by_hand.FLAG, value=on)
    async with bar.database.transaction() as unit:
        await copies.save_config(unit, key=change.key, value=change.value, version=version)


async def test_an_entry_at_a_tap_without_a_price_is_refused(bar: Books) -> None:
    with pytest.raises(NoPrice):
        await enter(bar, tap_id="9")


async def test_an_entry_for_a_visit_that_nobody_knows_is_refused(bar: Books) -> None:
    with pytest.raises(NotFound):
        await enter(bar, visit_id=str(new_id()))
