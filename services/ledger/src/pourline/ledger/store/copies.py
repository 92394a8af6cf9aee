"""What the ledger keeps of others' data: visits, cards, taps, kegs on them, prices, settings."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork, as_json


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


async def price_of(unit: UnitOfWork, beverage_id: UUID, *, at: datetime) -> int | None:
    """Return what a beverage costs at an instant, or from its first on; None for one unknown."""
    row = await unit.maybe(
        """
        SELECT price_per_litre FROM price WHERE beverage_id = %(beverage_id)s
        ORDER BY from_at <= %(at)s DESC, CASE WHEN from_at <= %(at)s THEN from_at END DESC, from_at
        LIMIT 1
        """,
        {"beverage_id": beverage_id, "at": at},
    )
    return row["price_per_litre"] if row else None


async def find_visit(unit: UnitOfWork, visit_id: UUID) -> Row | None:
    """Return a visit's guest, opening and end."""
    return await unit.maybe("SELECT * FROM visit WHERE visit_id = %s", (visit_id,))


async def save_tap(
    unit: UnitOfWork, *, tap_id: str, location: str, reader_profile: str, beverage_id: UUID | None
) -> None:
    """Know where a tap is, how its reader writes card ids and what it was made for."""
    await unit.execute(
        """
        INSERT INTO tap (tap_id, location, reader_profile, beverage_id) VALUES (%s, %s, %s, %s)
        ON CONFLICT (tap_id) DO UPDATE
            SET location = excluded.location, reader_profile = excluded.reader_profile,
                beverage_id = excluded.beverage_id
        """,
        (tap_id, location, reader_profile, beverage_id),
    )


async def location_of(unit: UnitOfWork, tap_id: str) -> str:
    """Return where a tap is; the one location there is, for a tap never heard of."""
    row = await unit.maybe("SELECT location FROM tap WHERE tap_id = %s", (tap_id,))
    return row["location"] if row else "main"


async def reader_profiles(unit: UnitOfWork, tap_ids: Sequence[str]) -> dict[str, str]:
    """Return how the readers of these taps write card ids, where it is known."""
    rows = await unit.all(
        "SELECT tap_id, reader_profile FROM tap WHERE tap_id = ANY(%s)", (list(tap_ids),)
    )
    return {row["tap_id"]: row["reader_profile"] for row in rows}


async def save_config(unit: UnitOfWork, *, key: str, value: object, version: int) -> None:
    """Know a configuration value; an older one never wins."""
    await unit.execute(
        """
        INSERT INTO config (key, value, version) VALUES (%s, %s, %s)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version
            WHERE config.version < excluded.version
        """,
        (key, as_json(value), version),
    )


async def find_config(unit: UnitOfWork, key: str, *, default: object) -> object:
    """Return a configuration value."""
    row = await unit.maybe("SELECT value FROM config WHERE key = %s", (key,))
    return row["value"] if row else default
