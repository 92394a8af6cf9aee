"""Guests and visits: registering, searching, opening, closing, cards."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg.errors

from pourline.auth_lock.domain.search import search_columns
from pourline.auth_lock.errors import (
    CardInUse,
    GuestUnknown,
    LimitProfileUnknown,
    PourPending,
    ShiftClosing,
    VisitAlreadyActive,
    VisitClosed,
    VisitLocked,
    VisitUnknown,
)
from pourline.auth_lock.handlers import locks, lost_cards
from pourline.auth_lock.handlers.cards import oddities, uid_of
from pourline.auth_lock.store import audit, fences, guests, limits
from pourline.auth_lock.store.locks import standing_grants
from pourline.contracts import guests as contract
from pourline.contracts.guests import Guest, Visit
from pourline.kit.db import Database, Row, UnitOfWork
from pourline.kit.errors import NotFound, Rejected
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Caller, Context


async def create_guest(order: contract.CreateGuest, unit: UnitOfWork, context: Context) -> Guest:
    """Register a guest."""
    guest_id, now = new_id(), unit.clock.now()
    values = {
        "name": order.name,
        "phone": order.phone,
        "phone_digits": digits_of(order.phone or ""),
        **search_columns(order.name, order.phone),
        "email": order.email,
        "notes": order.notes,
        "age_verified_at": now if order.age_verified else None,
        "age_verified_by": context.actor if order.age_verified else None,
    }
    await guests.insert_guest(unit, guest_id=guest_id, values=values)
    await audit.record(
        unit,
        actor=context.actor,
        action="guest_registered",
        subject=f"guest:{guest_id}",
        after={"name": order.name, "age_verified": order.age_verified},
    )
    unit.announce(
        contract.GuestRegistered(guest_id=str(guest_id), name=order.name),
        aggregate=f"guest:{guest_id}",
    )
    return await _guest(unit, guest_id)


async def get_guest(query: contract.GetGuest, unit: UnitOfWork, context: Context) -> Guest:
    """Return one guest; raises `GuestUnknown`."""
    del context
    return await _guest(unit, _id(query.guest_id, GuestUnknown))


async def verify_age(order: contract.VerifyAge, unit: UnitOfWork, context: Context) -> Guest:
    """Record who saw the guest's age proven; raises `GuestUnknown`."""
    guest_id = _id(order.guest_id, GuestUnknown)
    now = unit.clock.now()
    if not await guests.verify_age(unit, guest_id, at=now, actor=context.actor):
        raise GuestUnknown
    await audit.record(
        unit, actor=context.actor, action="age_verified", subject=f"guest:{guest_id}"
    )
    return await _guest(unit, guest_id)


async def open_visit(order: contract.OpenVisit, unit: UnitOfWork, context: Context) -> Visit:
    """Open a visit; a refusal is on record too.

    Raises what `_open` raises.
    """
    try:
        return await _open(order, unit, context)
    except NotFound:
        raise
    except Rejected as refused:
        await _record_refused_opening(unit, order, context, refused)
        raise


async def _open(order: contract.OpenVisit, unit: UnitOfWork, context: Context) -> Visit:
    """Open a visit; the database lets a guest and a card have one.

    Raises `GuestUnknown`, `UnreadableCard`, `LimitProfileUnknown`, `VisitAlreadyActive`,
    `CardInUse`, `ShiftClosing`.
    """
    guest = await _guest(unit, _id(order.guest_id, GuestUnknown))
    card_uid = uid_of(order.card_uid) if order.card_uid else None
    if order.limit_profile and not await limits.find_profile(unit, order.limit_profile):
        raise LimitProfileUnknown
    warnings = await oddities(unit, card_uid) if card_uid else []
    visit_id, now = new_id(), unit.clock.now()
    if not await fences.pass_by(unit, at=now):
        raise ShiftClosing
    values = {
        "id": visit_id,
        "guest_id": guest.id,
        "card_uid": card_uid,
        "limit_profile": order.limit_profile,
        "companions": order.companions,
        "opened_at": now,
        "opened_by": context.actor,
    }
    try:
        async with unit.connection.transaction():
            number = await guests.insert_visit(unit, values=values)
    except psycopg.errors.UniqueViolation as error:
        raise _one_too_many(error) from error
    await audit.record(
        unit,
        actor=context.actor,
        action="visit_opened",
        subject=f"visit:{visit_id}",
        after={"guest_id": guest.id, "number": number, "card_uid": card_uid}
        | ({"warnings": warnings} if warnings else {}),
    )
    unit.announce(
        contract.VisitOpened(
            visit_id=str(visit_id),
            number=number,
            guest_id=guest.id,
            guest_name=guest.name,
            card_uid=card_uid,
            opened_at=now,
        ),
        aggregate=f"visit:{visit_id}",
    )
    return await _visit(unit, visit_id)


