"""Guests and their visits."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork

GUEST_COLUMNS = """
    guest.id, guest.name, guest.phone, guest.email, guest.notes, guest.age_verified_at,
    guest.age_verified_by, guest.created_at,
    (SELECT open_visit.id FROM visit AS open_visit
     WHERE open_visit.guest_id = guest.id AND open_visit.status = 'active') AS active_visit_id
"""
VISIT_COLUMNS = f"""
    {GUEST_COLUMNS},
    visit.id AS visit_id, visit.number, visit.status, visit.card_uid, visit.opened_at,
    visit.closed_at, visit.close_reason, visit.limit_profile, visit.guest_id, visit.companions,
    visit.reactivations, visit.reactivated_at, visit.reactivated_by, guest.cut_off_at,
    guest.cut_off_by, guest.cut_off_reason,
    tap_lock.tap_id, tap_lock.lock_set_at, tap_lock.grant_id,
    ((tap.status_seq > 0 AND NOT tap.online) OR tap.pending_sync > 0) AS lock_is_offline
"""
VISIT_FROM = """
    visit JOIN guest ON guest.id = visit.guest_id
    LEFT JOIN LATERAL (
        SELECT tap_id, lock_set_at, grant_id FROM tap_lock
        WHERE tap_lock.visit_id = visit.id AND tap_lock.released_at IS NULL
        ORDER BY tap_lock.id DESC LIMIT 1
    ) AS tap_lock ON true
    LEFT JOIN tap ON tap.id = tap_lock.tap_id
"""


async def insert_guest(unit: UnitOfWork, *, guest_id: UUID, values: Mapping[str, object]) -> None:
    """Save a new guest."""
    await unit.execute(
        """
        INSERT INTO guest (id, name, phone, phone_digits, email, notes, age_verified_at,
                           age_verified_by, search_name, search_phone, search_grams)
        VALUES (%(id)s, %(name)s, %(phone)s, %(phone_digits)s, %(email)s, %(notes)s,
                %(age_verified_at)s, %(age_verified_by)s, %(search_name)s, %(search_phone)s,
                %(search_grams)s)
        """,
        {"id": guest_id, **values},
    )


async def find_guest(unit: UnitOfWork, guest_id: UUID) -> Row | None:
    """Return a guest's row."""
    return await unit.maybe(f"SELECT {GUEST_COLUMNS} FROM guest WHERE id = %s", (guest_id,))


async def verify_age(unit: UnitOfWork, guest_id: UUID, *, at: datetime, actor: str) -> bool:
    """Record who saw the guest's age proven, and when; return whether the guest is known."""
    return bool(
        await unit.count(
            "UPDATE guest SET age_verified_at = %s, age_verified_by = %s WHERE id = %s",
            (at, actor, guest_id),
        )
    )


async def insert_visit(unit: UnitOfWork, *, values: Mapping[str, object]) -> int:
    """Save a new active visit and return its number.

    Raises `psycopg.errors.UniqueViolation` when the guest or the card has one already.
    """
    row = await unit.one(
        """
        INSERT INTO visit (id, guest_id, card_uid, limit_profile, companions, opened_at, opened_by)
        VALUES (%(id)s, %(guest_id)s, %(card_uid)s, %(limit_profile)s, %(companions)s,
                %(opened_at)s, %(opened_by)s)
        RETURNING number
        """,
        values,
    )
    return int(row["number"])


async def find_visit(unit: UnitOfWork, visit_id: UUID, *, for_update: bool = False) -> Row | None:
    """Return a visit with its guest and lock.

    With `for_update` the visit is locked by a statement of its own: only the next one sees a tap
    lock that was committed while this one waited.
    """
    if for_update:
        await unit.execute("SELECT FROM visit WHERE id = %s FOR UPDATE", (visit_id,))
    return await unit.maybe(
        f"SELECT {VISIT_COLUMNS} FROM {VISIT_FROM} WHERE visit.id = %s", (visit_id,)
    )


async def set_card(unit: UnitOfWork, *, visit_id: UUID, card_uid: str) -> None:
    """Give a visit a card; raises `psycopg.errors.UniqueViolation` when another has it."""
    await unit.count("UPDATE visit SET card_uid = %s WHERE id = %s", (card_uid, visit_id))


async def close_visit(
    unit: UnitOfWork, *, visit_id: UUID, at: datetime, actor: str, reason: str
) -> None:
    """Close a visit."""
    await unit.execute(
        """
        UPDATE visit SET status = 'closed', closed_at = %s, closed_by = %s, close_reason = %s
        WHERE id = %s
        """,
        (at, actor, reason, visit_id),
    )


IDLE = """
    visit.status = 'active' AND NOT EXISTS (SELECT FROM tap_lock
        WHERE tap_lock.visit_id = visit.id AND tap_lock.released_at IS NULL)
"""


async def idle_visits(unit: UnitOfWork, *, limit: int) -> list[UUID]:
    """Return active visits that hold no tap, the oldest first."""
    rows = await unit.all(f"SELECT id FROM visit WHERE {IDLE} ORDER BY number LIMIT %s", (limit,))
    return [row["id"] for row in rows]


async def count_idle(unit: UnitOfWork) -> int:
    """Return how many active visits hold no tap."""
    row = await unit.one(f"SELECT count(*) AS idle FROM visit WHERE {IDLE}")
    return int(row["idle"])


async def locked_visits(unit: UnitOfWork, *, limit: int) -> list[UUID]:
    """Return active visits that hold a tap, the oldest first."""
    rows = await unit.all(
        f"SELECT id FROM visit WHERE status = 'active' AND NOT ({IDLE}) ORDER BY number LIMIT %s",
        (limit,),
    )
    return [row["id"] for row in rows]
