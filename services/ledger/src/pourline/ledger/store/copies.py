"""What the ledger keeps of others' data: visits, cards, kegs on taps, prices."""

from datetime import datetime
from uuid import UUID

from pourline.kit.db import UnitOfWork


async def save_visit(
    unit: UnitOfWork, *, visit_id: UUID, guest_id: UUID, opened_at: datetime
) -> None:
    """Know a visit."""
    await unit.execute(
        """
        INSERT INTO visit (visit_id, guest_id, opened_at) VALUES (%s, %s, %s)
        ON CONFLICT (visit_id) DO UPDATE SET opened_at = excluded.opened_at
        """,
        (visit_id, guest_id, opened_at),
    )


async def close_visit(
    unit: UnitOfWork, *, visit_id: UUID, guest_id: UUID, closed_at: datetime
) -> None:
    """Know when a visit ended, even before its opening came."""
    await unit.execute(
        """
        INSERT INTO visit (visit_id, guest_id, opened_at, closed_at) VALUES (%s, %s, %s, %s)
        ON CONFLICT (visit_id) DO UPDATE SET closed_at = excluded.closed_at
        """,
        (visit_id, guest_id, closed_at, closed_at),
    )


async def bind_card(unit: UnitOfWork, *, card_uid: str, visit_id: UUID, bound_at: datetime) -> None:
    """Know whose a card is; an older binding never undoes a newer one."""
    await unit.execute(
        """
        INSERT INTO card (card_uid, visit_id, bound_at) VALUES (%s, %s, %s)
        ON CONFLICT (card_uid) DO UPDATE
            SET visit_id = excluded.visit_id, bound_at = excluded.bound_at
            WHERE card.bound_at <= excluded.bound_at
        """,
        (card_uid, visit_id, bound_at),
    )


async def connect_keg(
    unit: UnitOfWork, *, tap_id: str, keg_id: UUID, beverage_id: UUID, at: datetime
) -> None:
    """Know that a keg is on a tap."""
    await unit.execute(
        """
        INSERT INTO tap_keg (tap_id, connected_at, keg_id, beverage_id) VALUES (%s, %s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (tap_id, at, keg_id, beverage_id),
    )


async def disconnect_keg(unit: UnitOfWork, *, tap_id: str, keg_id: UUID, at: datetime) -> None:
    """Know that a keg is off its tap; a later connection of the same keg stays."""
    await unit.execute(
        """
        UPDATE tap_keg SET disconnected_at = %(at)s
        WHERE tap_id = %(tap_id)s AND keg_id = %(keg_id)s AND disconnected_at IS NULL
          AND connected_at = (SELECT max(connected_at) FROM tap_keg
              WHERE tap_id = %(tap_id)s AND keg_id = %(keg_id)s AND connected_at <= %(at)s)
        """,
        {"at": at, "tap_id": tap_id, "keg_id": keg_id},
    )


async def save_price(
    unit: UnitOfWork, *, beverage_id: UUID, from_at: datetime, price_per_litre: int
) -> None:
    """Set a beverage's price from an instant on."""
    await unit.execute(
        """
        INSERT INTO price (beverage_id, from_at, price_per_litre) VALUES (%s, %s, %s)
        ON CONFLICT (beverage_id, from_at)
            DO UPDATE SET price_per_litre = excluded.price_per_litre
        """,
        (beverage_id, from_at, price_per_litre),
    )


async def has_price(unit: UnitOfWork, beverage_id: UUID) -> bool:
    """Return whether a beverage is known by its price."""
    row = await unit.maybe("SELECT 1 FROM price WHERE beverage_id = %s LIMIT 1", (beverage_id,))
    return row is not None
