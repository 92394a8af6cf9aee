"""Pours that staff enter by hand because their tap cannot send them."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pourline.contracts.books import FindPour, ReconcilePour
from pourline.contracts.device import PourStatus
from pourline.contracts.money import Pour, PourAccepted, PourSettled
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.errors import NotFound
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.ledger import domain
from pourline.ledger.domain import GrantState, Visit
from pourline.ledger.errors import Disabled, NoPrice, NotBillable
from pourline.ledger.handlers.money import known_id, pour_of
from pourline.ledger.store import accounts, copies, entries, holds, pours

FLAG = "FF_MANUAL_POUR_RECONCILE"
WASTE, ADJUSTMENTS = "waste", "adjustments"


async def reconcile_pour(order: ReconcilePour, unit: UnitOfWork, context: Context) -> Pour:
    """Book a pour that staff read from a tap's display, and open that tap's lock.

    The first word on a visit's pour at a tap under a short id stands: a repeat gets it again, and
    so does an entry for a pour that the tap has sent by itself. Raises `Disabled`, `NoPrice`,
    `NotBillable`, `NotFound`.
    """
    if await copies.find_config(unit, FLAG, default=True) is False:
        raise Disabled
    visit = await visit_known(unit, known_id(order.visit_id))
    await accounts.lock_balances(unit, [accounts.guest_account(visit.guest_id)])
    told = await entries.find_told(
        unit, visit_id=visit.visit_id, tap_id=order.tap_id, short_id=order.short_id
    )
    return pour_of(told or await _enter(unit, order, visit, context.actor))


async def _enter(unit: UnitOfWork, order: ReconcilePour, visit: Visit, actor: str) -> Row:
    grant = await entries.pending_grant(unit, visit_id=visit.visit_id, tap_id=order.tap_id)
    now = unit.clock.now()
    at: datetime = grant["placed_at"] if grant else min(visit.closed_at or now, now)
    known = await pours.gather_kegs(unit, [order.tap_id])
    keg = domain.keg_at(known.kegs.get(order.tap_id, []), at)
    beverage_id = domain.beverage_of(known, order.tap_id, keg)
    price = grant["price_per_litre"] if grant else domain.price_at(known, beverage_id, at)
    amount = billable(order.volume_ml, price)
    client_tx_id = f"manual-{new_id()}"
    balance = await charge(
        unit,
        pour_booking(client_tx_id, actor=actor, note=order.comment),
        guest_id=visit.guest_id,
        beverage_id=beverage_id,
        amount=amount,
    )
    row = await entries.insert_entry(
        unit,
        {
            "client_tx_id": client_tx_id,
            "digest": client_tx_id.encode(),
            "short_id": order.short_id,
            "tap_id": order.tap_id,
            "location": await copies.location_of(unit, order.tap_id),
            "visit_id": visit.visit_id,
            "guest_id": visit.guest_id,
            "grant_id": grant["grant_id"] if grant else None,
            "keg_id": keg.keg_id if keg else None,
            "beverage_id": beverage_id,
            "volume_ml": order.volume_ml,
            "amount": amount,
            "balance_after": balance,
            "price_per_litre": price,
            "status": PourStatus.ACCEPTED,
            "sync_status": "reconciled",
            "offline": True,
            "ghost": False,
            "takes_keg": True,
            "started_at": at,
            "ended_at": at,
            "received_at": now,
            "entered_by": actor,
            "comment": order.comment,
            "stated_amount": order.amount,
        },
    )
    if grant:
        await holds.settle_grants(unit, [(grant["grant_id"], GrantState.CAPTURED)])
    unit.announce(event_of(unit, row, PourAccepted), aggregate=f"pour:{client_tx_id}")
    return row


async def find_pour(query: FindPour, unit: UnitOfWork, context: Context) -> Pour:
    """Return a pour; raises `NotFound`."""
    del context
    row = await entries.find_pour(unit, query.client_tx_id)
    if row is None:
        raise NotFound("There is no such pour.")
    return pour_of(row)


async def visit_known(unit: UnitOfWork, visit_id: UUID) -> Visit:
    """Return a visit; raises `NotFound`."""
    row = await copies.find_visit(unit, visit_id)
    if row is None:
        raise NotFound("There is no such visit.")
    return Visit(**row)


def billable(volume_ml: Decimal, price: int | None) -> int:
    """Return what a volume costs; raises `NoPrice`, or `NotBillable` for what none can owe."""
    if price is None:
        raise NoPrice
    amount = domain.amount_of(volume_ml, price)
    if not 0 <= amount <= domain.AMOUNT_MAX:
        raise NotBillable
    return amount


async def charge(
    unit: UnitOfWork,
    booking: accounts.Booking,
    *,
    guest_id: UUID,
    beverage_id: UUID | None,
    amount: int,
) -> int:
    """Debit a guest for a pour and return the balance after it."""
    guest, sales = accounts.guest_account(guest_id), f"sales:{beverage_id or 'unknown'}"
    balances = await accounts.lock_balances(unit, [guest, sales])
    if amount:
        await accounts.book(unit, [booking], moved(booking.id, guest, sales, amount), balances)
    return balances[guest]


def pour_booking(client_tx_id: str, *, actor: str, note: str | None) -> accounts.Booking:
    """Return the head of the booking that a pour is charged by."""
    return accounts.Booking(
        id=new_id(), kind="pour", reference=client_tx_id, actor=actor, note=note
    )


def moved(booking_id: UUID, giver: str, taker: str, amount: int) -> list[accounts.Posting]:
    """Return the two postings that move money from one account to another."""
    return [
        accounts.Posting(booking_id=booking_id, account_id=giver, amount=-amount),
        accounts.Posting(booking_id=booking_id, account_id=taker, amount=amount),
    ]


def event_of(unit: UnitOfWork, row: Row, model: type[PourSettled]) -> PourSettled:
    """Return a stored pour as an event."""
    told: dict[str, Any] = {
        name: str(value) if isinstance(value := row[name], UUID) else value
        for name in PourSettled.model_fields
        if name in row
    }
    told |= {
        "settles_grant_id": str(row["grant_id"]) if row["grant_id"] else None,
        "replaces": row["entry_id"],
        "balance": row["balance_after"],
        "status": PourStatus(row["status"]),
        "accepted_at": unit.clock.now(),
    }
    return model.model_construct(**told)
