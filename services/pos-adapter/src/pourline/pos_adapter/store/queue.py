"""What the point of sale is told, and whether it answers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id
from pourline.pos_adapter.domain.notifications import Notification, Status


async def queue(
    unit: UnitOfWork, notifications: Sequence[Notification], *, adapter: str, at: datetime
) -> None:
    """Keep what the point of sale must be told; what is there already stays as it is."""
    rows = [
        {
            "id": str(new_id()),
            "kind": one.kind.value,
            "reference": one.reference,
            "guest": one.guest,
            "payload": one.payload,
        }
        for one in notifications
    ]
    await unit.execute(
        """
        INSERT INTO pos_event (id, kind, reference, guest, payload, adapter, next_attempt_at)
        SELECT id, kind, reference, guest, payload, %s, %s
        FROM ROWS FROM (jsonb_to_recordset(%s)
            AS (id uuid, kind text, reference text, guest text, payload jsonb))
            WITH ORDINALITY AS fresh (id, kind, reference, guest, payload, place)
        ORDER BY place
        ON CONFLICT (kind, reference) DO NOTHING
        """,
        (adapter, at, Jsonb(rows)),
    )


async def only_one_claims(unit: UnitOfWork) -> None:
    """Have instances look at the queue one after the other until the commit."""
    await unit.execute("SELECT pg_advisory_xact_lock(hashtextextended('pos_event', 3))")


async def oldest_due(unit: UnitOfWork, *, at: datetime, limit: int) -> list[Row]:
    """Return queued notifications that are due, oldest first; nobody else may claim meanwhile."""
    return await unit.all(
        """
        SELECT * FROM pos_event WHERE status = 'queued' AND next_attempt_at <= %s
        ORDER BY number LIMIT %s
        """,
        (at, limit),
    )


async def due_in_order(unit: UnitOfWork, *, at: datetime, limit: int) -> list[Row]:
    """Return what is due and whose guest has nothing older that waits or is in other hands."""
    return await unit.all(
        """
        WITH waiting AS MATERIALIZED (
            SELECT guest, min(number) AS number FROM pos_event
            WHERE status = 'queued' AND next_attempt_at > %s AND guest IS NOT NULL GROUP BY guest)
        SELECT * FROM pos_event WHERE status = 'queued' AND next_attempt_at <= %s
            AND NOT EXISTS (SELECT FROM waiting WHERE waiting.guest = pos_event.guest
                                AND waiting.number < pos_event.number)
        ORDER BY number LIMIT %s
        """,
        (at, at, limit),
    )


async def claim(
    unit: UnitOfWork, ids: Sequence[UUID], *, adapter: str, until: datetime
) -> list[Row]:
    """Keep others off notifications until `until`, when a dead instance's are due again."""
    rows = await unit.all(
        """
        UPDATE pos_event SET attempts = attempts + 1, adapter = %s, next_attempt_at = %s
        WHERE id = ANY(%s) RETURNING *
        """,
        (adapter, until, list(ids)),
    )
    return sorted(rows, key=lambda row: int(row["number"]))


async def has_due(unit: UnitOfWork, at: datetime) -> bool:
    """Return whether a queued notification is due."""
    row = await unit.maybe(
        "SELECT 1 FROM pos_event WHERE status = 'queued' AND next_attempt_at <= %s LIMIT 1", (at,)
    )
    return row is not None


async def count_queued(unit: UnitOfWork, most: int) -> int:
    """Return how many notifications wait, `most` at most."""
    row = await unit.one(
        """
        SELECT count(*) AS waiting FROM (
            SELECT FROM pos_event WHERE status = 'queued' LIMIT %s) AS queued
        """,
        (most,),
    )
    return int(row["waiting"])


async def mark_sent(
    unit: UnitOfWork, ids: Sequence[UUID], *, at: datetime, adapter: str | None = None
) -> list[Row]:
    """Record what the point of sale took, and return what was not sent before."""
    return await unit.all(
        """
        UPDATE pos_event SET status = 'sent', sent_at = %s, error = NULL,
            adapter = coalesce(%s, adapter), attempts = greatest(attempts, 1)
        WHERE id = ANY(%s) AND status <> 'sent' RETURNING id, kind, adapter, number
        """,
        (at, adapter, list(ids)),
    )


async def mark_refused(
    unit: UnitOfWork, *, event_id: UUID, status: Status, error: str, next_attempt_at: datetime
) -> bool:
    """Record a refused try; return whether the notification was still queued."""
    row = await unit.maybe(
        """
        UPDATE pos_event SET status = %s, error = %s, next_attempt_at = %s
        WHERE id = %s AND status = 'queued' RETURNING id
        """,
        (status.value, error, next_attempt_at, event_id),
    )
    return row is not None


async def put_back(
    unit: UnitOfWork, ids: Sequence[UUID], *, error: str | None, next_attempt_at: datetime
) -> None:
    """Have notifications that nobody took told again; no try is counted."""
    await unit.execute(
        """
        UPDATE pos_event SET error = coalesce(%s, error), next_attempt_at = %s,
            attempts = greatest(attempts - 1, 0)
        WHERE id = ANY(%s) AND status = 'queued'
        """,
        (error, next_attempt_at, list(ids)),
    )


async def find_event(unit: UnitOfWork, event_id: UUID) -> Row | None:
    """Return a notification, locked until the commit."""
    return await unit.maybe("SELECT * FROM pos_event WHERE id = %s FOR UPDATE", (event_id,))


async def queue_again(unit: UnitOfWork, event_id: UUID, *, at: datetime) -> None:
    """Have a notification told again, with all its tries before it."""
    await unit.execute(
        """
        UPDATE pos_event SET status = 'queued', attempts = 0, error = NULL, next_attempt_at = %s
        WHERE id = %s AND status <> 'sent'
        """,
        (at, event_id),
    )


async def list_events(
    unit: UnitOfWork, *, status: str | None, before: int | None, limit: int
) -> list[Row]:
    """Return notifications, newest first, older than number `before`."""
    return await unit.all(
        """
        SELECT * FROM pos_event
        WHERE (%s::text IS NULL OR status = %s) AND (%s::bigint IS NULL OR number < %s)
        ORDER BY number DESC LIMIT %s
        """,
        (status, status, before, before, limit),
    )


async def note_trouble(unit: UnitOfWork, *, error: str, at: datetime) -> Row:
    """Note that the point of sale does not answer; return since when, and whether it was told."""
    return await unit.one(
        """
        INSERT INTO pos_trouble (since, error, told) VALUES (%s, %s, false)
        ON CONFLICT (one) DO UPDATE SET error = excluded.error
        RETURNING since, told
        """,
        (at, error),
    )


async def mark_trouble_told(unit: UnitOfWork) -> None:
    """Note that others know that the point of sale does not answer."""
    await unit.execute("UPDATE pos_trouble SET told = true")


async def end_trouble(unit: UnitOfWork) -> Row | None:
    """Note that the point of sale answers; return the trouble that is over."""
    return await unit.maybe("DELETE FROM pos_trouble RETURNING since, told")
