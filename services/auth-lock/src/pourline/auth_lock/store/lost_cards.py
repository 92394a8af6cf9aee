"""Cards that were reported lost, and cards that resemble others."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork

COLUMNS = """
    id, card_uid, note, visit_id, reported_at, reported_by, override_until, override_reason,
    override_by, restored_at, restored_by
"""


async def report(unit: UnitOfWork, *, values: Mapping[str, object]) -> Row:
    """Put a card on the list and return its row; one that is on it gets the newer note."""
    return await unit.one(
        f"""
        INSERT INTO lost_card (id, card_uid, note, visit_id, reported_at, reported_by)
        VALUES (%(id)s, %(card_uid)s, %(note)s,
                (SELECT id FROM visit WHERE card_uid = %(card_uid)s AND status = 'active'),
                %(reported_at)s, %(reported_by)s)
        ON CONFLICT (card_uid) WHERE restored_at IS NULL
            DO UPDATE SET note = coalesce(excluded.note, lost_card.note)
        RETURNING {COLUMNS}
        """,
        values,
    )


async def list_lost(unit: UnitOfWork, *, after: str, limit: int) -> list[Row]:
    """Return the cards that are lost now, in order of UID."""
    return await unit.all(
        f"""
        SELECT {COLUMNS} FROM lost_card
        WHERE restored_at IS NULL AND card_uid > %s ORDER BY card_uid LIMIT %s
        """,
        (after, limit),
    )


async def find_lost(unit: UnitOfWork, card_uid: str) -> Row | None:
    """Return the entry of a card that is lost now."""
    return await unit.maybe(
        f"SELECT {COLUMNS} FROM lost_card WHERE card_uid = %s AND restored_at IS NULL", (card_uid,)
    )


async def restore(unit: UnitOfWork, *, card_uid: str, at: datetime, actor: str) -> Row | None:
    """Take a card off the list and return its entry."""
    return await unit.maybe(
        f"""
        UPDATE lost_card SET restored_at = %s, restored_by = %s
        WHERE card_uid = %s AND restored_at IS NULL RETURNING {COLUMNS}
        """,
        (at, actor, card_uid),
    )


async def override(
    unit: UnitOfWork, *, card_uid: str, until: datetime, reason: str, actor: str
) -> Row | None:
    """Let a lost card pour until an instant and return its entry."""
    return await unit.maybe(
        f"""
        UPDATE lost_card SET override_until = %s, override_reason = %s, override_by = %s
        WHERE card_uid = %s AND restored_at IS NULL RETURNING {COLUMNS}
        """,
        (until, reason, actor, card_uid),
    )


async def known_among(unit: UnitOfWork, uids: Sequence[str]) -> list[str]:
    """Return which of some UIDs are cards of visits or on the list, in order."""
    rows = await unit.all(
        """
        SELECT card_uid FROM unnest(%s::text[]) AS one (card_uid)
        WHERE EXISTS (SELECT FROM visit WHERE visit.card_uid = one.card_uid)
           OR EXISTS (SELECT FROM lost_card WHERE lost_card.card_uid = one.card_uid)
        ORDER BY card_uid
        """,
        (list(uids),),
    )
    return [row["card_uid"] for row in rows]


async def visit_with_card(unit: UnitOfWork, card_uid: str) -> UUID | None:
    """Return the active visit of a card."""
    row = await unit.maybe(
        "SELECT id FROM visit WHERE card_uid = %s AND status = 'active'", (card_uid,)
    )
    return row["id"] if row else None
