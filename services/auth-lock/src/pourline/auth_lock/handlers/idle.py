"""Closing what nobody uses any more, at the end of an evening."""

from pourline.auth_lock.errors import PourPending, VisitClosed, VisitLocked
from pourline.auth_lock.handlers.visits import close_one
from pourline.auth_lock.store import guests
from pourline.contracts.shifts import CloseIdleVisits, IdleVisitsClosed
from pourline.kit.db import UnitOfWork
from pourline.kit.nats import Context

LEFT_NAMED_MAX = 500


async def close_idle_visits(
    order: CloseIdleVisits, unit: UnitOfWork, context: Context
) -> IdleVisitsClosed:
    """Close the oldest visits that hold no tap; a card that opens one meanwhile keeps its visit."""
    closed = []
    for visit_id in await guests.idle_visits(unit, limit=order.limit):
        try:
            closed.append(await close_one(unit, visit_id, order.reason, context.actor))
        except (VisitClosed, VisitLocked, PourPending):
            continue
    return IdleVisitsClosed(
        items=closed,
        left=[str(one) for one in await guests.locked_visits(unit, limit=LEFT_NAMED_MAX)],
        remaining=await guests.count_idle(unit),
    )
