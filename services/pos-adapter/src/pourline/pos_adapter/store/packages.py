"""Items as their owner tells them, packages of them, and what was told of those."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork, as_json

TRACKING = "inventory_tracking_enabled"
"""The switch for all items; on unless the configuration says otherwise."""
TRACKED = """
    item.tracking_enabled AND NOT EXISTS (
        SELECT FROM config WHERE key = 'inventory_tracking_enabled' AND value = 'false')
"""


async def save_items(unit: UnitOfWork, items: Sequence[Mapping[str, object]]) -> None:
    """Know items' names and switches; an older word never wins. Nothing of the stock changes."""
    await unit.execute(
        """
        INSERT INTO item (id, name, tracking_enabled, version)
        SELECT id, name, tracking_enabled, version FROM json_to_recordset(%s) AS told
            (id uuid, name text, tracking_enabled boolean, version bigint)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name,
            tracking_enabled = excluded.tracking_enabled, version = excluded.version,
            is_changed = true
            WHERE item.version < excluded.version
        """,
        (as_json(items),),
    )


async def save_stock(unit: UnitOfWork, stock: Sequence[Mapping[str, object]]) -> None:
    """Know items' stock after a movement; an older number never wins."""
    await unit.execute(
        """
        INSERT INTO item (id, name, tracking_enabled, version, stock, moved)
        SELECT id, '', true, 0, stock, moved FROM json_to_recordset(%s) AS told
            (id uuid, stock numeric, moved bigint)
        ORDER BY id
        ON CONFLICT (id) DO UPDATE SET stock = excluded.stock, moved = excluded.moved,
            is_changed = true
            WHERE item.moved < excluded.moved
        """,
        (as_json(stock),),
    )


async def mark_all_changed(unit: UnitOfWork) -> None:
    """Have every package looked at anew: what is tracked at all is another matter now."""
    await unit.execute("UPDATE item SET is_changed = true WHERE NOT is_changed")


async def known_items(unit: UnitOfWork, item_ids: Sequence[UUID]) -> set[UUID]:
    """Return which items are there; they stay as they are until the commit."""
    rows = await unit.all(
        "SELECT id FROM item WHERE id = ANY(%s) AND version > 0 ORDER BY id FOR SHARE",
        (list(item_ids),),
    )
    return {row["id"] for row in rows}


async def find_item(unit: UnitOfWork, item_id: UUID) -> Row | None:
    """Return an item and whether it is tracked."""
    return await unit.maybe(
        f"SELECT item.*, {TRACKED} AS is_tracked FROM item WHERE id = %s AND version > 0",
        (item_id,),
    )


async def insert_package(unit: UnitOfWork, values: Mapping[str, object]) -> None:
    """Save a package and its parts."""
    await unit.execute(
        """
        INSERT INTO package (id, name, price, created_at)
        VALUES (%(id)s, %(name)s, %(price)s, %(created_at)s)
        """,
        values,
    )
    await unit.execute(
        """
        INSERT INTO package_part (package_id, item_id, quantity, place)
        SELECT %s, item_id, quantity, ordinality
        FROM ROWS FROM (json_to_recordset(%s) AS (item_id uuid, quantity numeric))
            WITH ORDINALITY
        """,
        (values["id"], as_json(values["parts"])),
    )


async def only_one_looks(unit: UnitOfWork) -> bool:
    """Return whether nobody else looks at what changed; nobody will until the commit."""
    row = await unit.one("SELECT pg_try_advisory_xact_lock(hashtextextended('package', 3)) AS mine")
    return bool(row["mine"])


async def packages_that_may_differ(unit: UnitOfWork, limit: int) -> list[UUID]:
    """Return the packages that need an item that changed since they were looked at.

    Whoever makes a package meanwhile holds its items: it is seen here, or it sees what changed.
    """
    rows = await unit.all(
        """
        UPDATE item SET is_changed = false WHERE id IN (
            SELECT id FROM item WHERE is_changed ORDER BY id LIMIT %s FOR UPDATE)
        RETURNING id
        """,
        (limit,),
    )
    if not rows:
        return []
    found = await unit.all(
        "SELECT DISTINCT package_id FROM package_part WHERE item_id = ANY(%s) ORDER BY package_id",
        ([row["id"] for row in rows],),
    )
    return [row["package_id"] for row in found]


LIMITS = f"""
    SELECT DISTINCT ON (part.package_id) part.package_id AS id, item.id AS bottleneck_id,
        item.name AS bottleneck_name, item.stock AS available, part.quantity AS required,
        floor(greatest(item.stock, 0) / part.quantity) AS max_sellable
    FROM package_part AS part JOIN item ON item.id = part.item_id
    WHERE part.package_id = ANY(%s) AND {TRACKED}
    ORDER BY part.package_id, floor(greatest(item.stock, 0) / part.quantity),
        item.stock / part.quantity, item.id
"""
"""How many of packages can be sold: the smallest floor(stock / quantity) over tracked parts (PO-3).

Of parts that allow equally many the one with the least left for its share limits, then the one
with the smaller id; less than nothing in stock sells nothing.
"""


async def limits_of(unit: UnitOfWork, package_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Return how many of packages can be sold and why no more; untracked ones are left out."""
    return {row["id"]: row for row in await unit.all(LIMITS, (list(package_ids),))}


async def save_told(unit: UnitOfWork, package_ids: Sequence[UUID]) -> list[Row]:
    """Save what is told of packages; return those of which something else was told."""
    return await unit.all(
        f"""
        UPDATE package SET told_sellable = fresh.max_sellable,
            told_bottleneck_id = fresh.bottleneck_id, version = version + 1
        FROM unnest(%s::uuid[]) AS wanted (id)
            LEFT JOIN ({LIMITS}) AS fresh ON fresh.id = wanted.id
        WHERE package.id = wanted.id AND (version = 0 OR
            (told_sellable, told_bottleneck_id)
            IS DISTINCT FROM (fresh.max_sellable, fresh.bottleneck_id))
        RETURNING package.*
        """,
        (list(package_ids), list(package_ids)),
    )


async def list_packages(unit: UnitOfWork, *, after: UUID | None, limit: int) -> list[Row]:
    """Return packages in order of creation."""
    return await unit.all(
        "SELECT * FROM package WHERE %s::uuid IS NULL OR id > %s ORDER BY id LIMIT %s",
        (after, after, limit),
    )


async def find_packages(unit: UnitOfWork, package_ids: Sequence[UUID]) -> list[Row]:
    """Return packages."""
    return await unit.all(
        "SELECT * FROM package WHERE id = ANY(%s) ORDER BY id", (list(package_ids),)
    )


async def parts_of(
    unit: UnitOfWork, package_ids: Sequence[UUID]
) -> dict[UUID, dict[UUID, Decimal]]:
    """Return what packages are made of, in the order given at their creation."""
    rows = await unit.all(
        """
        SELECT package_id, item_id, quantity FROM package_part
        WHERE package_id = ANY(%s) ORDER BY package_id, place
        """,
        (list(package_ids),),
    )
    found: dict[UUID, dict[UUID, Decimal]] = {package_id: {} for package_id in package_ids}
    for row in rows:
        found[row["package_id"]][row["item_id"]] = row["quantity"]
    return found


async def packages_with(unit: UnitOfWork, item_id: UUID) -> list[Row]:
    """Return the packages that need an item, and how much of it."""
    return await unit.all(
        """
        SELECT package.*, part.quantity
        FROM package_part AS part JOIN package ON package.id = part.package_id
        WHERE part.item_id = %s ORDER BY package.id
        """,
        (item_id,),
    )
