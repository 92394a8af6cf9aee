"""Locks and grants: what the database lets only one have."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which tap asks about which card, under which request."""

    tap_id: str
    location: str
    request_id: str
    card_uid: str
    at: datetime


async def find_asked(unit: UnitOfWork, question: Question) -> Row | None:
    """Return all that bears on a card's question, in one look; None for an unknown tap.

    That is the tap with its lock and price, the card's active visit with its lock, what this
    request was answered before, and the configuration.
    """
    return await unit.maybe(
        """
        SELECT tap.id AS tap_id, tap.name AS tap_name, tap.location, tap.state, tap.beverage_id,
               tap.keg_id, tap.remaining_ml,
               (SELECT price_per_litre FROM price
                WHERE price.beverage_id = tap.beverage_id AND from_at <= %(at)s
                ORDER BY from_at DESC LIMIT 1) AS price_per_litre,
               held.visit_id AS tap_lock_visit, held.grant_id AS tap_lock_grant,
               visit.id AS visit_id, guest.id AS guest_id, guest.name AS guest_name,
               guest.age_verified_at IS NOT NULL AS age_verified,
               own.tap_id AS visit_lock_tap, own.grant_id AS visit_lock_grant,
               other.name AS visit_lock_tap_name,
               EXISTS (SELECT FROM visit AS earlier
                       WHERE earlier.card_uid = %(card_uid)s) AS card_was_seen,
               known.state AS known_state, known.grant_id AS known_grant,
               known.answer AS known_answer, known.expires_at AS known_until,
               EXISTS (SELECT FROM tap_lock WHERE tap_lock.grant_id = known.grant_id
                       AND tap_lock.released_at IS NULL) AS known_stands,
               (SELECT jsonb_object_agg(key, value) FROM config) AS config
        FROM tap
        LEFT JOIN grant_answer AS known
            ON known.tap_id = tap.id AND known.request_id = %(request_id)s
        LEFT JOIN tap_lock AS held ON held.tap_id = tap.id AND held.released_at IS NULL
        LEFT JOIN visit ON visit.card_uid = %(card_uid)s AND visit.status = 'active'
        LEFT JOIN guest ON guest.id = visit.guest_id
        LEFT JOIN tap_lock AS own ON own.visit_id = visit.id AND own.released_at IS NULL
        LEFT JOIN tap AS other ON other.id = own.tap_id
        WHERE tap.id = %(tap_id)s AND tap.location = %(location)s
        """,
        asdict(question),
    )


async def find_answer(unit: UnitOfWork, *, tap_id: str, request_id: str) -> Row | None:
    """Return what a tap's request was answered, and whether its grant's lock still stands."""
    return await unit.maybe(
        """
        SELECT state AS known_state, answer AS known_answer, expires_at AS known_until,
               EXISTS (SELECT FROM tap_lock WHERE tap_lock.grant_id = grant_answer.grant_id
                       AND released_at IS NULL) AS known_stands
        FROM grant_answer WHERE tap_id = %s AND request_id = %s
        """,
        (tap_id, request_id),
    )


async def begin_grant(
    unit: UnitOfWork,
    question: Question,
    *,
    grant_id: UUID,
    visit_id: UUID,
    renews: UUID | None,
) -> bool:
    """Save a grant that waits for its hold and take its lock; False when a race was lost.

    One statement: whatever races, the database lets one win. The visit is locked against closing
    meanwhile. A grant that renews another leaves the lock as it is until its money is held.
    """
    row = await unit.one(
        """
        WITH begun AS (
            INSERT INTO grant_answer (tap_id, request_id, grant_id, visit_id, renews, state)
            VALUES (%(tap_id)s, %(request_id)s, %(grant_id)s, %(visit_id)s, %(renews)s, 'pending')
            ON CONFLICT DO NOTHING RETURNING grant_id
        ), visit_now AS (
            SELECT id FROM visit WHERE id = %(visit_id)s AND status = 'active' FOR SHARE
        ), locked AS (
            INSERT INTO tap_lock (visit_id, tap_id, grant_id)
            SELECT visit_now.id, %(tap_id)s, begun.grant_id FROM begun, visit_now
            WHERE %(renews)s::uuid IS NULL
            ON CONFLICT DO NOTHING RETURNING grant_id
        )
        SELECT (SELECT count(*) FROM begun) AS begun, (SELECT count(*) FROM locked) AS locked
        """,
        asdict(question) | {"grant_id": grant_id, "visit_id": visit_id, "renews": renews},
    )
    return bool(row["begun"] and (row["locked"] or renews))


