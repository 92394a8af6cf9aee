"""The wall of taps as one: orders to all of them, and the locks that stand."""

from uuid import UUID

from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id


async def stop_all(unit: UnitOfWork, *, location: str | None, reason: str) -> list[str]:
    """Stop every tap and remember what staff had ordered before; return which."""
    rows = await unit.all(
        """
        UPDATE tap SET
            order_under = CASE WHEN wall_stopped THEN order_under ELSE staff_order END,
            reason_under = CASE WHEN wall_stopped THEN reason_under ELSE order_reason END,
            wall_stopped = true, staff_order = 'stopped', order_reason = %(reason)s,
            order_id = %(order_id)s, ordered_at = %(now)s
        WHERE id IN (
            SELECT id FROM tap WHERE %(location)s::text IS NULL OR location = %(location)s
            ORDER BY id FOR UPDATE)
        RETURNING id
        """,
        {"location": location, "reason": reason, "order_id": new_id(), "now": unit.clock.now()},
    )
    return sorted(row["id"] for row in rows)


async def resume_all(unit: UnitOfWork, *, location: str | None) -> list[str]:
    """Give every tap that the wall's stop shut the order that it had before; return which."""
    rows = await unit.all(
        """
        UPDATE tap SET staff_order = order_under, order_reason = reason_under,
                       wall_stopped = false, order_under = NULL, reason_under = NULL,
                       order_id = %(order_id)s, ordered_at = %(now)s,
                       stop_overdue = stop_overdue AND order_under IS NOT DISTINCT FROM 'stopped'
        WHERE id IN (
            SELECT id FROM tap
            WHERE wall_stopped AND (%(location)s::text IS NULL OR location = %(location)s)
            ORDER BY id FOR UPDATE)
        RETURNING id
        """,
        {"location": location, "order_id": new_id(), "now": unit.clock.now()},
    )
    return sorted(row["id"] for row in rows)


async def has_location(unit: UnitOfWork, location: str) -> bool:
    """Return whether any tap is at a location."""
    row = await unit.one(
        "SELECT EXISTS (SELECT FROM tap WHERE location = %s) AS known", (location,)
    )
    return bool(row["known"])


async def taps_of_visit(unit: UnitOfWork, visit_id: UUID) -> list[str]:
    """Return the taps that a visit has open: one, unless a flag let more be."""
    rows = await unit.all(
        "SELECT tap_id FROM tap_lock WHERE visit_id = %s AND released_at IS NULL ORDER BY id",
        (visit_id,),
    )
    return [row["tap_id"] for row in rows]


async def list_locks(unit: UnitOfWork, *, after: int, limit: int) -> list[Row]:
    """Return the locks that stand, oldest first."""
    return await unit.all(
        """
        SELECT tap_lock.id, tap_lock.visit_id::text, visit.number AS visit_number,
               visit.guest_id::text, guest.name AS guest_name, tap_lock.tap_id,
               tap.name AS tap_name, tap.location, tap_lock.grant_id::text, tap_lock.lock_set_at
        FROM tap_lock JOIN visit ON visit.id = tap_lock.visit_id
        JOIN guest ON guest.id = visit.guest_id JOIN tap ON tap.id = tap_lock.tap_id
        WHERE tap_lock.released_at IS NULL AND tap_lock.id > %s
        ORDER BY tap_lock.id LIMIT %s
        """,
        (after, limit),
    )
