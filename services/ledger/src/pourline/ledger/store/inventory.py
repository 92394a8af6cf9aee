"""The inventory ledger's rows, and the snapshot of each item beside them."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork, as_json

TRACKING = "inventory_tracking_enabled"
"""The switch for all items; on unless the configuration says otherwise."""
SHOWN = f"""
    item_id, name, unit, current_stock, low_stock_threshold, last_activity_at, version,
    low_stock_threshold IS NOT NULL AND current_stock <= low_stock_threshold AS low_stock,
    current_stock < 0 AS negative,
    tracking_enabled AND NOT EXISTS (
        SELECT FROM config WHERE key = '{TRACKING}' AND value = 'false') AS tracking_enabled
"""
"""A snapshot's row as it is shown."""


async def book_movements(unit: UnitOfWork, movements: Sequence[Mapping[str, object]]) -> list[Row]:
    """Book movements that are not in the books yet; return the rows of the items they moved.

    The snapshot is the sum of an item's entries, in whatever order they come.
    """
    return await unit.all(
        f"""
        WITH told AS (
            SELECT * FROM json_to_recordset(%s) AS movement (
                id uuid, item_id uuid, delta numeric, source text, reason text, actor text,
                transaction_id text, at timestamptz, occurred_at timestamptz)
        ), booked AS (
            INSERT INTO inventory_entry (id, item_id, delta, source, reason, actor, transaction_id,
                                         at, occurred_at)
            SELECT id, item_id, delta, source, reason, actor, transaction_id, at, occurred_at
            FROM told ORDER BY at, id
            ON CONFLICT DO NOTHING
            RETURNING item_id, delta, at
        ), sums AS (
            SELECT item_id, sum(delta) AS delta, max(at) AS at FROM booked GROUP BY item_id
        )
        INSERT INTO inventory_item (item_id, current_stock, last_activity_at, version)
        SELECT item_id, delta, at, 1 FROM sums ORDER BY item_id
        ON CONFLICT (item_id) DO UPDATE
            SET current_stock = inventory_item.current_stock + excluded.current_stock,
                last_activity_at =
                    greatest(inventory_item.last_activity_at, excluded.last_activity_at),
                version = inventory_item.version + 1
        RETURNING {SHOWN}, facts_version
        """,
        (as_json(movements),),
    )


async def save_facts(unit: UnitOfWork, facts: Mapping[str, object]) -> Row | None:
    """Know an item's facts unless newer ones are known; return its row if they are."""
    return await unit.maybe(
        f"""
        INSERT INTO inventory_item (item_id, name, unit, low_stock_threshold, tracking_enabled,
                                    facts_version, version)
        VALUES (%(item_id)s, %(name)s, %(unit)s, %(low_stock_threshold)s, %(tracking_enabled)s,
                %(version)s, 1)
        ON CONFLICT (item_id) DO UPDATE
            SET name = excluded.name, unit = excluded.unit,
                low_stock_threshold = excluded.low_stock_threshold,
                tracking_enabled = excluded.tracking_enabled,
                facts_version = excluded.facts_version, version = inventory_item.version + 1
            WHERE inventory_item.facts_version < excluded.facts_version
        RETURNING {SHOWN}
        """,
        facts,
    )


async def touch_tracked(unit: UnitOfWork) -> list[Row]:
    """Give a new version to every item whose own switch is on: the one for all was turned."""
    await unit.execute("SELECT FROM inventory_item ORDER BY item_id FOR UPDATE")
    return await unit.all(
        f"""
        UPDATE inventory_item SET version = version + 1
        WHERE tracking_enabled AND facts_version > 0 RETURNING {SHOWN}
        """
    )


async def is_tracking(unit: UnitOfWork) -> bool:
    """Return whether the switch for all items is on."""
    row = await unit.maybe("SELECT value FROM config WHERE key = %s", (TRACKING,))
    return row is None or row["value"] is not False


async def list_items(unit: UnitOfWork, *, after: UUID | None, limit: int) -> list[Row]:
    """Return the snapshot's rows in order of the items' creation."""
    where = "facts_version > 0" + (" AND item_id > %s" if after else "")
    return await unit.all(
        f"SELECT {SHOWN} FROM inventory_item WHERE {where} ORDER BY item_id LIMIT %s",
        (after, limit) if after else (limit,),
    )


async def knows_item(unit: UnitOfWork, item_id: UUID) -> bool:
    """Return whether an item is known."""
    row = await unit.maybe(
        "SELECT 1 FROM inventory_item WHERE item_id = %s AND facts_version > 0", (item_id,)
    )
    return row is not None


async def list_entries(
    unit: UnitOfWork, *, item_id: UUID | None, before: int | None, limit: int
) -> list[Row]:
    """Return entries, newest first, older than number `before`."""
    filters: dict[str, object] = {"item_id = %s": item_id, "number < %s": before}
    given = {clause: value for clause, value in filters.items() if value is not None}
    where = " AND ".join(given) or "true"
    return await unit.all(
        f"""
        SELECT id, number, item_id, delta, source, reason, actor, transaction_id, at, occurred_at
        FROM inventory_entry WHERE {where} ORDER BY number DESC LIMIT %s
        """,
        [*given.values(), limit],
    )