async def _record_refused_opening(
    unit: UnitOfWork, order: contract.OpenVisit, context: Context, refused: Rejected
) -> None:
    """Put a refused opening on record; the record stands though nothing else of it does."""
    await audit.record(
        unit,
        actor=context.actor,
        action="visit_open_refused",
        subject=f"guest:{order.guest_id}",
        reason=refused.wire_code,
        after={"card_uid": order.card_uid},
    )
    refused.on_record = True


class SettleFirst:
    """Opens a visit's lock whose pour is settled, so that every answer shows it open."""

    def __init__(self, *, database: Database, caller: Caller) -> None:
        self._database = database
        self._caller = caller

    async def __call__(
        self, ask: contract.GetVisit | contract.CloseVisit, context: Context
    ) -> None:
        """Look at the visit that is asked about; one that is unknown is told later."""
        del context
        visit_id = parse_id(ask.visit_id)
        async with self._database.transaction() as unit:
            grants = await standing_grants(unit, visit_id) if visit_id else []
        for grant_id in grants:
            await locks.release_settled(self._database, self._caller, grant_id)


async def get_visit(query: contract.GetVisit, unit: UnitOfWork, context: Context) -> Visit:
    """Return one visit; raises `VisitUnknown`."""
    del context
    return await _visit(unit, _id(query.visit_id, VisitUnknown))


async def close_visit(order: contract.CloseVisit, unit: UnitOfWork, context: Context) -> Visit:
    """Close a visit; raises `VisitUnknown`, `VisitClosed`, `VisitLocked`, `PourPending`."""
    visit_id = _id(order.visit_id, VisitUnknown)
    return await close_one(unit, visit_id, order.reason, context.actor)


async def close_one(unit: UnitOfWork, visit_id: UUID, reason: str, actor: str) -> Visit:
    """Close a visit, on record; raises as `close_visit`."""
    row = await guests.find_visit(unit, visit_id, for_update=True)
    if row is None:
        raise VisitUnknown
    if row["status"] == "closed":
        raise VisitClosed
    if row["grant_id"] is not None:
        raise PourPending if row["lock_is_offline"] else VisitLocked
    now = unit.clock.now()
    await guests.close_visit(unit, visit_id=visit_id, at=now, actor=actor, reason=reason)
    await audit.record(
        unit, actor=actor, action="visit_closed", subject=f"visit:{visit_id}", reason=reason
    )
    unit.announce(
        contract.VisitClosed(
            visit_id=str(visit_id), guest_id=str(row["guest_id"]), reason=reason, closed_at=now
        ),
        aggregate=f"visit:{visit_id}",
        version=1_000_000,
    )
    return await _visit(unit, visit_id)


