"""Opening shifts, who works in them, and how a shift is shown."""

from typing import Any

from pourline.contracts import evening
from pourline.contracts.evening import Shift, ShiftFigures
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context
from pourline.shift import store
from pourline.shift.domain import Bucket
from pourline.shift.errors import NoShiftOpen, ShiftAlreadyOpen, ShiftClosed, ShiftUnknown


async def open_shift(order: evening.OpenShift, unit: UnitOfWork, context: Context) -> Shift:
    """Begin a shift; raises `ShiftAlreadyOpen`."""
    values = {
        "id": new_id(),
        "location": order.location,
        "opened_at": unit.clock.now(),
        "opened_by": context.actor,
        "opening_float": order.opening_float,
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
    return await shift_of(unit, row)


async def get_current_shift(
    query: evening.GetCurrentShift, unit: UnitOfWork, context: Context
) -> Shift:
    """Return the open shift; raises `NoShiftOpen`."""
    del context
    row = await store.find_open_shift(unit, query.location)
    if row is None:
        raise NoShiftOpen
    return await shift_of(unit, row)


async def add_member(order: evening.AddShiftMember, unit: UnitOfWork, context: Context) -> Shift:
    """Have somebody work in a shift; raises `ShiftUnknown`, `ShiftClosed`."""
    del context
    shift_id = parse_id(order.shift_id)
    row = await store.find_shift(unit, shift_id) if shift_id else None
    if row is None:
        raise ShiftUnknown
    if row["status"] == "closed":
        raise ShiftClosed
    await store.add_member(unit, shift_id=row["id"], name=order.member)
    return await shift_of(unit, row)


async def shift_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the shift that a malformed message is about is there."""
    shift_id = parse_id(str(raw.get("shift_id", "")))
    return shift_id is not None and await store.find_shift(unit, shift_id) is not None


async def shift_of(unit: UnitOfWork, row: Row) -> Shift:
    """Return a stored shift as the contract shows it."""
    figures = await store.find_figures(unit, row["id"])
    return Shift(
        id=str(row["id"]),
        location=row["location"],
        status=row["status"],
        opened_at=row["opened_at"],
        opened_by=row["opened_by"],
        opening_float=row["opening_float"],
        closed_at=row["closed_at"],
        members=await store.list_members(unit, row["id"]),
        figures=_figures(figures.get(Bucket.OWN)),
        late=_figures(figures.get(Bucket.LATE)),
    )


def _figures(row: Row | None) -> ShiftFigures:
    return ShiftFigures(
        **(row or dict.fromkeys(store.FIGURES, 0)),
    )
