"""Pours against the real database: billed once, answered the same, whatever comes twice."""

import asyncio
from decimal import Decimal

import psycopg.errors
import pytest
from pourline.contracts.device import PourStatus
from pourline.contracts.money import Hold, PlaceHold, Refund, VoidHold
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.ledger.handlers import money
from pourline.ledger.handlers.pours import Broken
from pourline.testkit.books import STAFF, Books


@pytest.mark.requirement("SY-1", "LE-1")
async def test_a_pour_is_charged_once_and_every_repeat_hears_the_same_amount(bar: Books) -> None:
    await bar.top_up(1000)
    grant = await bar.hold()
    report = bar.report("tx", grant_id=grant)

    first = await bar.pour(report)
    again = await bar.pour(report, report)

    assert (first[0].status, first[0].amount, first[0].balance) == (PourStatus.ACCEPTED, 150, 850)
    assert [(one.status, one.amount) for one in again] == [(PourStatus.DUPLICATE, 150)] * 2
    assert await bar.balance_and_held() == (850, 0)


async def test_a_batch_that_holds_a_pour_five_times_charges_it_once(bar: Books) -> None:
    await bar.top_up(1000)
    grant = await bar.hold()

    answers = await bar.pour(*[bar.report("tx", grant_id=grant)] * 5)

    assert [one.status for one in answers] == [PourStatus.ACCEPTED, *[PourStatus.DUPLICATE] * 4]
    assert await bar.balance_and_held() == (850, 0)


@pytest.mark.requirement("SY-6")
async def test_the_same_id_with_other_content_is_reported_and_moves_no_money(bar: Books) -> None:
    await bar.top_up(1000)
    report = bar.report("tx", visit_id=str(bar.visit))
    await bar.pour(report)

    other = bar.report("tx", visit_id=str(bar.visit), volume_ml=Decimal(900), digest=b"other")
    answers = [*await bar.pour(other), *await bar.pour(other)]

    assert [one.status for one in answers] == [PourStatus.MISMATCH] * 2
    assert (await bar.balance_and_held())[0] == 850
    async with bar.database.transaction() as unit:
        told = await unit.all("SELECT 1 FROM outbox WHERE subject = 'evt.pour.mismatched'")
    assert len(told) == 1


async def test_a_pour_beyond_the_balance_is_billed_in_full(bar: Books) -> None:
    await bar.top_up(100)

    answers = await bar.pour(bar.report("tx", visit_id=str(bar.visit)))

    assert (answers[0].status, answers[0].balance) == (PourStatus.ACCEPTED, -50)


async def test_a_held_pour_keeps_its_hold_and_says_so_again(bar: Books) -> None:
    await bar.top_up(1000)
    grant = await bar.hold()
    report = bar.report("tx", grant_id=grant, volume_ml=Decimal(-5))

    answers = [*await bar.pour(report), *await bar.pour(report)]

    assert [one.status for one in answers] == [PourStatus.HELD] * 2
    assert await bar.balance_and_held() == (1000, 1000)


async def test_nothing_poured_frees_the_money(bar: Books) -> None:
    await bar.top_up(1000)
    grant = await bar.hold()

    answers = await bar.pour(bar.report("tx", grant_id=grant, volume_ml=Decimal(0)))

    assert (answers[0].status, answers[0].amount) == (PourStatus.ACCEPTED, 0)
    assert await bar.balance_and_held() == (1000, 0)


async def test_a_broken_payload_is_kept_with_its_reason_and_its_neighbours_are_billed(
    bar: Books,
) -> None:
    await bar.top_up(1000)
    broken = Broken(
        subject="bar.main.tap.1.pour",
        tap_id="1",
        location="main",
        payload=b"garbage",
        client_tx_id=None,
        reason="not JSON",
        received_at=bar.clock.now(),
    )

    answers = await bar.pour(broken, bar.report("tx", visit_id=str(bar.visit)))

    assert [one.status for one in answers] == [PourStatus.REJECTED, PourStatus.ACCEPTED]
    async with bar.database.transaction() as unit:
        row = await unit.one("SELECT payload, reason FROM dead_letter")
    assert (bytes(row["payload"]), row["reason"]) == (b"garbage", "not JSON")


@pytest.mark.requirement("LK-2")
async def test_a_newer_grant_takes_the_hold_over(bar: Books) -> None:
    await bar.top_up(1000)
    await bar.hold(request_id="first")
    await bar.hold(request_id="second")

    assert await bar.balance_and_held() == (1000, 1000)


@pytest.mark.requirement("LK-2")
async def test_two_sendings_of_one_hold_at_once_get_one_hold(bar: Books) -> None:
    await bar.top_up(1000)
    order = bar.hold_order()

    async def place() -> Hold:
        async with bar.database.transaction() as unit:
            return await money.place_hold(order, unit, STAFF)

    first, *others = await asyncio.gather(*(place() for _ in range(6)))

    assert others == [first] * 5


@pytest.mark.requirement("LK-2")
async def test_a_void_that_comes_before_its_hold_refuses_the_hold(bar: Books) -> None:
    await bar.top_up(1000)
    order = PlaceHold(
        grant_id=str(new_id()),
        request_id="request",
        visit_id=str(bar.visit),
        guest_id=str(bar.guest),
        tap_id="1",
        location="main",
        price_per_litre=500,
        keg_limit_ml=Decimal(50_000),
        min_pour_ml=Decimal(50),
    )
    async with bar.database.transaction() as unit:
        void = VoidHold(grant_id=order.grant_id, visit_id=order.visit_id)
        await money.void_hold(void, unit, STAFF)

    with pytest.raises(Rejected) as refusal:
        async with bar.database.transaction() as unit:
            await money.place_hold(order, unit, STAFF)

    assert refusal.value.wire_code == "grant_voided"


async def test_a_refund_takes_neither_held_money_nor_the_balance_below_zero(bar: Books) -> None:
    await bar.top_up(1000)
    await bar.hold()

    with pytest.raises(Rejected) as refusal:
        async with bar.database.transaction() as unit:
            await money.refund(Refund(guest_id=str(bar.guest), amount=1), unit, STAFF)

    assert refusal.value.wire_code == "insufficient_balance"


@pytest.mark.requirement("LE-1")
async def test_entries_can_never_be_changed(bar: Books) -> None:
    await bar.top_up(1000)

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with bar.database.transaction() as unit:
            await unit.execute("UPDATE entry SET amount = 1")


@pytest.mark.requirement("LE-1")
@pytest.mark.parametrize(
    ("booking_id", "account_id"),
    [("019a9f5a-1234-7abc-8def-0123456789ab", None), (None, "guest:nobody")],
)
async def test_an_entry_without_its_booking_or_account_is_refused(
    bar: Books, booking_id: str | None, account_id: str | None
) -> None:
    await bar.top_up(1000)

    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        async with bar.database.transaction() as unit:
            await unit.execute(
                """
                INSERT INTO entry (booking_id, account_id, amount, balance_after)
                SELECT coalesce(%s::uuid, booking_id), coalesce(%s, account_id), 1, 1 FROM entry
                """,
                (booking_id, account_id),
            )
