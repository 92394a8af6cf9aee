"""Corrections, the last refund, and the receipt that a guest takes home."""

from decimal import Decimal

import pytest
from pourline.contracts.books import CorrectAccount, GetReceipt, PaidOut, PayOut, Receipt
from pourline.contracts.money import Booked
from pourline.kit.errors import NotFound
from pourline.kit.ids import new_id
from pourline.ledger.errors import InsufficientBalance, MoreThanCharged
from pourline.ledger.handlers import closing
from pourline.ledger.store import copies
from pourline.testkit.books import STAFF, Books

pytestmark = pytest.mark.requirement("LE-1", "LE-6")


async def correct(bar: Books, amount: int, client_tx_id: str | None = None) -> Booked:
    order = CorrectAccount(
        guest_id=str(bar.guest), amount=amount, client_tx_id=client_tx_id, reason="flat beer"
    )
    async with bar.database.transaction() as unit:
        return await closing.correct_account(order, unit, STAFF)


async def pay_out(bar: Books) -> PaidOut:
    async with bar.database.transaction() as unit:
        return await closing.pay_out(PayOut(guest_id=str(bar.guest)), unit, STAFF)


async def receipt(bar: Books) -> Receipt:
    async with bar.database.transaction() as unit:
        return await closing.get_receipt(GetReceipt(visit_id=str(bar.visit)), unit, STAFF)


async def poured(bar: Books) -> None:
    await bar.top_up(1000)
    grant = await bar.hold()
    await bar.pour(bar.report("tx", grant_id=grant))


async def test_a_correction_is_an_entry_of_its_own_with_reason_and_actor(bar: Books) -> None:
    await poured(bar)

    booked = await correct(bar, 150, "tx")

    assert booked.balance == 1000
    async with bar.database.transaction() as unit:
        row = await unit.one("SELECT actor, note FROM booking WHERE kind = 'correction'")
        pour = await unit.one("SELECT amount FROM pour WHERE client_tx_id = 'tx'")
    assert (row["actor"], row["note"], pour["amount"]) == ("anna", "flat beer", 150)


async def test_a_pour_gives_back_no_more_than_it_cost(bar: Books) -> None:
    await poured(bar)
    await correct(bar, 100, "tx")

    with pytest.raises(MoreThanCharged):
        await correct(bar, 51, "tx")
    with pytest.raises(MoreThanCharged):
        await correct(bar, -101, "tx")

    assert (await correct(bar, 50, "tx")).balance == 1000


async def test_a_correction_of_somebody_elses_pour_is_refused(bar: Books) -> None:
    with pytest.raises(NotFound):
        await correct(bar, 10, "tx")


async def test_a_correction_takes_no_more_than_is_free(bar: Books) -> None:
    await bar.top_up(1000)
    await bar.hold()

    with pytest.raises(InsufficientBalance):
        await correct(bar, -1)

    assert (await correct(bar, 5)).balance == 1005


async def test_the_last_refund_is_all_that_is_free_and_nothing_the_second_time(bar: Books) -> None:
    await poured(bar)

    first = await pay_out(bar)
    second = await pay_out(bar)

    assert (first.amount, first.balance) == (850, 0)
    assert (second.amount, second.transaction_id) == (0, None)


async def test_a_guest_who_owes_is_paid_nothing(bar: Books) -> None:
    await bar.pour(bar.report("tx", visit_id=str(bar.visit)))

    assert (await pay_out(bar)).amount == 0


async def test_what_is_held_stays_with_the_house(bar: Books) -> None:
    await bar.top_up(1000)
    await bar.hold()

    assert (await pay_out(bar)).amount == 0


async def test_a_receipt_adds_up_from_the_first_balance_to_the_last(bar: Books) -> None:
    await poured(bar)
    await bar.pour(bar.report("late", visit_id=str(bar.visit), short_id="000002"))
    await bar.pour(bar.report("none", visit_id=str(bar.visit), volume_ml=Decimal(0)))
    await correct(bar, 20, "tx")
    await pay_out(bar)

    paper = await receipt(bar)

    assert [pour.amount for pour in paper.pours] == [150, 150]
    assert [(line.kind, line.amount) for line in paper.lines] == [
        ("topup", 1000),
        ("correction", 20),
        ("refund", -720),
    ]
    assert (paper.spent, paper.poured_ml) == (300, Decimal(600))
    assert (paper.balance_before, paper.balance_after) == (0, 0)


async def test_a_receipt_leaves_out_what_moved_in_the_guests_next_visit(bar: Books) -> None:
    await poured(bar)
    async with bar.database.transaction() as unit:
        now = (await unit.one("SELECT clock_timestamp() AS at"))["at"]
        await copies.save_visit(unit, visit_id=new_id(), guest_id=bar.guest, opened_at=now)
    await bar.top_up(500)

    paper = await receipt(bar)

    assert [line.amount for line in paper.lines] == [1000]
    assert paper.balance_after == 850
