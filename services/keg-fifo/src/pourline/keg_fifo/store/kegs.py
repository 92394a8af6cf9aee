"""Beverages, kegs, and which keg was on which tap when."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pourline.keg_fifo.domain import Connection, KegStatus
from pourline.kit.db import Row, UnitOfWork, as_json

KEG_COLUMNS = """
    keg.id, keg.beverage_id, keg.volume_ml, keg.remaining_ml, keg.status, keg.received_at,
    keg.connected_at, keg.disconnected_at, keg.tap_id, keg.version,
    beverage.name AS beverage_name
"""
KEG_FROM = "keg JOIN beverage ON beverage.id = keg.beverage_id"


async def insert_beverage(unit: UnitOfWork, values: Mapping[str, object]) -> Row:
    """Save a new beverage with its first price and return its row."""
    return await unit.one(
        """
        WITH priced AS (
            INSERT INTO beverage_price (beverage_id, from_at, price_per_litre)
            VALUES (%(id)s, %(at)s, %(price_per_litre)s)
        )
        INSERT INTO beverage (id, name, kind, abv, price_per_litre, price_from, created_at)
        VALUES (%(id)s, %(name)s, %(kind)s, %(abv)s, %(price_per_litre)s, %(at)s, %(at)s)
        RETURNING *
        """,
        values,
    )


BEVERAGE = """
    SELECT id, name, kind, abv, created_at, coalesce(
        (SELECT price.price_per_litre FROM beverage_price AS price
         WHERE price.beverage_id = beverage.id AND price.from_at <= clock_timestamp()
         ORDER BY price.from_at DESC LIMIT 1), price_per_litre) AS price_per_litre
    FROM beverage
"""
"""A beverage at the price that is in force now."""


async def find_beverage(unit: UnitOfWork, beverage_id: UUID) -> Row | None:
    """Return a beverage."""
    return await unit.maybe(f"{BEVERAGE} WHERE id = %s", (beverage_id,))


async def list_beverages(unit: UnitOfWork, *, after: UUID | None, limit: int) -> list[Row]:
    """Return beverages in order of creation."""
    return await unit.all(
        f"{BEVERAGE} WHERE %s::uuid IS NULL OR id > %s ORDER BY id LIMIT %s",
        (after, after, limit),
    )


async def save_price(
    unit: UnitOfWork, *, beverage_id: UUID, price_per_litre: int, from_at: datetime
) -> None:
    """Know a beverage's price from an instant on, which may still come."""
    await unit.execute(
        """
        INSERT INTO beverage_price (beverage_id, from_at, price_per_litre) VALUES (%s, %s, %s)
        ON CONFLICT (beverage_id, from_at)
            DO UPDATE SET price_per_litre = excluded.price_per_litre
        """,
        (beverage_id, from_at, price_per_litre),
    )


async def save_tap(
    unit: UnitOfWork, *, tap_id: str, location: str, beverage_id: UUID | None
) -> None:
    """Know a tap."""
    await unit.execute(
        """
        INSERT INTO tap (tap_id, location, beverage_id) VALUES (%s, %s, %s)
        ON CONFLICT (tap_id) DO NOTHING
        """,
        (tap_id, location, beverage_id),
    )


async def lock_tap(unit: UnitOfWork, tap_id: str) -> Row | None:
    """Return a tap, locked until the commit: one swap at a time.

    Its key is left to those who only check that the tap exists, for they hold a keg already.
    """
    return await unit.maybe("SELECT * FROM tap WHERE tap_id = %s FOR NO KEY UPDATE", (tap_id,))


async def insert_keg(unit: UnitOfWork, values: Mapping[str, object]) -> None:
    """Save a received keg."""
    await unit.execute(
        """
        INSERT INTO keg (id, beverage_id, volume_ml, remaining_ml, received_at)
        VALUES (%(id)s, %(beverage_id)s, %(volume_ml)s, %(volume_ml)s, %(received_at)s)
        """,
        values,
    )


async def find_keg(unit: UnitOfWork, keg_id: UUID, *, for_update: bool = False) -> Row | None:
    """Return a keg."""
    lock = "FOR UPDATE OF keg" if for_update else ""
    return await unit.maybe(
        f"SELECT {KEG_COLUMNS} FROM {KEG_FROM} WHERE keg.id = %s {lock}", (keg_id,)
    )


async def id_on_tap(unit: UnitOfWork, tap_id: str) -> UUID | None:
    """Return the keg connected to a tap; it stays so while the tap is locked."""
    row = await unit.maybe("SELECT id FROM keg WHERE tap_id = %s", (tap_id,))
    return row["id"] if row else None


async def keg_on_tap(unit: UnitOfWork, tap_id: str) -> Row | None:
    """Return the keg connected to a tap, locked until the commit."""
    return await unit.maybe(
        f"SELECT {KEG_COLUMNS} FROM {KEG_FROM} WHERE keg.tap_id = %s FOR UPDATE OF keg",
        (tap_id,),
    )


async def list_kegs(
    unit: UnitOfWork,
    *,
    status: str | None,
    beverage_id: UUID | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Row]:
    """Return kegs, oldest receipt first, ties by id."""
    received_at, keg_id = after or (None, None)
    return await unit.all(
        f"""
        SELECT {KEG_COLUMNS} FROM {KEG_FROM}
        WHERE (%s::text IS NULL OR keg.status = %s)
          AND (%s::uuid IS NULL OR keg.beverage_id = %s)
          AND (%s::timestamptz IS NULL OR (keg.received_at, keg.id) > (%s, %s))
        ORDER BY keg.received_at, keg.id LIMIT %s
        """,
        (status, status, beverage_id, beverage_id, received_at, received_at, keg_id, limit),
    )


