"""What auth-lock keeps of beverages: names, strengths, prices in time, and the taps they are on."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pourline.kit.db import UnitOfWork


async def taps_of_beverage(unit: UnitOfWork, beverage_id: UUID) -> list[str]:
    """Return the taps that pour a beverage."""
    rows = await unit.all("SELECT id FROM tap WHERE beverage_id = %s", (beverage_id,))
    return [row["id"] for row in rows]


async def save_beverage(
    unit: UnitOfWork,
    *,
    beverage_id: UUID,
    name: str,
    kind: str | None = None,
    abv: Decimal | None = None,
) -> None:
    """Know a beverage's name, and its kind and strength where they are told."""
    await unit.execute(
        """
        INSERT INTO beverage (beverage_id, name, kind, abv) VALUES (%s, %s, %s, %s)
        ON CONFLICT (beverage_id) DO UPDATE SET name = excluded.name,
            kind = coalesce(excluded.kind, beverage.kind),
            abv = coalesce(excluded.abv, beverage.abv)
        """,
        (beverage_id, name, kind, abv),
    )


async def save_price(
    unit: UnitOfWork, *, beverage_id: UUID, from_at: datetime, price_per_litre: int
) -> None:
    """Know a beverage's price from an instant on."""
    await unit.execute(
        """
        INSERT INTO price (beverage_id, from_at, price_per_litre) VALUES (%s, %s, %s)
        ON CONFLICT (beverage_id, from_at)
            DO UPDATE SET price_per_litre = excluded.price_per_litre
        """,
        (beverage_id, from_at, price_per_litre),
    )


async def touch_repriced(unit: UnitOfWork, *, since: datetime, until: datetime) -> None:
    """Have the states told again of taps whose price began in a stretch of time."""
    await unit.execute(
        """
        UPDATE tap SET state_version = state_version + 1 WHERE id IN (
            SELECT id FROM tap WHERE beverage_id IN (
                SELECT beverage_id FROM price WHERE from_at > %s AND from_at <= %s)
            ORDER BY id FOR UPDATE)
        """,
        (since, until),
    )
