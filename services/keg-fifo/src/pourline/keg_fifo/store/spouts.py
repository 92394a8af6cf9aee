"""Spouts, their calibrations and what they poured."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pourline.keg_fifo.domain import Calibration, Drink, SpoutReport
from pourline.kit.db import Row, UnitOfWork

Channel = tuple[UUID, int]


async def save_spout(unit: UnitOfWork, values: Mapping[str, object]) -> None:
    """Know a spout; an older word never wins."""
    await unit.execute(
        """
        INSERT INTO spout (device_id, name, vendor, location, active, version)
        VALUES (%(device_id)s, %(name)s, %(vendor)s, %(location)s, %(active)s, %(version)s)
        ON CONFLICT (device_id) DO UPDATE
            SET name = excluded.name, vendor = excluded.vendor, location = excluded.location,
                active = excluded.active, version = excluded.version
            WHERE spout.version < excluded.version
        """,
        values,
    )


async def lock_reporting(unit: UnitOfWork, reports: Sequence[SpoutReport]) -> set[UUID]:
    """Return the active ones of the devices that report, locked until the commit.

    A device whose registration is still on its way is known from now on, under its vendor's name.
    """
    devices = {report.device_id: report for report in reports}
    known = [devices[device_id] for device_id in sorted(devices)]
    await unit.execute(
        """
        INSERT INTO spout (device_id, name, vendor, location, active, version)
        SELECT device_id, vendor, vendor, location, true, 0
        FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS fresh (device_id, vendor, location)
        ORDER BY device_id
        ON CONFLICT (device_id) DO NOTHING
        """,
        (
            [one.device_id for one in known],
            [one.vendor for one in known],
            [one.location for one in known],
        ),
    )
    rows = await unit.all(
        """
        SELECT device_id, active FROM spout WHERE device_id = ANY(%s)
        ORDER BY device_id FOR UPDATE
        """,
        (sorted(devices),),
    )
    return {row["device_id"] for row in rows if row["active"]}


async def lock_spout(unit: UnitOfWork, device_id: UUID) -> Row | None:
    """Return a spout, locked until the commit: no pour of it is decided meanwhile."""
    return await unit.maybe("SELECT * FROM spout WHERE device_id = %s FOR UPDATE", (device_id,))


async def find_spout(unit: UnitOfWork, device_id: UUID) -> Row | None:
    """Return a spout."""
    return await unit.maybe("SELECT * FROM spout WHERE device_id = %s", (device_id,))


async def note_seen(unit: UnitOfWork, seen: Mapping[UUID, datetime]) -> None:
    """Note when spouts were last heard of."""
    await unit.execute(
        """
        UPDATE spout SET last_seen_at = greatest(last_seen_at, heard.at)
        FROM unnest(%s::uuid[], %s::timestamptz[]) AS heard (device_id, at)
        WHERE spout.device_id = heard.device_id
        """,
        (list(seen), list(seen.values())),
    )


async def save_calibration(unit: UnitOfWork, values: Mapping[str, object]) -> Row:
    """Set a channel's item and millilitres a pulse from an instant on."""
    return await unit.one(
        """
        INSERT INTO calibration (id, device_id, channel, item_id, ml_per_pulse, effective_from,
                                 source, samples, spread)
        VALUES (%(id)s, %(device_id)s, %(channel)s, %(item_id)s, %(ml_per_pulse)s, %(at)s,
                %(source)s, %(samples)s, %(spread)s)
        ON CONFLICT (device_id, channel, effective_from)
            DO UPDATE SET item_id = excluded.item_id, ml_per_pulse = excluded.ml_per_pulse,
                source = excluded.source, samples = excluded.samples, spread = excluded.spread
        RETURNING *
        """,
        values,
    )


async def list_calibrations(
    unit: UnitOfWork, device_ids: Sequence[UUID]
) -> dict[Channel, list[Calibration]]:
    """Return the calibrations of devices by channel, in order."""
    rows = await unit.all(
        """
        SELECT device_id, channel, item_id, ml_per_pulse, effective_from FROM calibration
        WHERE device_id = ANY(%s) ORDER BY device_id, channel, effective_from
        """,
        (list(device_ids),),
    )
    found: dict[Channel, list[Calibration]] = {}
    for row in rows:
        one = Calibration(
            item_id=row["item_id"],
            ml_per_pulse=row["ml_per_pulse"],
            effective_from=row["effective_from"],
        )
        found.setdefault((row["device_id"], row["channel"]), []).append(one)
    return found