async def take_lock(unit: UnitOfWork, *, visit_id: UUID, tap_id: str, grant_id: UUID) -> bool:
    """Take the lock of a visit on a tap, if neither has one and the visit is open."""
    return bool(
        await unit.count(
            """
            INSERT INTO tap_lock (visit_id, tap_id, grant_id)
            SELECT id, %s, %s FROM visit WHERE id = %s AND status = 'active' FOR SHARE
            ON CONFLICT DO NOTHING
            """,
            (tap_id, grant_id, visit_id),
        )
    )


async def renew_lock(
    unit: UnitOfWork, *, visit_id: UUID, tap_id: str, old: UUID, new: UUID
) -> bool:
    """Put a newer grant in the place of the one that holds the lock."""
    return bool(
        await unit.count(
            """
            UPDATE tap_lock SET grant_id = %s
            WHERE visit_id = %s AND tap_id = %s AND grant_id = %s AND released_at IS NULL
            """,
            (new, visit_id, tap_id, old),
        )
    )


async def lock_of_grant(unit: UnitOfWork, grant_id: UUID) -> Row | None:
    """Return the standing lock of a grant, locked until the commit."""
    return await unit.maybe(
        """
        SELECT visit_id, tap_id, lock_set_at FROM tap_lock
        WHERE grant_id = %s AND released_at IS NULL FOR UPDATE
        """,
        (grant_id,),
    )


async def release_locks(
    unit: UnitOfWork, grant_ids: Sequence[UUID], *, why: str, reason: str | None = None
) -> list[Row]:
    """Open the standing locks of `grant_ids` and return them."""
    return await unit.all(
        """
        UPDATE tap_lock SET released_at = clock_timestamp(), why = %s, reason = %s
        FROM tap
        WHERE grant_id = ANY(%s) AND released_at IS NULL AND tap.id = tap_lock.tap_id
        RETURNING tap_lock.visit_id, tap_lock.tap_id, tap_lock.grant_id, tap.location,
                  tap_lock.released_at
        """,
        (why, reason, list(grant_ids)),
    )


async def save_allowed(
    unit: UnitOfWork, *, grant_id: UUID, answer: bytes, expires_at: datetime
) -> bool:
    """Keep what an allowed request was answered; False when it was answered or given up before."""
    return bool(
        await unit.count(
            """
            UPDATE grant_answer SET state = 'allowed', answer = %s, expires_at = %s
            WHERE grant_id = %s AND state = 'pending'
            """,
            (answer.decode(), expires_at, grant_id),
        )
    )


async def save_denied(
    unit: UnitOfWork, *, tap_id: str, request_id: str, answer: bytes, expires_at: datetime
) -> None:
    """Keep what a denied request was answered.

    One that was to renew a grant stays pending: its hold is still to be voided.
    """
    await unit.execute(
        """
        INSERT INTO grant_answer (tap_id, request_id, state, answer, expires_at)
        VALUES (%s, %s, 'denied', %s, %s)
        ON CONFLICT (tap_id, request_id) DO UPDATE
            SET state = 'denied', answer = excluded.answer, expires_at = excluded.expires_at,
                grant_id = NULL
            WHERE grant_answer.state = 'pending' AND grant_answer.renews IS NULL
        """,
        (tap_id, request_id, answer.decode(), expires_at),
    )


async def forget_request(unit: UnitOfWork, *, tap_id: str, request_id: str) -> bool:
    """Forget a request that was never answered, so that its repeat starts anew."""
    return bool(
        await unit.count(
            "DELETE FROM grant_answer WHERE tap_id = %s AND request_id = %s AND state = 'pending'",
            (tap_id, request_id),
        )
    )


async def unanswered_grants(unit: UnitOfWork, *, before: datetime, limit: int) -> list[Row]:
    """Return grants that have waited for their hold since before `before`: a crash left them."""
    return await unit.all(
        """
        SELECT tap_id, request_id, grant_id, visit_id, renews FROM grant_answer
        WHERE state = 'pending' AND asked_at < %s ORDER BY asked_at LIMIT %s
        """,
        (before, limit),
    )