async def bind_card(order: contract.BindCard, unit: UnitOfWork, context: Context) -> Visit:
    """Give a visit a card; raises `VisitUnknown`, `VisitClosed`, `UnreadableCard`, `CardInUse`."""
    visit_id = _id(order.visit_id, VisitUnknown)
    row = await guests.find_visit(unit, visit_id, for_update=True)
    if row is None:
        raise VisitUnknown
    card_uid = uid_of(order.card_uid)
    if row["status"] == "closed":
        raise VisitClosed
    warnings = await oddities(unit, card_uid)
    if order.lost and row["card_uid"] and row["card_uid"] != card_uid:
        await lost_cards.mark_lost(unit, row["card_uid"], context)
    try:
        async with unit.connection.transaction():
            await guests.set_card(unit, visit_id=visit_id, card_uid=card_uid)
    except psycopg.errors.UniqueViolation as error:
        raise _one_too_many(error) from error
    now = unit.clock.now()
    await audit.record(
        unit,
        actor=context.actor,
        action="card_bound",
        subject=f"visit:{visit_id}",
        after={"card_uid": card_uid, "instead_of": row["card_uid"]}
        | ({"warnings": warnings} if warnings else {}),
    )
    unit.announce(
        contract.VisitCardBound(
            visit_id=str(visit_id),
            guest_id=str(row["guest_id"]),
            card_uid=card_uid,
            bound_at=now,
        ),
        aggregate=f"visit:{visit_id}",
        version=2,
    )
    return await _visit(unit, visit_id, warnings)


async def force_unlock(order: contract.ForceUnlock, unit: UnitOfWork, context: Context) -> Visit:
    """Open a visit's lock by hand, on record with its reason."""
    visit_id = _id(order.visit_id, VisitUnknown)
    await locks.force_unlock(unit, visit_id=visit_id, reason=order.reason, actor=context.actor)
    return await _visit(unit, visit_id)


async def guest_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the guest that a malformed message names, if it names one, is there."""
    named = raw.get("guest_id")
    if not isinstance(named, str):
        return True
    guest_id = parse_id(named)
    return guest_id is not None and await guests.find_guest(unit, guest_id) is not None


async def visit_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the visit that a malformed message is about is there."""
    visit_id = parse_id(str(raw.get("visit_id", "")))
    return visit_id is not None and await guests.find_visit(unit, visit_id) is not None


def digits_of(text: str) -> str:
    """Return the digits of a phone number without the trunk or international noughts."""
    return re.sub(r"\D", "", text).lstrip("0")


def _one_too_many(error: psycopg.errors.UniqueViolation) -> Rejected:
    if error.diag.constraint_name == "one_active_visit_a_card":
        return CardInUse()
    return VisitAlreadyActive()


def _id(text: str, unknown: type[NotFound]) -> UUID:
    found = parse_id(text)
    if found is None:
        raise unknown
    return found


async def _guest(unit: UnitOfWork, guest_id: UUID) -> Guest:
    row = await guests.find_guest(unit, guest_id)
    if row is None:
        raise GuestUnknown
    return guest_of(row)


async def _visit(unit: UnitOfWork, visit_id: UUID, warnings: Sequence[str] = ()) -> Visit:
    row = await guests.find_visit(unit, visit_id)
    if row is None:
        raise VisitUnknown
    return visit_of(row).model_copy(update={"warnings": list(warnings)})


def guest_of(row: Row) -> Guest:
    """Return a guest's row as the contract shows it."""
    return Guest(
        id=str(row["id"]),
        name=row["name"],
        phone=row["phone"],
        email=row["email"],
        notes=row["notes"],
        age_verified=row["age_verified_at"] is not None,
        age_verified_at=row["age_verified_at"],
        age_verified_by=row["age_verified_by"],
        active_visit_id=_text(row["active_visit_id"]),
        created_at=row["created_at"],
    )


def visit_of(row: Row) -> Visit:
    """Return a visit's row as the contract shows it."""
    return Visit(
        id=str(row["visit_id"]),
        number=row["number"],
        status=row["status"],
        guest=guest_of(row),
        card_uid=row["card_uid"],
        active_tap_id=row["tap_id"],
        lock_set_at=row["lock_set_at"],
        grant_id=_text(row["grant_id"]),
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        close_reason=row["close_reason"],
        limit_profile=row["limit_profile"],
        companions=row["companions"],
        reactivations=row["reactivations"],
        reactivated_at=row["reactivated_at"],
        reactivated_by=row["reactivated_by"],
        cut_off_at=row["cut_off_at"],
        cut_off_by=row["cut_off_by"],
        cut_off_reason=row["cut_off_reason"],
    )


def _text(value: object) -> str | None:
    return str(value) if value is not None else None
