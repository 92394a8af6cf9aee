"""All of alerts' SQL."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import orjson

from pourline.alerts.domain import KEG_LOW_RATIO, SEVERITIES, Breach, Cause
from pourline.kit.db import Row, UnitOfWork, as_json


async def open_alert(unit: UnitOfWork, *, alert_id: UUID, breach: Breach) -> bool:
    """Open an alert for a cause that has none; return whether it is new.

    An open one gets the newest words, and is told again only when they changed.
    """
    row = await unit.maybe(
        """
        INSERT INTO alert (id, kind, severity, subject_type, subject_id, location, title, message)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (kind, subject_type, subject_id) WHERE state <> 'resolved'
            DO UPDATE SET message = excluded.message, version = alert.version + 1
            WHERE alert.message <> excluded.message
        RETURNING id
        """,
        (
            alert_id,
            breach.cause.kind.value,
            SEVERITIES[breach.cause.kind].value,
            breach.cause.subject_type,
            breach.cause.subject_id,
            breach.location,
            breach.title,
            breach.message,
        ),
    )
    return row is not None and row["id"] == alert_id


async def end_alert(unit: UnitOfWork, cause: Cause) -> Row | None:
    """Resolve the open alert of a cause that is gone, and return it."""
    return await unit.maybe(
        """
        UPDATE alert SET state = 'resolved', resolved_at = clock_timestamp(),
                         resolved_by = 'system', version = version + 1
        WHERE kind = %s AND subject_type = %s AND subject_id = %s AND state <> 'resolved'
        RETURNING *
        """,
        (cause.kind.value, cause.subject_type, cause.subject_id),
    )


async def begin_breach(unit: UnitOfWork, cause: Cause) -> bool:
    """Note that a breach stands; return whether it is a new one."""
    added = await unit.count(
        """
        INSERT INTO standing_breach (kind, subject_type, subject_id) VALUES (%s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (cause.kind.value, cause.subject_type, cause.subject_id),
    )
    return added == 1


async def end_breach(unit: UnitOfWork, cause: Cause) -> None:
    """Note that a breach is over: the next one is told of again."""
    await unit.execute(
        "DELETE FROM standing_breach WHERE kind = %s AND subject_type = %s AND subject_id = %s",
        (cause.kind.value, cause.subject_type, cause.subject_id),
    )


async def has_alert(unit: UnitOfWork, cause: Cause) -> bool:
    """Return whether a cause has an alert that is not resolved."""
    row = await unit.maybe(
        """
        SELECT 1 FROM alert
        WHERE kind = %s AND subject_type = %s AND subject_id = %s AND state <> 'resolved'
        """,
        (cause.kind.value, cause.subject_type, cause.subject_id),
    )
    return row is not None


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
                         comment = coalesce(%s, comment), version = version + 1
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
        "SELECT * FROM alert WHERE told_version < version ORDER BY number LIMIT %s", (limit,)
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


async def tell_standing_again(unit: UnitOfWork) -> None:
    """Have every alert that is not resolved told again: the broker may have lost it."""
    await unit.execute("UPDATE alert SET told_version = 0 WHERE state <> 'resolved'")


async def note_newest(unit: UnitOfWork, versions: Mapping[str, int]) -> set[str]:
    """Remember the newest word on each thing; return those about which this is no old news."""
    rows = await unit.all(
        """
        INSERT INTO newest (about, version)
        SELECT about, version FROM json_to_recordset(%s) AS word (about text, version bigint)
        ON CONFLICT (about) DO UPDATE SET version = excluded.version
            WHERE newest.version <= excluded.version
        RETURNING about
        """,
        (as_json([{"about": about, "version": one} for about, one in sorted(versions.items())]),),
    )
    return {row["about"] for row in rows}


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


async def keg_low_ratio(unit: UnitOfWork) -> Decimal:
    """Return the share at which a keg counts as low."""
    row = await unit.maybe("SELECT value FROM config WHERE key = 'keg_low_ratio'")
    return Decimal(str(row["value"])) if row else KEG_LOW_RATIO
