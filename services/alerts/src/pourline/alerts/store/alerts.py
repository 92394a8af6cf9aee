"""Alerts as rows: opened, raised, ended, told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from pourline.alerts.domain.kinds import Breach, Cause, Kind, Severity
from pourline.kit.db import Row, UnitOfWork


async def open_alert(
    unit: UnitOfWork, *, alert_id: UUID, breach: Breach, at: datetime
) -> Row | None:
    """Open an alert for a cause that has none, or give the one it has the newest words.

    Returns None where nothing is new. A cause that is suppressed at `at` is kept quiet until the
    last of its suppressions ends.
    """
    return await unit.maybe(
        """
        INSERT INTO alert AS it (id, kind, severity, subject_type, subject_id, location, title,
                                 message, priority, suppressed_until)
        SELECT %(id)s, %(kind)s, %(severity)s, %(subject_type)s, %(subject_id)s, %(location)s,
               %(title)s, %(message)s, %(priority)s, max(until_at)
        FROM suppression
        WHERE lifted_at IS NULL AND until_at > %(at)s
          AND (suppression.kind IS NULL OR suppression.kind = %(kind)s)
          AND (suppression.subject IS NULL OR suppression.subject = %(subject_id)s)
        ON CONFLICT (kind, subject_type, subject_id) WHERE state <> 'resolved'
            DO UPDATE SET message = excluded.message, title = excluded.title,
                          version = it.version + 1
            WHERE (it.message, it.title) <> (excluded.message, excluded.title)
        RETURNING *
        """,
        {
            "id": alert_id,
            "kind": breach.cause.kind.value,
            "severity": breach.severity.value,
            "subject_type": breach.cause.subject_type,
            "subject_id": breach.cause.subject_id,
            "location": breach.location,
            "title": breach.title,
            "message": breach.message,
            "priority": breach.priority,
            "at": at,
        },
    )


async def raise_alerts(unit: UnitOfWork, *, kind: Kind, location: str, to: Severity) -> list[Row]:
    """Make the standing alerts of a kind at a place graver, and return those that became it."""
    return await unit.all(
        """
        UPDATE alert SET severity = %s, was_raised = true, version = version + 1
        WHERE kind = %s AND location = %s AND state <> 'resolved' AND severity <> %s
        RETURNING *
        """,
        (to.value, kind.value, location, to.value),
    )


async def count_standing(unit: UnitOfWork, *, kind: Kind, location: str) -> int:
    """Return how many alerts of a kind are not resolved at a place."""
    row = await unit.one(
        """
        SELECT count(*) AS standing FROM alert
        WHERE kind = %s AND location = %s AND state <> 'resolved'
        """,
        (kind.value, location),
    )
    return int(row["standing"])


async def standing_subjects(unit: UnitOfWork, kind: Kind) -> list[str]:
    """Return what the unresolved alerts of a kind are about."""
    rows = await unit.all(
        "SELECT subject_id FROM alert WHERE kind = %s AND state <> 'resolved' ORDER BY number",
        (kind.value,),
    )
    return [row["subject_id"] for row in rows]


async def end_alert(unit: UnitOfWork, cause: Cause) -> Row | None:
    """Resolve the open alert of a cause that is gone, and return it."""
    return await unit.maybe(
        """
        UPDATE alert SET state = 'resolved', resolved_at = clock_timestamp(),
                         resolved_by = 'system', version = version + 1,
                         told_version = CASE WHEN suppressed_until IS NULL THEN told_version
                                             ELSE version + 1 END
        WHERE kind = %s AND subject_type = %s AND subject_id = %s AND state <> 'resolved'
        RETURNING *
        """,
        (cause.kind.value, cause.subject_type, cause.subject_id),
    )


async def standing_alert(unit: UnitOfWork, cause: Cause) -> Row | None:
    """Return a cause's alert that is not resolved, locked until the commit."""
    return await unit.maybe(
        """
        SELECT * FROM alert
        WHERE kind = %s AND subject_type = %s AND subject_id = %s AND state <> 'resolved'
        FOR UPDATE
        """,
        (cause.kind.value, cause.subject_type, cause.subject_id),
    )


async def find_alert(unit: UnitOfWork, alert_id: UUID) -> Row | None:
    """Return an alert, locked until the commit."""
    return await unit.maybe("SELECT * FROM alert WHERE id = %s FOR UPDATE", (alert_id,))


async def acknowledge(unit: UnitOfWork, *, alert_id: UUID, actor: str, comment: str | None) -> Row:
    """Record who deals with an alert."""
    return await unit.one(
        """
        UPDATE alert SET state = 'acknowledged', acknowledged_by = %s,
                         acknowledged_at = clock_timestamp(), comment = coalesce(%s, comment),
                         version = version + 1
        WHERE id = %s RETURNING *
        """,
        (actor, comment, alert_id),
    )


