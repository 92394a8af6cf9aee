"""What taps' meters counted, and what their pours told of it."""

from collections.abc import Sequence
from datetime import datetime

from pourline.kit.db import Row, UnitOfWork, as_json


async def add_told(unit: UnitOfWork, told: Sequence[dict[str, object]]) -> None:
    """Count pours: `tap_id`, `pulses` and `volume_ml` of each."""
    await unit.execute(
        """
        INSERT INTO meter (tap_id, told_pulses, told_ml, heard_at)
        SELECT tap_id, coalesce(sum(pulses), 0), sum(volume_ml), clock_timestamp()
        FROM json_to_recordset(%s) AS told (tap_id text, pulses bigint, volume_ml numeric)
        GROUP BY tap_id ORDER BY tap_id
        ON CONFLICT (tap_id) DO UPDATE
            SET told_pulses = meter.told_pulses + excluded.told_pulses,
                told_ml = meter.told_ml + excluded.told_ml,
                heard_at = excluded.heard_at
        """,
        (as_json(told),),
    )


async def forget_base(unit: UnitOfWork, tap_ids: Sequence[str]) -> None:
    """Begin the count of taps anew: their pours do not say what the meter counted."""
    await unit.execute(
        "UPDATE meter SET base_pulses = NULL WHERE tap_id = ANY(%s)", (list(tap_ids),)
    )


async def resting(unit: UnitOfWork, *, before: datetime, limit: int) -> list[Row]:
    """Return taps whose count is settled: online, shut, unlocked, nothing to sync.

    The meter has counted no further for a while, however often that was said; a tap that tells
    nothing of a valve counts as shut.
    """
    return await unit.all(
        """
        SELECT tap.id AS tap_id, tap.location, tap.lifetime_pulses, meter.base_pulses,
               coalesce(meter.told_pulses, 0) AS told_pulses, coalesce(meter.told_ml, 0) AS told_ml
        FROM tap LEFT JOIN meter ON meter.tap_id = tap.id
        WHERE tap.online AND coalesce(tap.valve, 'closed') = 'closed' AND tap.pending_sync = 0
          AND tap.lifetime_pulses IS NOT NULL
          AND coalesce(tap.pulses_at, tap.status_at) < %(before)s
          AND coalesce(meter.heard_at < %(before)s, true)
          AND tap.lifetime_pulses IS DISTINCT FROM meter.base_pulses
          AND NOT EXISTS (SELECT FROM tap_lock
                          WHERE tap_lock.tap_id = tap.id AND released_at IS NULL)
        ORDER BY tap.id LIMIT %(limit)s FOR UPDATE OF tap
        """,
        {"before": before, "limit": limit},
    )


async def set_base(unit: UnitOfWork, rows: Sequence[Row]) -> None:
    """Take the counts of taps as settled: the next look begins there."""
    await unit.execute(
        """
        INSERT INTO meter (tap_id, base_pulses)
        SELECT tap_id, lifetime_pulses FROM json_to_recordset(%s)
            AS base (tap_id text, lifetime_pulses bigint)
        ON CONFLICT (tap_id) DO UPDATE
            SET base_pulses = excluded.base_pulses, told_pulses = 0, told_ml = 0
        """,
        (as_json([{name: row[name] for name in ("tap_id", "lifetime_pulses")} for row in rows]),),
    )
