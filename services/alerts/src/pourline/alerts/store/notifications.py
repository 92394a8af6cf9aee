"""The notification log: what is due, what became of it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pourline.alerts.domain.notices import Occasion, Outcome, Status
from pourline.kit.db import Row, UnitOfWork, as_json

ERROR_CHARACTERS_MAX = 500


async def set_channels(unit: UnitOfWork, names: Sequence[str]) -> None:
    """Know by which ways this installation writes to people; what waits for another is over."""
    await unit.execute(
        """
        UPDATE notification SET status = 'logged', next_attempt_at = NULL,
                                error_details = 'There is no such channel any more.'
        WHERE status IN ('pending', 'merged') AND channel <> ALL(%s)
        """,
        (list(names),),
    )
    await unit.execute("DELETE FROM channel WHERE name <> ALL(%s)", (list(names),))
    await unit.execute(
        "INSERT INTO channel (name) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING",
        (list(names),),
    )


async def queue(
    unit: UnitOfWork, *, alert: Row, occasion: Occasion, payload: dict[str, object]
) -> UUID | None:
    """Queue a notification on every channel; return the id of the first."""
    rows = await unit.all(
        """
        INSERT INTO notification (id, type, channel, alert_id, payload, next_attempt_at, created_at)
        SELECT uuidv7(), %(type)s, name, %(alert)s, %(payload)s, %(at)s, %(at)s
        FROM channel ORDER BY name
        RETURNING id
        """,
        {
            "type": occasion.value,
            "alert": alert["id"],
            "payload": as_json(payload),
            "at": unit.clock.now(),
        },
    )
    return rows[0]["id"] if rows else None


async def newest_of(unit: UnitOfWork, alert_id: UUID) -> UUID | None:
    """Return the newest notification of an alert."""
    row = await unit.maybe(
        "SELECT id FROM notification WHERE alert_id = %s ORDER BY number DESC LIMIT 1", (alert_id,)
    )
    return row["id"] if row else None


async def due(unit: UnitOfWork, *, channel: str, at: datetime, limit: int) -> list[Row]:
    """Return what is to be sent now, oldest first."""
    return await unit.all(
        """
        SELECT * FROM notification
        WHERE channel = %s AND status = 'pending' AND next_attempt_at <= %s
        ORDER BY next_attempt_at, number LIMIT %s
        """,
        (channel, at, limit),
    )


async def merge(
    unit: UnitOfWork, rows: Sequence[Row], *, digest_id: UUID, payload: dict[str, object]
) -> Row:
    """Put notifications into one that carries them all, and return it."""
    digest = await unit.one(
        """
        INSERT INTO notification (id, type, channel, payload, next_attempt_at, created_at)
        VALUES (%(id)s, %(type)s, %(channel)s, %(payload)s, %(at)s, %(at)s) RETURNING *
        """,
        {
            "id": digest_id,
            "type": Occasion.DIGEST.value,
            "channel": rows[0]["channel"],
            "payload": as_json(payload),
            "at": unit.clock.now(),
        },
    )
    await unit.execute(
        """
        UPDATE notification SET status = 'merged', digest_id = %s, next_attempt_at = NULL
        WHERE id = ANY(%s)
        """,
        (digest_id, [row["id"] for row in rows]),
    )
    return digest


async def record(
    unit: UnitOfWork,
    notification_id: UUID,
    outcome: Outcome,
    *,
    status: Status,
    next_attempt_at: datetime | None,
) -> None:
    """Keep what became of a try; what travelled with a digest shares its fate."""
    values = {
        "id": notification_id,
        "status": status.value,
        "at": unit.clock.now(),
        "next": next_attempt_at,
        "error": outcome.error[:ERROR_CHARACTERS_MAX] if outcome.error else None,
        "recipients": as_json(list(outcome.recipients)),
        "delivered": as_json(list(outcome.delivered_to)),
    }
    await unit.execute(
        """
        UPDATE notification SET status = %(status)s, attempt_count = attempt_count + 1,
            tries = tries + 1, last_attempt_at = %(at)s, next_attempt_at = %(next)s,
            error_details = %(error)s, recipients = %(recipients)s, delivered_to = %(delivered)s,
            sent_at = CASE WHEN %(status)s = 'sent' THEN %(at)s ELSE sent_at END
        WHERE id = %(id)s
        """,
        values,
    )
    await unit.execute(
        """
        UPDATE notification SET attempt_count = attempt_count + 1, last_attempt_at = %(at)s,
            status = CASE WHEN %(status)s = 'pending' THEN status ELSE %(status)s END,
            error_details = %(error)s, recipients = %(recipients)s,
            sent_at = CASE WHEN %(status)s = 'sent' THEN %(at)s END
        WHERE digest_id = %(id)s AND status = 'merged'
        """,
        values,
    )


async def find(unit: UnitOfWork, notification_id: UUID) -> Row | None:
    """Return a notification, locked until the commit."""
    return await unit.maybe(
        "SELECT * FROM notification WHERE id = %s FOR UPDATE", (notification_id,)
    )


async def try_again(unit: UnitOfWork, *, notification_id: UUID, at: datetime) -> Row:
    """Make a notification due, with every retry before it, on its own."""
    return await unit.one(
        """
        UPDATE notification SET status = 'pending', next_attempt_at = %s, tries = 0,
                                digest_id = NULL
        WHERE id = %s RETURNING *
        """,
        (at, notification_id),
    )


async def list_notifications(
    unit: UnitOfWork, *, status: str | None, before: int | None, limit: int
) -> list[Row]:
    """Return the log, newest first, older than number `before`."""
    return await unit.all(
        """
        SELECT * FROM notification
        WHERE (%s::text IS NULL OR status = %s) AND (%s::bigint IS NULL OR number < %s)
        ORDER BY number DESC LIMIT %s
        """,
        (status, status, before, before, limit),
    )
