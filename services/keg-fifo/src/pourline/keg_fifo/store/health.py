"""How spouts are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork

SILENT_A_ROUND = 200


async def lock(unit: UnitOfWork, device_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Return spouts, locked in order of id until the commit."""
    rows = await unit.all(
        "SELECT * FROM spout WHERE device_id = ANY(%s) ORDER BY device_id FOR UPDATE",
        (list(device_ids),),
    )
    return {row["device_id"]: row for row in rows}


async def save(unit: UnitOfWork, device_id: UUID, values: Mapping[str, object]) -> Row:
    """Keep how a spout is and return its row; what is None stays as it was."""
    return await unit.one(
        """
        UPDATE spout SET online = %(online)s, health_at = %(at)s, silent = %(silent)s,
            battery_pct = coalesce(%(battery_pct)s, battery_pct), battery_low = %(battery_low)s,
            rssi_dbm = coalesce(%(rssi_dbm)s, rssi_dbm),
            firmware = coalesce(%(firmware)s, firmware),
            last_seen_at = greatest(last_seen_at, CASE WHEN %(online)s THEN %(at)s END),
            health_version = health_version + 1
        WHERE device_id = %(device_id)s RETURNING *
        """,
        {"device_id": device_id, **values},
    )


async def turn_silent(unit: UnitOfWork, *, since: datetime) -> list[Row]:
    """Mark the spouts that said nothing `since`, and those that spoke again; return both."""
    return await unit.all(
        """
        UPDATE spout SET silent = NOT silent, health_version = health_version + 1
        WHERE device_id IN (
            SELECT device_id FROM spout
            WHERE active AND silent <> (last_seen_at < %s)
            ORDER BY device_id LIMIT %s FOR UPDATE SKIP LOCKED)
        RETURNING *
        """,
        (since, SILENT_A_ROUND),
    )


async def list_some(unit: UnitOfWork, device_ids: Sequence[UUID]) -> list[Row]:
    """Return those of some spouts that are known, in order of id."""
    return await unit.all(
        "SELECT * FROM spout WHERE device_id = ANY(%s) ORDER BY device_id", (list(device_ids),)
    )


def percent(battery: Decimal | int | None) -> Decimal | None:
    """Return a battery's level in percent; a fraction is a share."""
    if battery is None:
        return None
    return battery * 100 if isinstance(battery, Decimal) else Decimal(battery)
