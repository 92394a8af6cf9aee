"""What alerts knows beside its alerts: configuration, the newest words, breaches that stand."""

from collections.abc import Mapping
from decimal import Decimal

import orjson

from pourline.alerts.domain.kinds import Cause
from pourline.kit.db import UnitOfWork, as_json


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


async def setting(unit: UnitOfWork, key: str) -> object | None:
    """Return a configuration value, None where nobody set it."""
    row = await unit.maybe("SELECT value FROM config WHERE key = %s", (key,))
    return row["value"] if row else None


async def ratio(unit: UnitOfWork, key: str, default: Decimal) -> Decimal:
    """Return a configured share."""
    value = await setting(unit, key)
    return default if value is None else Decimal(str(value))


async def number(unit: UnitOfWork, key: str, default: int) -> int:
    """Return a configured number."""
    value = await setting(unit, key)
    return value if isinstance(value, int) else default


async def text(unit: UnitOfWork, key: str, default: str) -> str:
    """Return a configured text."""
    value = await setting(unit, key)
    return value if isinstance(value, str) else default


async def recipients(unit: UnitOfWork) -> list[str]:
    """Return who is written to."""
    value = await setting(unit, "notification_recipients")
    return [str(one) for one in value] if isinstance(value, list) else []
