"""Setting accounts right, paying guests out, and the receipt they take home."""

from decimal import Decimal

from pourline.contracts.books import (
    Books,
    CorrectAccount,
    GetBooks,
    GetReceipt,
    GuestCorrected,
    PaidOut,
    PayOut,
    Receipt,
    ReceiptLine,
    ReceiptPour,
)
from pourline.contracts.money import Booked, Refund
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.errors import NotFound
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.ledger.errors import InsufficientBalance, MoreThanCharged
from pourline.ledger.handlers.by_hand import ADJUSTMENTS
from pourline.ledger.handlers.money import known_id, refund
from pourline.ledger.store import accounts, copies, entries, holds, receipts

CURRENCY = "EUR"


async def correct_account(order: CorrectAccount, unit: UnitOfWork, context: Context) -> Booked:
    """Move money between a guest and the house by an entry of its own.

    Raises `InsufficientBalance` when more would be taken than is free, `MoreThanCharged` when a
    pour would give back more than it cost, `NotFound` for a pour of somebody else.
    """
    guest_id = known_id(order.guest_id)
    guest = accounts.guest_account(guest_id)
    balances = await accounts.lock_balances(unit, [guest, ADJUSTMENTS])
    if order.client_tx_id:
        await _check_pour(unit, order, order.client_tx_id)
    elif order.amount < 0:
        await _check_free(unit, order, balances[guest])
    booking = accounts.Booking(
        id=new_id(),
        kind="correction",
        reference=order.client_tx_id or "account",
        actor=context.actor,
        note=order.reason,
    )
    postings = [
        accounts.Posting(booking_id=booking.id, account_id=guest, amount=order.amount),
        accounts.Posting(booking_id=booking.id, account_id=ADJUSTMENTS, amount=-order.amount),
    ]
    after = await accounts.book(unit, [booking], postings, balances)
    unit.announce(
        GuestCorrected(
            transaction_id=str(booking.id),
            guest_id=str(guest_id),
            amount=order.amount,
            balance=after[0],
            client_tx_id=order.client_tx_id,
            actor=context.actor,
            reason=order.reason,
            at=unit.clock.now(),
        ),
        aggregate=f"guest:{guest_id}",
    )
    return Booked(transaction_id=str(booking.id), balance=after[0])


async def _check_free(unit: UnitOfWork, order: CorrectAccount, balance: int) -> None:
    if balance + order.amount < await holds.held_amount(unit, known_id(order.guest_id)):
        raise InsufficientBalance("The balance, less what is held, does not cover it.")


async def _check_pour(unit: UnitOfWork, order: CorrectAccount, client_tx_id: str) -> None:
    row = await entries.find_pour(unit, client_tx_id)
    if row is None or row["guest_id"] != known_id(order.guest_id):
        raise NotFound("The guest has no such pour.")
    given_back = await entries.corrected_amount(unit, client_tx_id) + order.amount
    if not 0 <= given_back <= row["amount"]:
        raise MoreThanCharged(f"The pour cost {row['amount']}, {given_back} would be given back.")


async def pay_out(order: PayOut, unit: UnitOfWork, context: Context) -> PaidOut:
    """Pay back all that is free; a guest who has nothing, or owes, gets nothing."""
    guest_id = known_id(order.guest_id)
    guest = accounts.guest_account(guest_id)
    balances = await accounts.lock_balances(unit, [guest, f"takings:{order.method}"])
    free = balances[guest] - await holds.held_amount(unit, guest_id)
    if free <= 0:
        return PaidOut(transaction_id=None, amount=0, balance=balances[guest])
    paying = Refund(
        guest_id=order.guest_id,
        amount=free,
        method=order.method,
        note=order.note or "closing refund",
    )
    booked = await refund(paying, unit, context)
    return PaidOut(transaction_id=booked.transaction_id, amount=free, balance=booked.balance)


async def get_books(query: GetBooks, unit: UnitOfWork, context: Context) -> Books:
    """Return whether money has moved yet."""
    del query, context
    return Books(has_entries=await accounts.has_entries(unit))


async def get_receipt(query: GetReceipt, unit: UnitOfWork, context: Context) -> Receipt:
    """Return what a visit poured and paid, and the balance before and after it."""
    del context
    visit = await copies.find_visit(unit, known_id(query.visit_id))
    if visit is None:
        raise NotFound("There is no such visit.")
    poured = [_pour(row) for row in await receipts.pours_of(unit, visit["visit_id"])]
    moved = [ReceiptLine(**row) for row in await receipts.lines_of(unit, visit)]
    before = await receipts.balance_before(unit, visit)
    spent = sum(pour.amount for pour in poured)
    return Receipt(
        visit_id=query.visit_id,
        guest_id=str(visit["guest_id"]),
        currency=str(await copies.find_config(unit, "currency", default=CURRENCY)),
        from_=visit["opened_at"],
        until=visit["closed_at"],
        balance_before=before,
        pours=poured,
        lines=moved,
        poured_ml=sum((pour.volume_ml for pour in poured), Decimal(0)),
        spent=spent,
        balance_after=before + sum(line.amount for line in moved) - spent,
    )


def _pour(row: Row) -> ReceiptPour:
    beverage = row["beverage_id"]
    return ReceiptPour(**(row | {"beverage_id": str(beverage) if beverage else None}))
