"""Sales' takings: each transaction once, its items locked while it is decided."""

from collections.abc import Sequence
from uuid import UUID

from pourline.keg_fifo.store.stock import TRACKING
from pourline.kit.db import Row, UnitOfWork, as_json


async def begin(unit: UnitOfWork, transaction_id: str) -> bool:
    """Claim a transaction until the commit; return whether it was not there yet.

    A second one with the same id waits for the first one's end.
    """
    row = await unit.maybe(
        """
        INSERT INTO sale_taking (transaction_id, at) VALUES (%s, %s)
        ON CONFLICT (transaction_id) DO NOTHING RETURNING transaction_id
        """,
        (transaction_id, unit.clock.now()),
    )
    return row is not None


async def save_answer(unit: UnitOfWork, transaction_id: str, items: Sequence[object]) -> None:
    """Keep what a transaction moved, for its repeats."""
    await unit.execute(
        "UPDATE sale_taking SET answer = %s WHERE transaction_id = %s",
        (as_json(items), transaction_id),
    )


async def answer_of(unit: UnitOfWork, transaction_id: str) -> list[Row]:
    """Return what a transaction moved."""
    row = await unit.one(
        "SELECT answer FROM sale_taking WHERE transaction_id = %s", (transaction_id,)
    )
    found: list[Row] = row["answer"]
    return found


async def lock_items(unit: UnitOfWork, item_ids: Sequence[UUID]) -> list[Row]:
    """Return items for a sale in order of id; their stock is locked until the commit.

    `is_tracked` says whether anything moves it, `is_sold` whether sales do.
    """
    return await unit.all(
        """
        SELECT id, name, stock, tracked AS is_tracked,
               tracked AND consumed_by = 'sale' AS is_sold
        FROM item, LATERAL (SELECT tracking_enabled AND NOT EXISTS (
            SELECT FROM config WHERE key = %s AND value = 'false')) AS switch (tracked)
        WHERE id = ANY(%s) ORDER BY id FOR UPDATE OF item
        """,
        (TRACKING, list(item_ids)),
    )


async def moved_otherwise(
    unit: UnitOfWork, transaction_id: str, item_ids: Sequence[UUID]
) -> Row | None:
    """Return an item that something else moved under the same transaction id."""
    return await unit.maybe(
        "SELECT item_id FROM movement WHERE transaction_id = %s AND item_id = ANY(%s) LIMIT 1",
        (transaction_id, list(item_ids)),
    )
