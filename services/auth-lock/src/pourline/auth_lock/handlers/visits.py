"""Guests and visits: registering, searching, opening, closing, cards."""

import re
from typing import Any
from uuid import UUID

import psycopg.errors

from pourline.auth_lock.errors import (
    CardInUse,
    GuestUnknown,
    PourPending,
    UnreadableCard,
    VisitAlreadyActive,
    VisitClosed,
    VisitLocked,
    VisitUnknown,
)
from pourline.auth_lock.handlers import locks
from pourline.auth_lock.store import audit, guests
from pourline.contracts import guests as contract
from pourline.contracts.base import Listing
from pourline.contracts.cards import UnreadableCardError, canonical_uid
from pourline.contracts.guests import Guest, Visit
from pourline.kit.db import Database, Row, UnitOfWork
from pourline.kit.errors import NotFound
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Caller, Context


async def create_guest(order: contract.CreateGuest, unit: UnitOfWork, context: Context) -> Guest:
    """Register a guest."""
    guest_id, now = new_id(), unit.clock.now()
    values = {
        "name": order.name,
        "phone": order.phone,
        "phone_digits": digits_of(order.phone or ""),
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


async def search_guests(
    query: contract.SearchGuests, unit: UnitOfWork, context: Context
) -> Listing[Guest]:
    """Find guests by name's part, phone, card UID or visit number."""
    del context
    q = query.q or ""
    rows = await guests.search_guests(
        unit,
        q=q,
        digits=digits_of(q),
        card_uid=_readable(q),
        after=parse_id(query.cursor) if query.cursor else None,
        limit=query.limit + 1,
    )
    page = [guest_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Guest](items=page, next=page[-1].id if more else None)


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
    """Open a visit; the database lets a guest and a card have one.

    Raises `GuestUnknown`, `UnreadableCard`, `VisitAlreadyActive`, `CardInUse`.
    """
    guest = await _guest(unit, _id(order.guest_id, GuestUnknown))
    card_uid = uid_of(order.card_uid) if order.card_uid else None
    visit_id, now = new_id(), unit.clock.now()
    values = {
        "id": visit_id,
        "guest_id": guest.id,
        "card_uid": card_uid,
        "limit_profile": order.limit_profile,
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
        after={"guest_id": guest.id, "number": number, "card_uid": card_uid},
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


class SettleFirst:
    """Opens a visit's lock whose pour is settled, so that every answer shows it open."""

    def __init__(self, *, database: Database, caller: Caller) -> None:
        self._database = database
        self._caller = caller

    async def __call__(self, ask: contract.GetVisit | contract.CloseVisit) -> None:
        """Look at the visit that is asked about; one that is unknown is told later."""
        visit_id = parse_id(ask.visit_id)
        async with self._database.transaction() as unit:
            row = await guests.find_visit(unit, visit_id) if visit_id else None
        if row and row["grant_id"]:
            await locks.release_settled(self._database, self._caller, row["grant_id"])


async def get_visit(query: contract.GetVisit, unit: UnitOfWork, context: Context) -> Visit:
    """Return one visit; raises `VisitUnknown`."""
    del context
    return await _visit(unit, _id(query.visit_id, VisitUnknown))


async def close_visit(order: contract.CloseVisit, unit: UnitOfWork, context: Context) -> Visit:
    """Close a visit; raises `VisitUnknown`, `VisitClosed`, `VisitLocked`, `PourPending`."""
    visit_id = _id(order.visit_id, VisitUnknown)
    return await _close(unit, visit_id, order.reason, context.actor)


async def _close(unit: UnitOfWork, visit_id: UUID, reason: str, actor: str) -> Visit:
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


async def list_active_visits(
    query: contract.ListActiveVisits, unit: UnitOfWork, context: Context
) -> Listing[Visit]:
    """Return open visits in order of opening."""
    del context
    after = int(query.cursor) if query.cursor and query.cursor.isdecimal() else 0
    rows = await guests.list_active_visits(
        unit, q=query.q or "", after=after, limit=query.limit + 1
    )
    page = [visit_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Visit](items=page, next=str(page[-1].number) if more else None)


async def bind_card(order: contract.BindCard, unit: UnitOfWork, context: Context) -> Visit:
    """Give a visit a card; raises `VisitUnknown`, `VisitClosed`, `UnreadableCard`, `CardInUse`."""
    visit_id = _id(order.visit_id, VisitUnknown)
    row = await guests.find_visit(unit, visit_id, for_update=True)
    if row is None:
        raise VisitUnknown
    card_uid = uid_of(order.card_uid)
    if row["status"] == "closed":
        raise VisitClosed
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
        after={"card_uid": card_uid, "instead_of": row["card_uid"]},
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
    return await _visit(unit, visit_id)


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


def uid_of(text: str) -> str:
    """Return a card's canonical UID; raises `UnreadableCard`."""
    try:
        return canonical_uid(text)
    except UnreadableCardError as error:
        raise UnreadableCard(str(error)) from error


def _readable(text: str) -> str | None:
    try:
        return canonical_uid(text)
    except UnreadableCardError:
        return None


def _one_too_many(error: psycopg.errors.UniqueViolation) -> Exception:
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


async def _visit(unit: UnitOfWork, visit_id: UUID) -> Visit:
    row = await guests.find_visit(unit, visit_id)
    if row is None:
        raise VisitUnknown
    return visit_of(row)


def guest_of(row: Row) -> Guest:
    """Return a guest's row as the contract shows it."""
    return Guest(
        id=str(row["id"]),
        name=row["name"],
        phone=row["phone"],
        email=row["email"],
        age_verified=row["age_verified_at"] is not None,
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
    )


def _text(value: object) -> str | None:
    return str(value) if value is not None else None
