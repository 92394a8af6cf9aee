"""Device credentials and configuration."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import orjson

from pourline.kit.db import Row, UnitOfWork


async def list_credentials(unit: UnitOfWork) -> list[Row]:
    """Return every device that may connect: kind, id, location and SHA-256 of its secrets."""
    return await unit.all(
        """
        SELECT 'tap' AS kind, id, location, secret_hash AS secret, NULL AS previous FROM tap
        UNION ALL
        SELECT 'spout', id::text, location, sha256(secret::bytea),
               CASE WHEN previous_secret IS NOT NULL THEN sha256(previous_secret::bytea) END
        FROM spout WHERE active
        """
    )


async def insert_spout(unit: UnitOfWork, *, values: Mapping[str, object]) -> Row:
    """Save a new spout and return its row."""
    return await unit.one(
        """
        INSERT INTO spout (id, name, vendor, location, secret)
        VALUES (%(id)s, %(name)s, %(vendor)s, %(location)s, %(secret)s) RETURNING *
        """,
        values,
    )


async def find_spout(unit: UnitOfWork, device_id: UUID) -> Row | None:
    """Return a spout."""
    return await unit.maybe("SELECT * FROM spout WHERE id = %s", (device_id,))


async def list_spouts(unit: UnitOfWork, *, after: UUID | None, limit: int) -> list[Row]:
    """Return spouts in order of registration."""
    return await unit.all(
        "SELECT * FROM spout WHERE %s::uuid IS NULL OR id > %s ORDER BY id LIMIT %s",
        (after, after, limit),
    )


async def rotate_secret(
    unit: UnitOfWork, *, device_id: UUID, secret: str, at: datetime
) -> Row | None:
    """Give a spout another secret; the one before stays valid beside it."""
    return await unit.maybe(
        """
        UPDATE spout SET previous_secret = secret, secret = %s, rotated_at = %s,
                         version = version + 1
        WHERE id = %s RETURNING *
        """,
        (secret, at, device_id),
    )


async def deactivate_spout(unit: UnitOfWork, device_id: UUID) -> Row | None:
    """Refuse a spout from now on."""
    return await unit.maybe(
        "UPDATE spout SET active = false, version = version + 1 WHERE id = %s RETURNING *",
        (device_id,),
    )


async def list_config(unit: UnitOfWork) -> dict[str, object]:
    """Return every value that was set."""
    rows = await unit.all("SELECT key, value FROM config ORDER BY key")
    return {row["key"]: row["value"] for row in rows}


async def set_config(unit: UnitOfWork, *, key: str, value: object, actor: str) -> int:
    """Set a value and return its version."""
    row = await unit.one(
        """
        INSERT INTO config (key, value, set_by) VALUES (%s, %s, %s)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, set_by = excluded.set_by,
            set_at = clock_timestamp(), version = config.version + 1
        RETURNING version
        """,
        (key, orjson.dumps(value).decode(), actor),
    )
    return int(row["version"])
