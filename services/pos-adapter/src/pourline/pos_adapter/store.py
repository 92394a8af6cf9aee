"""All of pos-adapter's SQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson
from psycopg.types.json import Jsonb

from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id
from pourline.pos_adapter.domain import Notification, Status


async def queue(
    unit: UnitOfWork, notifications: Sequence[Notification], *, adapter: str, at: datetime
) -> None:
    """Keep what the point of sale must be told; what is there already stays as it is."""
    rows = [
        {
            "id": str(new_id()),
            "kind": one.kind.value,
            "reference": one.reference,
            "payload": one.payload,
        }
        for one in notifications
    ]
    await unit.execute(
        """
        INSERT INTO pos_event (id, kind, reference, payload, adapter, next_attempt_at)
        SELECT id, kind, reference, payload, %s, %s
        FROM ROWS FROM (jsonb_to_recordset(%s)
            AS (id uuid, kind text, reference text, payload jsonb))
            WITH ORDINALITY AS fresh (id, kind, reference, payload, place)
        ORDER BY place
        ON CONFLICT (kind, reference) DO NOTHING
        """,
        (adapter, at, Jsonb(rows)),
    )


async def claim(
    unit: UnitOfWork, *, adapter: str, at: datetime, until: datetime, limit: int
) -> list[Row]:
    """Take queued notifications that are due, oldest first, and keep others off them.

    What a dead instance had claimed is due again at its `until`.
    """
    rows = await unit.all(
        """
        UPDATE pos_event SET attempts = attempts + 1, adapter = %s, next_attempt_at = %s
        WHERE id IN (
            SELECT id FROM pos_event WHERE status = 'queued' AND next_attempt_at <= %s
            ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED)
        RETURNING *
        """,
        (adapter, until, at, limit),
    )
    return sorted(rows, key=lambda row: int(row["number"]))


async def has_due(unit: UnitOfWork, at: datetime) -> bool:
    """Return whether a queued notification is due."""
    row = await unit.maybe(
        "SELECT 1 FROM pos_event WHERE status = 'queued' AND next_attempt_at <= %s LIMIT 1", (at,)
    )
    return row is not None


async def mark_sent(unit: UnitOfWork, ids: Sequence[UUID], *, at: datetime) -> list[Row]:
    """Record what the point of sale took, and return what was not sent before."""
    return await unit.all(
        """
        UPDATE pos_event SET status = 'sent', sent_at = %s, error = NULL
        WHERE id = ANY(%s) AND status <> 'sent' RETURNING id, kind, adapter, number
        """,
        (at, list(ids)),
    )


async def mark_failed(
    unit: UnitOfWork, *, event_id: UUID, status: Status, error: str, next_attempt_at: datetime
) -> None:
    """Record a failed try."""
    await unit.execute(
        """
        UPDATE pos_event SET status = %s, error = %s, next_attempt_at = %s
        WHERE id = %s AND status = 'queued'
        """,
        (status.value, error, next_attempt_at, event_id),
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


async def save_config(unit: UnitOfWork, *, key: str, value: object, version: int) -> None:
    """Know a configuration value; an older one never wins."""
    await unit.execute(
        """
        INSERT INTO config (key, value, version) VALUES (%s, %s, %s)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version
            WHERE config.version < excluded.version
        """,
        (key, orjson.dumps(value).decode(), version),
    )


async def find_config(unit: UnitOfWork, key: str, default: object) -> object:
    """Return a configuration value."""
    row = await unit.maybe("SELECT value FROM config WHERE key = %s", (key,))
    return row["value"] if row else default
