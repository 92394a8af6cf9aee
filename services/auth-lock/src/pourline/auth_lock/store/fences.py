"""The fence before new visits, and what stands in the way of closing a shift.

Who opens a visit shares a lock that who fences takes alone: a visit is there before the fence, and
then it is counted, or it comes after it, and then it is refused.
"""

from datetime import datetime
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork

LOCK = 0xFE9CE
"""Advisory lock of openings (shared) and fences (alone); each service has its own database."""


async def pass_by(unit: UnitOfWork, *, at: datetime) -> bool:
    """Return whether no fence stands; none will, until this transaction ends."""
    await unit.execute("SELECT pg_advisory_xact_lock_shared(%s)", (LOCK,))
    row = await unit.maybe("SELECT 1 FROM fence WHERE until > %s LIMIT 1", (at,))
    return row is None


async def fence(unit: UnitOfWork, *, attempt_id: UUID, at: datetime, until: datetime) -> None:
    """Let no visit open; every opening that was under way is over."""
    await unit.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    await unit.execute("DELETE FROM fence WHERE until <= %s", (at,))
    await unit.execute(
        """
        INSERT INTO fence (attempt_id, until) VALUES (%s, %s)
        ON CONFLICT (attempt_id) DO UPDATE SET until = excluded.until
        """,
        (attempt_id, until),
    )


async def lift(unit: UnitOfWork, attempt_id: UUID) -> None:
    """Take one fence away."""
    await unit.execute("DELETE FROM fence WHERE attempt_id = %s", (attempt_id,))


async def active_visits(unit: UnitOfWork, *, named: int) -> Row:
    """Return how many visits are active, and the ids of the first of them."""
    return await unit.one(
        """
        SELECT count(*) AS count, coalesce((array_agg(id::text ORDER BY number))[:%s], '{}') AS ids
        FROM visit WHERE status = 'active'
        """,
        (named,),
    )


async def pending_taps(unit: UnitOfWork, *, named: int) -> Row:
    """Return how many taps have pours to sync (SY-1), and the ids of the first of them.

    That is: a lock at a tap that is offline, or a tap that says so and was not reset since.
    """
    return await unit.one(
        """
        SELECT count(*) AS count, coalesce((array_agg(tap.id ORDER BY tap.id))[:%s], '{}') AS ids
        FROM tap
        WHERE NOT tap.sync_was_reset AND (tap.pending_sync > 0
           OR (tap.status_seq > 0 AND NOT tap.online AND EXISTS (
               SELECT FROM tap_lock WHERE tap_lock.tap_id = tap.id AND released_at IS NULL)))
        """,
        (named,),
    )
