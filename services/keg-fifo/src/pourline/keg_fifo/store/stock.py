"""Items, batches, what was taken from them and what they could not cover."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pourline.keg_fifo.domain import Batch, BatchTaking, Consumption, Item, Need, Unit
from pourline.kit.db import Row, UnitOfWork

TRACKING = "inventory_tracking_enabled"
"""The switch for all items; on unless the configuration says otherwise."""


async def insert_item(unit: UnitOfWork, values: Mapping[str, object]) -> Row:
    """Save a new item and return its row."""
    return await unit.one(
        """
        INSERT INTO item (id, name, unit, low_stock_threshold, tracking_enabled, consumed_by,
                          created_at)
        VALUES (%(id)s, %(name)s, %(unit)s, %(low_stock_threshold)s, %(tracking_enabled)s,
                %(consumed_by)s, %(at)s)
        RETURNING *
        """,
        values,
    )


async def find_item(unit: UnitOfWork, item_id: UUID, *, for_update: bool = False) -> Row | None:
    """Return an item, with its stock locked until the commit if `for_update`."""
    lock = "FOR UPDATE" if for_update else ""
    return await unit.maybe(f"SELECT * FROM item WHERE id = %s {lock}", (item_id,))


async def list_items(unit: UnitOfWork, *, after: UUID | None, limit: int) -> list[Row]:
    """Return items in order of creation."""
    return await unit.all(
        "SELECT * FROM item WHERE %s::uuid IS NULL OR id > %s ORDER BY id LIMIT %s",
        (after, after, limit),
    )


async def lock_items(unit: UnitOfWork, item_ids: Sequence[UUID]) -> dict[UUID, Item]:
    """Return items; their stock is locked, in order of id, until the commit."""
    rows = await unit.all(
        """
        SELECT id, unit, tracking_enabled AND NOT EXISTS (
                   SELECT FROM config WHERE key = %s AND value = 'false') AS tracking_enabled
        FROM item WHERE id = ANY(%s) ORDER BY id FOR UPDATE
        """,
        (TRACKING, list(item_ids)),
    )
    return {
        row["id"]: Item(
            id=row["id"], unit=Unit(row["unit"]), tracking_enabled=row["tracking_enabled"]
        )
        for row in rows
    }


async def mark_poured(unit: UnitOfWork, item_id: UUID) -> Row | None:
    """Have an item's stock moved by measured pours instead of sales; return it if it was not."""
    return await unit.maybe(
        """
        UPDATE item SET consumed_by = 'pour', version = version + 1
        WHERE id = %s AND consumed_by <> 'pour' RETURNING *
        """,
        (item_id,),
    )


async def change_item(unit: UnitOfWork, item_id: UUID, values: Mapping[str, object]) -> Row | None:
    """Set an item's facts, those that are None stay; return it if anything is another."""
    return await unit.maybe(
        """
        UPDATE item SET name = fresh.name, low_stock_threshold = fresh.threshold,
                        tracking_enabled = fresh.tracking, version = version + 1
        FROM (SELECT id, coalesce(%(name)s, name) AS name,
                     coalesce(%(low_stock_threshold)s, low_stock_threshold) AS threshold,
                     coalesce(%(tracking_enabled)s, tracking_enabled) AS tracking
              FROM item WHERE id = %(id)s) AS fresh
        WHERE item.id = fresh.id
          AND (item.name, item.low_stock_threshold, item.tracking_enabled)
              IS DISTINCT FROM (fresh.name, fresh.threshold, fresh.tracking)
        RETURNING item.*
        """,
        {"id": item_id, **values},
    )


async def insert_batch(unit: UnitOfWork, values: Mapping[str, object]) -> Row:
    """Save a received batch, still full, and return its row."""
    return await unit.one(
        """
        INSERT INTO batch (id, item_id, quantity, remaining, received_at)
        VALUES (%(id)s, %(item_id)s, %(quantity)s, %(quantity)s, %(received_at)s)
        RETURNING *
        """,
        values,
    )


async def find_batch(unit: UnitOfWork, batch_id: UUID) -> Row:
    """Return a batch that is there."""
    return await unit.one("SELECT * FROM batch WHERE id = %s", (batch_id,))


