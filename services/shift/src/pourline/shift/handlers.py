"""Opening shifts, and counting what happens in them."""

from collections.abc import Iterable, Sequence
from typing import Any

from pourline.contracts import evening
from pourline.contracts.base import Envelope
from pourline.contracts.evening import Shift, ShiftFigures
from pourline.contracts.guests import AccessDenied
from pourline.contracts.money import GuestRefunded, GuestToppedUp, PourAccepted
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context
from pourline.shift import domain, store
from pourline.shift.domain import Bucket, Figures, Happening
from pourline.shift.errors import NoShiftOpen, ShiftAlreadyOpen, ShiftClosed, ShiftUnknown

MAIN = "main"
"""Where money is taken: a guest's account has no location of its own."""


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
    return await _shift(unit, row)


async def get_current_shift(
    query: evening.GetCurrentShift, unit: UnitOfWork, context: Context
) -> Shift:
    """Return the open shift; raises `NoShiftOpen`."""
    del context
    row = await store.find_open_shift(unit, query.location)
    if row is None:
        raise NoShiftOpen
    return await _shift(unit, row)


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
    return await _shift(unit, row)


async def shift_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the shift that a malformed message is about is there."""
    shift_id = parse_id(str(raw.get("shift_id", "")))
    return shift_id is not None and await store.find_shift(unit, shift_id) is not None


async def count_pours(events: Sequence[Envelope[PourAccepted]], unit: UnitOfWork) -> None:
    """Count each pour for the shift it began in; the end of a session without one is none."""
    pours = [event.data for event in events if event.data.volume_ml > 0]
    await _count(
        unit,
        [
            Happening(
                location=pour.location,
                at=pour.started_at,
                figures=Figures(pours=1, volume_ml=pour.volume_ml, revenue=pour.amount),
            )
            for pour in pours
        ],
    )


async def count_topups(events: Sequence[Envelope[GuestToppedUp]], unit: UnitOfWork) -> None:
    """Count what guests paid in."""
    paid = [event.data for event in events]
    await _count(
        unit,
        [Happening(location=MAIN, at=one.at, figures=Figures(topups=one.amount)) for one in paid],
    )


async def count_refunds(events: Sequence[Envelope[GuestRefunded]], unit: UnitOfWork) -> None:
    """Count what guests were paid back."""
    paid = [event.data for event in events]
    await _count(
        unit,
        [Happening(location=MAIN, at=one.at, figures=Figures(refunds=one.amount)) for one in paid],
    )


async def count_denials(events: Sequence[Envelope[AccessDenied]], unit: UnitOfWork) -> None:
    """Count cards that were refused."""
    denied = [event.data for event in events]
    await _count(
        unit,
        [
            Happening(location=one.location, at=one.denied_at, figures=Figures(denials=1))
            for one in denied
        ],
    )


async def _count(unit: UnitOfWork, happenings: Iterable[Happening]) -> None:
    counted = list(happenings)
    open_shifts = await store.open_shifts(unit, {one.location for one in counted})
    await store.add_figures(unit, domain.sum_up(counted, open_shifts))


async def _shift(unit: UnitOfWork, row: Row) -> Shift:
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
