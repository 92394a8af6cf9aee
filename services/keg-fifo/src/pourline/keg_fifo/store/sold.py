"""What was sold of items, and what packages are made of: a copy, to compare with what ran."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pourline.kit.db import UnitOfWork


async def save_package(
    unit: UnitOfWork, package_id: str, parts: Mapping[UUID, Decimal], *, version: int
) -> None:
    """Know what a package is made of; an older word never wins."""
    known = await unit.one(
        "SELECT coalesce(max(version), 0) AS version FROM package_part WHERE package_id = %s",
        (package_id,),
    )
    if known["version"] > version:
        return
    await unit.execute("DELETE FROM package_part WHERE package_id = %s", (package_id,))
    await unit.execute(
        """
        INSERT INTO package_part (package_id, item_id, quantity, version)
        SELECT %s, item_id, quantity, %s FROM unnest(%s::uuid[], %s::numeric[])
            AS part (item_id, quantity)
        """,
        (package_id, version, list(parts), list(parts.values())),
    )


async def parts_of(unit: UnitOfWork, package_id: str) -> dict[UUID, Decimal]:
    """Return what a package is made of; nothing where it is not known."""
    rows = await unit.all(
        "SELECT item_id, quantity FROM package_part WHERE package_id = %s", (package_id,)
    )
    return {row["item_id"]: row["quantity"] for row in rows}


async def save_sale(
    unit: UnitOfWork, sale_id: str, quantities: Mapping[UUID, Decimal], *, at: datetime
) -> None:
    """Know what a sale sold of each item, in the item's unit."""
    await unit.execute(
        """
        INSERT INTO sold (sale_id, item_id, quantity, at)
        SELECT %s, item_id, quantity, %s FROM unnest(%s::uuid[], %s::numeric[])
            AS line (item_id, quantity)
        ON CONFLICT DO NOTHING
        """,
        (sale_id, at, list(quantities), list(quantities.values())),
    )