async def connect(unit: UnitOfWork, *, keg_id: UUID, tap_id: str, at: datetime) -> None:
    """Put a keg on a tap, in its row and in the tap's history."""
    await unit.execute(
        """
        UPDATE keg SET status = 'connected', tap_id = %s, connected_at = %s,
                       disconnected_at = NULL, version = version + 1
        WHERE id = %s
        """,
        (tap_id, at, keg_id),
    )
    await unit.execute(
        "INSERT INTO connection (tap_id, connected_at, keg_id) VALUES (%s, %s, %s)",
        (tap_id, at, keg_id),
    )


async def disconnect(unit: UnitOfWork, *, keg_id: UUID, status: KegStatus, at: datetime) -> None:
    """Take a keg off its tap."""
    await unit.execute(
        """
        UPDATE keg SET status = %s, tap_id = NULL, disconnected_at = %s, version = version + 1
        WHERE id = %s
        """,
        (status.value, at, keg_id),
    )
    await unit.execute(
        "UPDATE connection SET disconnected_at = %s WHERE keg_id = %s AND disconnected_at IS NULL",
        (at, keg_id),
    )


async def last_connected_at(unit: UnitOfWork, tap_id: str) -> datetime | None:
    """Return when a keg was last connected to a tap, if ever."""
    row = await unit.one(
        "SELECT max(connected_at) AS at FROM connection WHERE tap_id = %s", (tap_id,)
    )
    at: datetime | None = row["at"]
    return at


async def list_connections(unit: UnitOfWork, tap_ids: Sequence[str]) -> dict[str, list[Connection]]:
    """Return each tap's history of kegs, in order."""
    rows = await unit.all(
        """
        SELECT tap_id, keg_id, connected_at FROM connection
        WHERE tap_id = ANY(%s) ORDER BY tap_id, connected_at
        """,
        (list(tap_ids),),
    )
    found: dict[str, list[Connection]] = {}
    for row in rows:
        one = Connection(keg_id=row["keg_id"], connected_at=row["connected_at"])
        found.setdefault(row["tap_id"], []).append(one)
    return found


async def lock_kegs(unit: UnitOfWork, keg_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Return kegs, locked in order of id until the commit."""
    rows = await unit.all(
        f"""
        SELECT {KEG_COLUMNS} FROM {KEG_FROM}
        WHERE keg.id = ANY(%s) ORDER BY keg.id FOR UPDATE OF keg
        """,
        (list(keg_ids),),
    )
    return {row["id"]: row for row in rows}


async def save_levels(unit: UnitOfWork, levels: Mapping[UUID, Decimal]) -> None:
    """Set what is left in kegs; one that a late pour empties in stock is no longer in stock."""
    await unit.execute(
        """
        UPDATE keg SET remaining_ml = level.remaining_ml, version = version + 1,
            status = CASE WHEN status = 'in_stock' AND level.remaining_ml = 0
                          THEN 'empty' ELSE status END
        FROM unnest(%s::uuid[], %s::numeric[]) AS level (id, remaining_ml)
        WHERE keg.id = level.id
        """,
        (list(levels), list(levels.values())),
    )


async def list_taken(unit: UnitOfWork, client_tx_ids: Sequence[str]) -> set[str]:
    """Return which of these pours take nothing any more: they took before, or gave it back."""
    rows = await unit.all(
        """
        SELECT client_tx_id FROM keg_taking WHERE client_tx_id = ANY(%(ids)s)
        UNION SELECT client_tx_id FROM keg_return WHERE client_tx_id = ANY(%(ids)s)
        """,
        {"ids": list(client_tx_ids)},
    )
    return {row["client_tx_id"] for row in rows}


async def list_takings(unit: UnitOfWork, client_tx_ids: Sequence[str]) -> list[Row]:
    """Return what these pours took and have not given back: id, keg, taken, shortfall."""
    return await unit.all(
        """
        SELECT client_tx_id, keg_id, taken_ml, shortfall_ml FROM keg_taking
        WHERE client_tx_id = ANY(%s)
          AND NOT EXISTS (SELECT FROM keg_return
                          WHERE keg_return.client_tx_id = keg_taking.client_tx_id)
        """,
        (list(client_tx_ids),),
    )


async def save_returns(unit: UnitOfWork, client_tx_ids: Sequence[str]) -> None:
    """Record that pours give back what they took, and that those still to come take nothing."""
    await unit.execute(
        """
        INSERT INTO keg_return (client_tx_id, keg_id, returned_ml, shortfall_ml)
        SELECT gone.client_tx_id, keg_taking.keg_id, coalesce(keg_taking.taken_ml, 0),
               coalesce(keg_taking.shortfall_ml, 0)
        FROM (SELECT DISTINCT unnest(%s::text[]) AS client_tx_id) AS gone
        LEFT JOIN keg_taking USING (client_tx_id)
        ON CONFLICT (client_tx_id) DO NOTHING
        """,
        (list(client_tx_ids),),
    )


async def save_takings(unit: UnitOfWork, rows: Sequence[tuple[object, ...]]) -> None:
    """Record what each pour took: id, tap, keg, taken, shortfall, start."""
    names = ("client_tx_id", "tap_id", "keg_id", "taken_ml", "shortfall_ml", "started_at")
    await unit.execute(
        """
        INSERT INTO keg_taking (client_tx_id, tap_id, keg_id, taken_ml, shortfall_ml, started_at)
        SELECT * FROM json_to_recordset(%s) AS taking (
            client_tx_id text, tap_id text, keg_id uuid, taken_ml numeric, shortfall_ml numeric,
            started_at timestamptz)
        ON CONFLICT DO NOTHING
        """,
        (as_json([dict(zip(names, row, strict=True)) for row in rows]),),
    )
