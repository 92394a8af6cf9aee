"""Movements of stock: each with its number and the stock after it; counts and the switch."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pourline.keg_fifo.domain import Movement
from pourline.kit.db import Row, UnitOfWork, as_json


async def save_movements(unit: UnitOfWork, movements: Sequence[Movement]) -> list[Row]:
    """Save movements and each item's stock after them, in the order given; lock the items first.

    Return the saved rows in that order.
    """
    before = await _move_items(unit, movements)
    rows = []
    for one in movements:
        stock, number = before[one.item_id]
        before[one.item_id] = stock + one.delta, number + 1
        rows.append(_row(one, stock + one.delta, number + 1, unit.clock.now()))
    await unit.execute(
        """
        INSERT INTO movement (id, item_id, number, delta, stock_after, source, reason, actor,
                              transaction_id, at, occurred_at)
        SELECT id, item_id, number, delta, stock_after, source, reason, actor, transaction_id, at,
               occurred_at
        FROM json_to_recordset(%s) AS fresh (
            id uuid, item_id uuid, number bigint, delta numeric, stock_after numeric, source text,
            reason text, actor text, transaction_id text, at timestamptz, occurred_at timestamptz)
        """,
        (as_json(rows),),
    )
    await _note_since_count(unit, movements)
    return rows


async def _move_items(
    unit: UnitOfWork, movements: Sequence[Movement]
) -> dict[UUID, tuple[Decimal, int]]:
    """Move the items' running stock; return what it and its number were before."""
    rows = await unit.all(
        """
        UPDATE item SET stock = stock + sums.delta, moved = moved + sums.movements
        FROM (SELECT item_id, sum(delta) AS delta, count(*) AS movements
              FROM json_to_recordset(%s) AS fresh (item_id uuid, delta numeric)
              GROUP BY item_id) AS sums
        WHERE item.id = sums.item_id
        RETURNING item.id, stock - sums.delta AS stock, moved - sums.movements AS moved
        """,
        (as_json([{"item_id": one.item_id, "delta": one.delta} for one in movements]),),
    )
    return {row["id"]: (row["stock"], row["moved"]) for row in rows}


def _row(one: Movement, stock_after: Decimal, number: int, at: datetime) -> Row:
    return {
        "id": one.id,
        "item_id": one.item_id,
        "number": number,
        "delta": one.delta,
        "stock_after": stock_after,
        "source": one.source.value,
        "reason": one.reason,
        "actor": one.actor,
        "transaction_id": one.transaction_id,
        "at": at,
        "occurred_at": one.occurred_at,
    }


async def _note_since_count(unit: UnitOfWork, movements: Sequence[Movement]) -> None:
    await unit.execute(
        """
        INSERT INTO moved_since_count (item_id, source, delta)
        SELECT item_id, source, sum(delta)
        FROM json_to_recordset(%s) AS fresh (item_id uuid, source text, delta numeric)
        GROUP BY item_id, source
        ON CONFLICT (item_id, source)
            DO UPDATE SET delta = moved_since_count.delta + excluded.delta
        """,
        (
            as_json(
                [
                    {"item_id": one.item_id, "source": one.source.value, "delta": one.delta}
                    for one in movements
                ]
            ),
        ),
    )


async def moved_since_count(unit: UnitOfWork, item_id: UUID) -> dict[str, Decimal]:
    """Return what moved an item since its last count, by source."""
    rows = await unit.all(
        "SELECT source, delta FROM moved_since_count WHERE item_id = %s", (item_id,)
    )
    return {row["source"]: row["delta"] for row in rows}


async def begin_anew(unit: UnitOfWork, item_id: UUID, counted_at: datetime) -> None:
    """Note that an item was counted."""
    await unit.execute("DELETE FROM moved_since_count WHERE item_id = %s", (item_id,))
    await unit.execute("UPDATE item SET counted_at = %s WHERE id = %s", (counted_at, item_id))
