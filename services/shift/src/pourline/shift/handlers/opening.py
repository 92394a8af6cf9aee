"""Opening shifts, who works in them, and how a shift is shown."""

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from pourline.contracts import evening
from pourline.contracts.base import Listing
from pourline.contracts.evening import Shift, ShiftFigures, ShiftMember
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context
from pourline.shift import domain, store
from pourline.shift.domain import Bucket
from pourline.shift.errors import (
    MemberUnknown,
    NoShiftOpen,
    ShiftAlreadyOpen,
    ShiftClosed,
    ShiftUnknown,
)
from pourline.shift.handlers.record import on_record


async def open_shift(order: evening.OpenShift, unit: UnitOfWork, context: Context) -> Shift:
    """Begin a shift; raises `ShiftAlreadyOpen`."""
    now = unit.clock.now()
    values = {
        "id": new_id(),
        "location": order.location,
        "opened_at": now,
        "opened_by": context.actor,
        "opening_float": order.opening_float,
        "business_day": await _business_day(unit, now),
    }
    row = await store.insert_shift(unit, values)
    if row is None:
        raise ShiftAlreadyOpen
    unit.announce(
        evening.ShiftOpened(
            shift_id=str(row["id"]),
            location=row["location"],
            opened_by=row["opened_by"],
            opened_at=row["opened_at"],
        ),
        aggregate=f"shift:{row['id']}",
    )
    after = {"location": row["location"], "opening_float": row["opening_float"]}
    on_record(unit, "shift_opened", f"shift:{row['id']}", actor=context.actor, after=after)
    return await shift_of(unit, row)


async def _business_day(unit: UnitOfWork, at: datetime) -> date:
    zone = await store.find_config(unit, domain.ZONE, default="UTC")
    begins = await store.find_config(unit, domain.DAY_BEGINS, default=domain.DAY_BEGINS_DEFAULT)
    return domain.business_day(at, ZoneInfo(str(zone)), time.fromisoformat(str(begins)))


async def get_current_shift(
    query: evening.GetCurrentShift, unit: UnitOfWork, context: Context
) -> Shift:
    """Return the open shift; raises `NoShiftOpen`."""
    del context
    row = await store.find_open_shift(unit, query.location)
    if row is None:
        raise NoShiftOpen
    return await shift_of(unit, row)


async def list_shifts(
    query: evening.ListShifts, unit: UnitOfWork, context: Context
) -> Listing[Shift]:
    """Return closed shifts, newest first."""
    del context
    rows = await store.closed_shifts(
        unit,
        query.location,
        weekday=query.weekday,
        before=parse_id(query.cursor) if query.cursor else None,
        limit=query.limit + 1,
    )
    page = [await shift_of(unit, row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Shift](items=page, next=page[-1].id if more else None)


async def add_member(order: evening.AddShiftMember, unit: UnitOfWork, context: Context) -> Shift:
    """Have somebody work in a shift; raises `ShiftUnknown`, `ShiftClosed`."""
    row = await _going_on(unit, order.shift_id)
    await store.add_member(unit, shift_id=row["id"], name=order.member)
    subject, after = f"shift:{row['id']}", {"member": order.member}
    on_record(unit, "shift_member_added", subject, actor=context.actor, after=after)
    return await shift_of(unit, row)


async def remove_member(
    order: evening.RemoveShiftMember, unit: UnitOfWork, context: Context
) -> Shift:
    """Have somebody leave; raises `ShiftUnknown`, `ShiftClosed`, `MemberUnknown`."""
    row = await _going_on(unit, order.shift_id)
    now = unit.clock.now()
    if not await store.remove_member(unit, shift_id=row["id"], name=order.member, at=now):
        raise MemberUnknown
    subject, before = f"shift:{row['id']}", {"member": order.member}
    on_record(unit, "shift_member_removed", subject, actor=context.actor, before=before)
    return await shift_of(unit, row)


async def _going_on(unit: UnitOfWork, text: str) -> Row:
    shift_id = parse_id(text)
    row = await store.find_shift(unit, shift_id) if shift_id else None
    if row is None:
        raise ShiftUnknown
    if row["status"] == "closed":
        raise ShiftClosed
    return row


async def shift_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the shift that a malformed message is about is there."""
    shift_id = parse_id(str(raw.get("shift_id", "")))
    return shift_id is not None and await store.find_shift(unit, shift_id) is not None


async def shift_of(unit: UnitOfWork, row: Row) -> Shift:
    """Return a stored shift as the contract shows it."""
    figures = await store.find_figures(unit, row["id"])
    team = [ShiftMember(**one) for one in await store.list_members(unit, row["id"])]
    return Shift(
        id=str(row["id"]),
        location=row["location"],
        status=row["status"],
        opened_at=row["opened_at"],
        opened_by=row["opened_by"],
        opening_float=row["opening_float"],
        closed_at=row["closed_at"],
        members=[one.name for one in team if one.left_at is None],
        figures=_figures(figures.get(Bucket.OWN)),
        late=_figures(figures.get(Bucket.LATE)),
        business_day=row["business_day"],
        team=team,
    )


def _figures(row: Row | None) -> ShiftFigures:
    return ShiftFigures(
        **(row or dict.fromkeys(store.FIGURES, 0)),
    )