async def resolve(unit: UnitOfWork, *, alert_id: UUID, actor: str, comment: str | None) -> Row:
    """Record who ended an alert."""
    return await unit.one(
        """
        UPDATE alert SET state = 'resolved', resolved_by = %s, resolved_at = clock_timestamp(),
                         comment = coalesce(%s, comment), version = version + 1,
                         told_version = CASE WHEN suppressed_until IS NULL THEN told_version
                                             ELSE version + 1 END
        WHERE id = %s RETURNING *
        """,
        (actor, comment, alert_id),
    )


async def list_alerts(
    unit: UnitOfWork, *, severity: str | None, state: str | None, before: int | None, limit: int
) -> list[Row]:
    """Return alerts, newest first, older than number `before`."""
    return await unit.all(
        """
        SELECT * FROM alert
        WHERE (%s::text IS NULL OR severity = %s) AND (%s::text IS NULL OR state = %s)
          AND (%s::bigint IS NULL OR number < %s)
        ORDER BY number DESC LIMIT %s
        """,
        (severity, severity, state, state, before, before, limit),
    )


async def untold_alerts(unit: UnitOfWork, *, limit: int) -> list[Row]:
    """Return alerts whose newest version was not told on their topic yet."""
    return await unit.all(
        """
        SELECT * FROM alert
        WHERE told_version < version AND (suppressed_until IS NULL OR state = 'resolved')
        ORDER BY state = 'resolved', number LIMIT %s
        """,
        (limit,),
    )


async def mark_told(unit: UnitOfWork, told: Sequence[tuple[str, int]]) -> None:
    """Remember which version of each alert was told.

    An alert that somebody holds is passed over and told again: waiting could be a deadlock.
    """
    ids, versions = [alert_id for alert_id, _ in told], [version for _, version in told]
    await unit.execute(
        """
        UPDATE alert SET told_version = greatest(told_version, fresh.version)
        FROM unnest(%s::uuid[], %s::bigint[]) AS fresh (id, version)
        WHERE alert.id = fresh.id
          AND alert.id IN (SELECT id FROM alert WHERE id = ANY(%s::uuid[]) FOR UPDATE SKIP LOCKED)
        """,
        (ids, versions, ids),
    )


async def tell_again(unit: UnitOfWork, *, ended_within: timedelta) -> None:
    """Have every alert that stands told again, and cleared again each that ended of late.

    A broker that dies may have lost what it was told last, and what it was told to forget.
    """
    await unit.execute(
        "UPDATE alert SET told_version = 0"
        " WHERE state <> 'resolved' OR resolved_at > clock_timestamp() - %s",
        (ended_within,),
    )


async def note_notified(unit: UnitOfWork, *, alert_id: UUID, at: datetime) -> None:
    """Remember when people were last written to about an alert."""
    await unit.execute("UPDATE alert SET notified_at = %s WHERE id = %s", (at, alert_id))


async def escalate(
    unit: UnitOfWork, *, told_before: datetime, at: datetime, times: int, limit: int
) -> list[Row]:
    """Return critical alerts that nobody acknowledged since, and count that they are told again."""
    return await unit.all(
        """
        UPDATE alert SET escalations = escalations + 1, notified_at = %s
        WHERE id = ANY(ARRAY(
            SELECT id FROM alert
            WHERE state = 'open' AND severity = 'critical' AND suppressed_until IS NULL
              AND notified_at <= %s AND escalations < %s
              AND NOT EXISTS (
                  SELECT FROM suppression
                  WHERE lifted_at IS NULL AND until_at > %s
                    AND (suppression.kind IS NULL OR suppression.kind = alert.kind)
                    AND (suppression.subject IS NULL OR suppression.subject = alert.subject_id)
              )
            ORDER BY notified_at LIMIT %s FOR UPDATE SKIP LOCKED
        ))
        RETURNING *
        """,
        (at, told_before, times, at, limit),
    )


async def release_suppressed(unit: UnitOfWork, *, at: datetime, limit: int) -> list[Row]:
    """Let alerts be told whose suppression is over, and return them."""
    return await unit.all(
        """
        UPDATE alert SET suppressed_until = NULL, version = version + 1
        WHERE id = ANY(ARRAY(
            SELECT id FROM alert
            WHERE suppressed_until <= %s AND state <> 'resolved'
            ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED
        ))
        RETURNING *
        """,
        (at, limit),
    )
