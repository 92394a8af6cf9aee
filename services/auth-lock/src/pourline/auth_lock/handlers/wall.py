"""Stopping: one guest's tap, or every tap at once; and who has which tap open."""

from pourline.auth_lock.domain import TapState
from pourline.auth_lock.errors import LocationUnknown, VisitNotLocked, VisitUnknown
from pourline.auth_lock.handlers.locks import announce_states
from pourline.auth_lock.handlers.visits import visit_of
from pourline.auth_lock.store import audit, guests, taps, wall
from pourline.contracts import wall as contract
from pourline.contracts.base import Listing
from pourline.contracts.guests import Visit
from pourline.contracts.wall import Lock, Wall
from pourline.kit.db import UnitOfWork
from pourline.kit.ids import parse_id
from pourline.kit.nats import Context


async def stop_visit(order: contract.StopVisit, unit: UnitOfWork, context: Context) -> Visit:
    """Stop the tap that a visit has open; the lock stands until its pour is in.

    The tap stays stopped until staff resume it. Raises `VisitUnknown`, `VisitNotLocked`.
    """
    visit_id = parse_id(order.visit_id)
    row = await guests.find_visit(unit, visit_id, for_update=True) if visit_id else None
    if visit_id is None or row is None:
        raise VisitUnknown
    tap_ids = await wall.taps_of_visit(unit, visit_id)
    if not tap_ids:
        raise VisitNotLocked
    for tap_id in tap_ids:
        await taps.set_order(unit, tap_id=tap_id, order=TapState.STOPPED, reason=order.reason)
    await audit.record(
        unit,
        actor=context.actor,
        action="visit_stopped",
        subject=f"visit:{visit_id}",
        reason=order.reason,
        after={"tap_ids": tap_ids},
    )
    await announce_states(unit, tap_ids)
    return visit_of(row)


async def stop_wall(order: contract.StopWall, unit: UnitOfWork, context: Context) -> Wall:
    """Stop every tap, of one location or of all; raises `LocationUnknown`."""
    await _know_location(unit, order)
    tap_ids = await wall.stop_all(unit, location=order.location, reason=order.reason)
    await _on_record(unit, context, "wall_stopped", order, tap_ids)
    await announce_states(unit, tap_ids)
    return Wall(taps=tap_ids)


async def resume_wall(order: contract.ResumeWall, unit: UnitOfWork, context: Context) -> Wall:
    """Give every tap that the wall's stop shut its earlier order; raises `LocationUnknown`."""
    await _know_location(unit, order)
    tap_ids = await wall.resume_all(unit, location=order.location)
    await _on_record(unit, context, "wall_resumed", order, tap_ids)
    await announce_states(unit, tap_ids)
    return Wall(taps=tap_ids)


async def list_locks(
    query: contract.ListLocks, unit: UnitOfWork, context: Context
) -> Listing[Lock]:
    """Return the locks that stand, oldest first."""
    del context
    after = int(query.cursor) if query.cursor else 0
    rows = await wall.list_locks(unit, after=after, limit=query.limit + 1)
    page = [Lock(**row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Lock](items=page, next=str(page[-1].id) if more else None)


async def _know_location(unit: UnitOfWork, order: contract.WallOrder) -> None:
    if order.location is not None and not await wall.has_location(unit, order.location):
        raise LocationUnknown


async def _on_record(
    unit: UnitOfWork,
    context: Context,
    action: str,
    order: contract.WallOrder,
    tap_ids: list[str],
) -> None:
    await audit.record(
        unit,
        actor=context.actor,
        action=action,
        subject=f"wall:{order.location or 'all'}",
        reason=order.reason,
        after={"tap_ids": tap_ids},
    )
