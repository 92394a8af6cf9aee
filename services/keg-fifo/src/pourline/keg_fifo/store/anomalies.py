"""What is looked at for being unusual, and what was found."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pourline.keg_fifo.domain.anomalies import DAY_BEGINS_HOUR, Hours
from pourline.kit.db import Row, UnitOfWork, as_json

Channel = tuple[UUID, int]


async def take_unlooked(unit: UnitOfWork, *, limit: int) -> list[Row]:
    """Mark accepted pours as looked at and return them, oldest first."""
    rows = await unit.all(
        """
        UPDATE spout_event SET looked = true
        FROM (SELECT number FROM spout_event WHERE status = 'accepted' AND NOT looked
              ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED) AS fresh
        WHERE spout_event.number = fresh.number
        RETURNING spout_event.device_id, spout_event.channel, spout_event.number,
                  spout_event.item_id, spout_event.volume_ml, spout_event.occurred_at
        """,
        (limit,),
    )
    return sorted(rows, key=lambda row: (row["occurred_at"], row["number"]))


async def sizes_before(
    unit: UnitOfWork, channels: Mapping[Channel, datetime], *, limit: int
) -> dict[Channel, list[Decimal]]:
    """Return the volumes of each channel's last pours before an instant, newest first."""
    rows = await unit.all(
        """
        SELECT asked.device_id, asked.channel, past.volume_ml
        FROM unnest(%s::uuid[], %s::int[], %s::timestamptz[]) AS asked (device_id, channel, at),
             LATERAL (SELECT volume_ml, occurred_at, number FROM spout_event
                      WHERE spout_event.device_id = asked.device_id
                        AND spout_event.channel = asked.channel AND status = 'accepted'
                        AND volume_ml > 0 AND occurred_at < asked.at
                      ORDER BY occurred_at DESC, number DESC LIMIT %s) AS past
        ORDER BY past.occurred_at DESC, past.number DESC
        """,
        (
            [device_id for device_id, _ in channels],
            [channel for _, channel in channels],
            list(channels.values()),
            limit,
        ),
    )
    found: dict[Channel, list[Decimal]] = {one: [] for one in channels}
    for row in rows:
        found[row["device_id"], row["channel"]].append(row["volume_ml"])
    return found


async def hours_of(
    unit: UnitOfWork, device_id: UUID, *, between: tuple[datetime, datetime], zone: str
) -> Hours:
    """Return in which hours of the bar's day a spout poured in a stretch of time."""
    rows = await unit.all(
        """
        SELECT extract(hour FROM occurred_at AT TIME ZONE %(zone)s)::int AS hour,
               count(*) AS pours,
               array_agg(DISTINCT ((occurred_at AT TIME ZONE %(zone)s)
                                   - make_interval(hours => %(begins)s))::date) AS days
        FROM spout_event
        WHERE device_id = %(device_id)s AND status = 'accepted'
          AND occurred_at >= %(first)s AND occurred_at < %(last)s
        GROUP BY 1
        """,
        {
            "device_id": device_id,
            "zone": zone,
            "begins": DAY_BEGINS_HOUR,
            "first": between[0],
            "last": between[1],
        },
    )
    days = {day for row in rows for day in row["days"]}
    return Hours(pours={row["hour"]: row["pours"] for row in rows}, days=len(days))


async def save(unit: UnitOfWork, values: Mapping[str, object]) -> bool:
    """Keep a finding; False where this kind was found of its subject on that day already."""
    return bool(
        await unit.count(
            """
            INSERT INTO anomaly
                (id, kind, subject, business_day, explanation, figures, occurred_at)
            VALUES (%(id)s, %(kind)s, %(subject)s, %(business_day)s, %(explanation)s, %(figures)s,
                    %(occurred_at)s)
            ON CONFLICT (kind, subject, business_day) DO NOTHING
            """,
            dict(values) | {"figures": as_json(values["figures"])},
        )
    )


async def name_of_spouts(unit: UnitOfWork, device_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Return some spouts' names and locations."""
    rows = await unit.all(
        "SELECT device_id, name, location FROM spout WHERE device_id = ANY(%s)",
        (list(device_ids),),
    )
    return {row["device_id"]: row for row in rows}


async def days_looked_at(unit: UnitOfWork, *, since: date) -> set[date]:
    """Return the days of business that were compared with their sales."""
    rows = await unit.all(
        "SELECT business_day FROM day_looked_at WHERE business_day >= %s", (since,)
    )
    return {row["business_day"] for row in rows}


async def close_day(unit: UnitOfWork, day: date) -> bool:
    """Note that a day is compared with its sales; False where another instance did."""
    return bool(
        await unit.count(
            "INSERT INTO day_looked_at (business_day) VALUES (%s) ON CONFLICT DO NOTHING", (day,)
        )
    )


async def poured_and_sold(
    unit: UnitOfWork, *, between: tuple[datetime, datetime], sales_since: datetime
) -> list[Row]:
    """Return what ran and what was sold of each item in a stretch of time, in the item's unit.

    Only items whose sales are told: at least one since `sales_since`.
    """
    return await unit.all(
        """
        SELECT item.id, item.name, item.unit, coalesce(ran.volume_ml, 0) AS poured_ml,
               coalesce(rung.quantity, 0) AS sold
        FROM item
        LEFT JOIN (SELECT item_id, sum(volume_ml) AS volume_ml FROM spout_event
                   WHERE occurred_at >= %(first)s AND occurred_at < %(last)s
                     AND status = 'accepted' GROUP BY item_id) AS ran ON ran.item_id = item.id
        LEFT JOIN (SELECT item_id, sum(quantity) AS quantity FROM sold
                   WHERE at >= %(first)s AND at < %(last)s GROUP BY item_id) AS rung
            ON rung.item_id = item.id
        WHERE ran.volume_ml > 0 AND EXISTS (
            SELECT FROM sold WHERE sold.item_id = item.id AND sold.at >= %(told)s
                               AND sold.at < %(last)s)
        ORDER BY item.id
        """,
        {"first": between[0], "last": between[1], "told": sales_since},
    )
