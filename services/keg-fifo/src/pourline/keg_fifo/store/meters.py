"""What spouts' meters counted, and what their pours told of it."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pourline.keg_fifo.domain.meters import Meter
from pourline.kit.db import UnitOfWork


async def find(unit: UnitOfWork, device_id: UUID) -> Meter | None:
    """Return a spout's meter, once it was heard of; the spout is locked."""
    row = await unit.maybe(
        """
        SELECT base_pulses, lifetime_pulses, told_pulses, off_pulses, off_since, heard_at
        FROM spout_meter WHERE device_id = %s
        """,
        (device_id,),
    )
    return Meter(**row) if row else None


async def save(unit: UnitOfWork, device_id: UUID, meter: Meter) -> None:
    """Keep a spout's meter."""
    await unit.execute(
        """
        INSERT INTO spout_meter (device_id, base_pulses, lifetime_pulses, told_pulses, off_pulses,
                                 off_since, heard_at)
        VALUES (%(device_id)s, %(base_pulses)s, %(lifetime_pulses)s, %(told_pulses)s,
                %(off_pulses)s, %(off_since)s, %(heard_at)s)
        ON CONFLICT (device_id) DO UPDATE
            SET base_pulses = excluded.base_pulses, lifetime_pulses = excluded.lifetime_pulses,
                told_pulses = excluded.told_pulses, off_pulses = excluded.off_pulses,
                off_since = excluded.off_since, heard_at = excluded.heard_at
        """,
        {"device_id": device_id} | asdict(meter),
    )


async def add_told(unit: UnitOfWork, told: Mapping[UUID, int], *, at: datetime) -> None:
    """Count the pulses of pours that came, of spouts whose meter was heard of."""
    await unit.execute(
        """
        UPDATE spout_meter SET told_pulses = told_pulses + told.pulses, heard_at = %s
        FROM unnest(%s::uuid[], %s::bigint[]) AS told (device_id, pulses)
        WHERE spout_meter.device_id = told.device_id
        """,
        (at, list(told), list(told.values())),
    )


async def newest_factor(unit: UnitOfWork, device_id: UUID, *, at: datetime) -> Decimal | None:
    """Return what a pulse of a spout is worth by its newest calibration in force, in ml."""
    row = await unit.maybe(
        """
        SELECT ml_per_pulse FROM calibration WHERE device_id = %s AND effective_from <= %s
        ORDER BY effective_from DESC, channel LIMIT 1
        """,
        (device_id, at),
    )
    return row["ml_per_pulse"] if row else None
