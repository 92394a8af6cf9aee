"""Deciding pours that wait for a person."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pourline.contracts.books import DecidePour, Decision, PourDecided
from pourline.contracts.device import PourStatus
from pourline.contracts.money import GuestRefunded, GuestToppedUp, Pour, PourAccepted
from pourline.contracts.shifts import (
    BLOCKERS_NAMED,
    Blocker,
    BlockerCode,
    GetHeldPours,
    HeldPours,
)
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.errors import NotFound
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.ledger import domain
from pourline.ledger.domain import GrantState
from pourline.ledger.errors import NotHeld, VisitNeeded
from pourline.ledger.handlers.by_hand import (
    ADJUSTMENTS,
    WASTE,
    billable,
    charge,
    event_of,
    moved,
    pour_booking,
    visit_known,
)
from pourline.ledger.handlers.money import known_id, pour_of
from pourline.ledger.store import accounts, entries, holds, pours


async def get_held_pours(query: GetHeldPours, unit: UnitOfWork, context: Context) -> HeldPours:
    """Return the pours that wait for a decision, and the newest events of money and pours."""
    del query, context
    held = await entries.held(unit, named=BLOCKERS_NAMED)
    blocker = Blocker(code=BlockerCode.HELD_POURS, **held)
    told = [event.subject() for event in (PourAccepted, GuestToppedUp, GuestRefunded)]
    return HeldPours(
        blockers=[blocker] if blocker.count else [],
        newest=[str(one) for one in await entries.newest_events(unit, told)],
    )


async def decide_pour(order: DecidePour, unit: UnitOfWork, context: Context) -> Pour:
    """Decide a held pour: billed, written off as waste, or rejected; the hold ends with it.

    Raises `NotHeld`, `VisitNeeded`, `NoPrice`, `NotBillable`, `NotFound`.
    """
    row = await entries.find_pour(unit, order.client_tx_id, for_update=True)
    if row is None:
        raise NotFound("There is no such pour.")
    if row["status"] != PourStatus.HELD:
        raise NotHeld(f"The pour is {row['status']} already.")
    received: datetime = row["received_at"]
    decided: dict[str, Any] = {
        "decision": order.decision.value,
        "decided_by": context.actor,
        "decided_at": unit.clock.now(),
        "decision_reason": order.reason,
        "started_at": min(row["started_at"], received),
        "ended_at": min(row["ended_at"], received),
    }
    match order.decision:
        case Decision.BILL:
            decided |= await _bill(unit, order, row, context.actor)
        case Decision.WASTE:
            decided |= await _write_off(unit, row, context.actor, order.reason)
        case Decision.REJECT:
            decided |= await _reject(unit, row)
    after = await entries.save_decision(unit, order.client_tx_id, decided)
    await _end_hold(unit, row, order.decision)
    _announce_decision(unit, after, order)
    return pour_of(after)


async def _bill(unit: UnitOfWork, order: DecidePour, row: Row, actor: str) -> dict[str, Any]:
    visit_id = known_id(order.visit_id) if order.visit_id else row["visit_id"]
    if visit_id is None:
        raise VisitNeeded
    visit = await visit_known(unit, visit_id)
    keg, price = await _keg_and_price(unit, row)
    amount = billable(row["volume_ml"], price)
    balance = await charge(
        unit,
        pour_booking(row["client_tx_id"], actor=actor, note=order.reason),
        guest_id=visit.guest_id,
        beverage_id=keg["beverage_id"],
        amount=amount,
    )
    return keg | {
        "status": PourStatus.ACCEPTED,
        "visit_id": visit.visit_id,
        "guest_id": visit.guest_id,
        "amount": amount,
        "balance_after": balance,
        "price_per_litre": price,
        "takes_keg": True,
    }


async def _write_off(unit: UnitOfWork, row: Row, actor: str, reason: str) -> dict[str, Any]:
    """Book what the beer was worth from waste to adjustments: no sale, and nobody's debt."""
    keg, price = await _keg_and_price(unit, row)
    worth = domain.amount_of(max(row["volume_ml"], Decimal(0)), price or 0)
    if worth and row["takes_keg"]:
        booking = accounts.Booking(
            id=new_id(), kind="waste", reference=row["client_tx_id"], actor=actor, note=reason
        )
        balances = await accounts.lock_balances(unit, [WASTE, ADJUSTMENTS])
        await accounts.book(unit, [booking], moved(booking.id, WASTE, ADJUSTMENTS, worth), balances)
    return keg | {"status": PourStatus.ACCEPTED, "price_per_litre": price}


async def _reject(unit: UnitOfWork, row: Row) -> dict[str, Any]:
    """Take a pour out of everything; one that staff had entered with a wrong id joins its entry."""
    rejected: dict[str, Any] = {"status": PourStatus.REJECTED, "takes_keg": False}
    if row["reason"] != domain.ENTRY_UNMATCHED:
        return rejected
    await accounts.lock_balances(unit, [accounts.guest_account(row["guest_id"])])
    found = [
        one
        for one in await entries.unmatched(unit, [row["visit_id"]])
        if one.tap_id == row["tap_id"] and row["started_at"] < one.entered_at
    ]
    if not found:
        return rejected
    nearest = min(found, key=lambda one: abs(one.volume_ml - row["volume_ml"]))
    await entries.join(unit, entry_id=nearest.client_tx_id, tap_tx_id=row["client_tx_id"])
    return rejected | {"takes_keg": True, "entry_id": nearest.client_tx_id}


async def _end_hold(unit: UnitOfWork, row: Row, decision: Decision) -> None:
    if row["grant_id"]:
        state = GrantState.CAPTURED if decision is Decision.BILL else GrantState.VOIDED
        await holds.end_held(unit, grant_id=row["grant_id"], state=state)


async def _keg_and_price(unit: UnitOfWork, row: Row) -> tuple[dict[str, Any], int | None]:
    """Return the keg that a pour came from and its price, worked out again where they lack."""
    keg = {"keg_id": row["keg_id"], "beverage_id": row["beverage_id"]}
    if row["beverage_id"] and row["price_per_litre"] is not None:
        return keg, row["price_per_litre"]
    known = await pours.gather_kegs(unit, [row["tap_id"]])
    found = domain.keg_at(known.kegs.get(row["tap_id"], []), row["started_at"])
    if found:
        keg = {"keg_id": found.keg_id, "beverage_id": found.beverage_id}
    elif keg["beverage_id"] is None:
        keg["beverage_id"] = domain.beverage_of(known, row["tap_id"], None)
    if row["price_per_litre"] is not None:
        return keg, row["price_per_litre"]
    return keg, domain.price_at(known, keg["beverage_id"], row["started_at"])


def _announce_decision(unit: UnitOfWork, after: Row, order: DecidePour) -> None:
    aggregate = f"pour:{order.client_tx_id}"
    if order.decision is Decision.BILL:
        unit.announce(event_of(unit, after, PourAccepted), aggregate=aggregate, version=3)
    told = event_of(unit, after, PourDecided).model_copy(
        update={
            "decision": order.decision,
            "actor": after["decided_by"],
            "why": order.reason,
            "at": after["decided_at"],
        }
    )
    unit.announce(told, aggregate=aggregate, version=4)