async def find_stored(
    unit: UnitOfWork, reports: Sequence[SpoutReport]
) -> dict[tuple[UUID, str], Row]:
    """Return those of the reported events that are stored already."""
    rows = await unit.all(
        """
        SELECT device_id, event_id, digest, status, volume_ml FROM spout_event
        JOIN unnest(%s::uuid[], %s::text[]) AS asked (device_id, event_id)
            USING (device_id, event_id)
        """,
        ([one.device_id for one in reports], [one.event_id for one in reports]),
    )
    return {(row["device_id"], row["event_id"]): row for row in rows}


async def save_events(
    unit: UnitOfWork, reports: Sequence[SpoutReport], drinks: Mapping[tuple[UUID, str], Drink]
) -> None:
    """Keep new events: accepted with their drink, else uncalibrated."""
    rows = [_event_row(report, drinks.get(report.key)) for report in reports]
    await unit.execute(
        """
        INSERT INTO spout_event (device_id, event_id, channel, pulses, digest, occurred_at,
                                 received_at, status, item_id, volume_ml, quantity)
        SELECT device_id, event_id, channel, pulses, digest, occurred_at, received_at, status,
               item_id, volume_ml, quantity
        FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::bigint[], %s::bytea[],
                    %s::timestamptz[], %s::timestamptz[], %s::text[], %s::uuid[], %s::numeric[],
                    %s::numeric[])
            WITH ORDINALITY AS fresh (device_id, event_id, channel, pulses, digest, occurred_at,
                received_at, status, item_id, volume_ml, quantity, place)
        ORDER BY place
        """,
        [list(column) for column in zip(*rows, strict=True)],
    )


def _event_row(report: SpoutReport, drink: Drink | None) -> tuple[Any, ...]:
    return (
        report.device_id,
        report.event_id,
        report.channel,
        report.pulses,
        report.digest,
        report.occurred_at,
        report.received_at,
        "accepted" if drink else "uncalibrated",
        drink and drink.item_id,
        drink and drink.volume_ml,
        drink and drink.quantity,
    )


async def uncalibrated_events(
    unit: UnitOfWork, *, device_id: UUID, channel: int, limit: int
) -> list[Row]:
    """Return a channel's events that wait for a calibration, oldest first."""
    return await unit.all(
        """
        SELECT device_id, event_id, pulses, occurred_at FROM spout_event
        WHERE device_id = %s AND channel = %s AND status = 'uncalibrated'
        ORDER BY occurred_at, number LIMIT %s
        """,
        (device_id, channel, limit),
    )


async def mark_booked(unit: UnitOfWork, drinks: Sequence[Drink]) -> None:
    """Accept events that had waited for a calibration."""
    await unit.execute(
        """
        UPDATE spout_event SET status = 'accepted', item_id = booked.item_id,
                               volume_ml = booked.volume_ml, quantity = booked.quantity
        FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::numeric[], %s::numeric[])
            AS booked (device_id, event_id, item_id, volume_ml, quantity)
        WHERE spout_event.device_id = booked.device_id AND spout_event.event_id = booked.event_id
        """,
        (
            [drink.device_id for drink in drinks],
            [drink.event_id for drink in drinks],
            [drink.item_id for drink in drinks],
            [drink.volume_ml for drink in drinks],
            [drink.quantity for drink in drinks],
        ),
    )


async def list_events(
    unit: UnitOfWork,
    *,
    device_id: UUID | None,
    between: tuple[datetime | None, datetime | None],
    before: tuple[datetime, int] | None,
    limit: int,
) -> list[Row]:
    """Return spout events, newest first, from and to the given instants, both included."""
    first, last = between
    filters: dict[str, tuple[object, ...]] = {
        "device_id = %s": (device_id,),
        "occurred_at >= %s": (first,),
        "occurred_at <= %s": (last,),
        "(occurred_at, number) < (%s, %s)": before or (None,),
    }
    given = {clause: values for clause, values in filters.items() if values[0] is not None}
    where = " AND ".join(given) or "true"
    return await unit.all(
        f"SELECT * FROM spout_event WHERE {where} ORDER BY occurred_at DESC, number DESC LIMIT %s",
        [*(value for values in given.values() for value in values), limit],
    )


async def save_dead_letter(
    unit: UnitOfWork, *, consumer: str, subject: str, payload: bytes, reason: str, at: datetime
) -> None:
    """Keep a payload that was rejected."""
    await unit.execute(
        """
        INSERT INTO dead_letter
            (consumer, subject, payload, headers, reason, deliveries, received_at)
        VALUES (%s, %s, %s, '{}', %s, 1, %s)
        """,
        (consumer, subject, payload, reason, at),
    )
