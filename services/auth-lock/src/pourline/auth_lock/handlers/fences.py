"""What stands in the way of closing a shift, and the fence before new visits."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from pourline.auth_lock.store import fences
from pourline.contracts.base import Envelope
from pourline.contracts.shifts import (
    BLOCKERS_NAMED,
    Blocker,
    BlockerCode,
    Blockers,
    FenceVisits,
    GetBlockers,
    Lifted,
    LiftFence,
    ShiftClosed,
)
from pourline.kit.db import UnitOfWork
from pourline.kit.errors import NotFound
from pourline.kit.ids import parse_id
from pourline.kit.nats import Context


async def fence_visits(order: FenceVisits, unit: UnitOfWork, context: Context) -> Blockers:
    """Let no visit open for a while, and return what is open behind the fence."""
    del context
    attempt_id = parse_id(order.attempt_id)
    if attempt_id is None:
        raise NotFound
    now = unit.clock.now()
    until = now + timedelta(seconds=order.for_s)
    await fences.fence(unit, attempt_id=attempt_id, at=now, until=until)
    return await _blockers(unit)


async def lift_fence(order: LiftFence, unit: UnitOfWork, context: Context) -> Lifted:
    """Let visits open again, as far as this fence goes."""
    del context
    attempt_id = parse_id(order.attempt_id)
    if attempt_id:
        await fences.lift(unit, attempt_id)
    return Lifted(attempt_id=order.attempt_id)


async def lift_of_closed_shifts(events: Sequence[Envelope[ShiftClosed]], unit: UnitOfWork) -> None:
    """Let visits open again once the shift is closed."""
    for event in events:
        await fences.lift(unit, UUID(event.data.attempt_id))


async def get_blockers(query: GetBlockers, unit: UnitOfWork, context: Context) -> Blockers:
    """Return what stands in the way now."""
    del query, context
    return await _blockers(unit)


async def _blockers(unit: UnitOfWork) -> Blockers:
    visits = await fences.active_visits(unit, named=BLOCKERS_NAMED)
    taps = await fences.pending_taps(unit, named=BLOCKERS_NAMED)
    found = [
        Blocker(code=BlockerCode.ACTIVE_VISITS, **visits),
        Blocker(code=BlockerCode.PENDING_SYNC, **taps),
    ]
    return Blockers(blockers=[one for one in found if one.count])