async def list_batches(
    unit: UnitOfWork, *, item_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[Row]:
    """Return an item's batches, oldest first, ties by id."""
    received_at, batch_id = after or (None, None)
    return await unit.all(
        """
        SELECT * FROM batch
        WHERE item_id = %s
          AND (%s::timestamptz IS NULL OR (received_at, id) > (%s, %s))
        ORDER BY received_at, id LIMIT %s
        """,
        (item_id, received_at, received_at, batch_id, limit),
    )


async def batches_for(unit: UnitOfWork, item_id: UUID, quantity: Decimal) -> list[Batch]:
    """Return the oldest batches with stock, as many as `quantity` reaches; lock the item first."""
    rows = await unit.all(
        """
        SELECT id, remaining FROM (
            SELECT id, remaining, received_at,
                   sum(remaining) OVER (ORDER BY received_at, id) - remaining AS ahead
            FROM batch WHERE item_id = %s AND remaining > 0
        ) AS standing
        WHERE ahead < %s ORDER BY received_at, id
        """,
        (item_id, quantity),
    )
    return [Batch(id=row["id"], remaining=row["remaining"]) for row in rows]


async def open_shortfalls_for(unit: UnitOfWork, item_id: UUID, quantity: Decimal) -> list[Need]:
    """Return the oldest open shortfalls, as many as `quantity` reaches; lock the item first."""
    rows = await unit.all(
        """
        SELECT device_id, event_id, open_quantity FROM (
            SELECT id, device_id, event_id, open_quantity,
                   sum(open_quantity) OVER (ORDER BY id) - open_quantity AS ahead
            FROM shortfall WHERE item_id = %s AND open_quantity > 0
        ) AS waiting
        WHERE ahead < %s ORDER BY id
        """,
        (item_id, quantity),
    )
    return [
        Need(device_id=row["device_id"], event_id=row["event_id"], quantity=row["open_quantity"])
        for row in rows
    ]


async def save_consumption(unit: UnitOfWork, item_id: UUID, consumption: Consumption) -> None:
    """Take from batches what events took, and record what was short."""
    await save_takings(unit, consumption.takings)
    if not consumption.shortfalls:
        return
    await unit.execute(
        """
        INSERT INTO shortfall (item_id, device_id, event_id, quantity, open_quantity)
        SELECT %s, device_id, event_id, quantity, quantity
        FROM unnest(%s::uuid[], %s::text[], %s::numeric[])
            WITH ORDINALITY AS short (device_id, event_id, quantity, place)
        ORDER BY place
        """,
        (item_id, *_columns(consumption.shortfalls)),
    )


async def settle_shortfalls(unit: UnitOfWork, takings: Sequence[BatchTaking]) -> None:
    """Take from a received batch what events before it had been short of."""
    if not takings:
        return
    await save_takings(unit, takings)
    await unit.execute(
        """
        UPDATE shortfall SET open_quantity = open_quantity - settled.quantity
        FROM unnest(%s::uuid[], %s::text[], %s::numeric[])
            AS settled (device_id, event_id, quantity)
        WHERE shortfall.device_id = settled.device_id AND shortfall.event_id = settled.event_id
        """,
        _columns(takings),
    )


async def save_takings(unit: UnitOfWork, takings: Sequence[BatchTaking]) -> None:
    """Record what events took from batches, and take it from them."""
    if not takings:
        return
    await unit.execute(
        """
        WITH taken AS (
            INSERT INTO batch_taking (batch_id, device_id, event_id, quantity)
            SELECT batch_id, device_id, event_id, quantity
            FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::numeric[])
                WITH ORDINALITY AS fresh (batch_id, device_id, event_id, quantity, place)
            ORDER BY place
            RETURNING batch_id, quantity
        )
        UPDATE batch SET remaining = remaining - summed.quantity
        FROM (SELECT batch_id, sum(quantity) AS quantity FROM taken GROUP BY batch_id) AS summed
        WHERE batch.id = summed.batch_id
        """,
        ([taking.batch_id for taking in takings], *_columns(takings)),
    )


def _columns(rows: Sequence[BatchTaking] | Sequence[Need]) -> tuple[list[object], ...]:
    return (
        [row.device_id for row in rows],
        [row.event_id for row in rows],
        [row.quantity for row in rows],
    )
