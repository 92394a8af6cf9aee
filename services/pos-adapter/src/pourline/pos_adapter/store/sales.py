"""Sales: each transaction once, pending until the stock's owner has decided."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork


async def begin(unit: UnitOfWork, values: Mapping[str, object]) -> Row:
    """Save a pending sale if its transaction is not there yet; return what is there."""
    await unit.execute(
        """
        INSERT INTO sale (id, transaction_id, location, lines, takings, amount, sold_by, at)
        VALUES (%(id)s, %(transaction_id)s, %(location)s, %(lines)s, %(takings)s, %(amount)s,
                %(sold_by)s, %(at)s)
        ON CONFLICT (transaction_id) DO NOTHING
        """,
        values,
    )
    return await unit.one(
        "SELECT * FROM sale WHERE transaction_id = %s FOR UPDATE", (values["transaction_id"],)
    )


async def find(unit: UnitOfWork, transaction_id: str) -> Row | None:
    """Return a sale, locked until the commit."""
    return await unit.maybe(
        "SELECT * FROM sale WHERE transaction_id = %s FOR UPDATE", (transaction_id,)
    )


async def mark_recorded(unit: UnitOfWork, sale_id: UUID, *, at: datetime) -> None:
    """Note that a sale's stock was taken."""
    await unit.execute("UPDATE sale SET recorded_at = %s WHERE id = %s", (at, sale_id))


async def drop_pending(unit: UnitOfWork, transaction_id: str) -> None:
    """Forget a sale that was refused; nothing was taken for it."""
    await unit.execute(
        "DELETE FROM sale WHERE transaction_id = %s AND recorded_at IS NULL", (transaction_id,)
    )


async def left_pending(unit: UnitOfWork, *, before: datetime, limit: int) -> list[Row]:
    """Return sales that nobody finished."""
    return await unit.all(
        "SELECT * FROM sale WHERE recorded_at IS NULL AND at < %s ORDER BY at LIMIT %s",
        (before, limit),
    )
