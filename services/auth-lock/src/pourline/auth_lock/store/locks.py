"""Locks and grants: what the database lets only one have."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork

CUT_OFF_LASTS = timedelta(hours=12)
"""A guest who is cut off stays so in the visit, and in others for an evening."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which tap asks about which card, under which request."""

    tap_id: str
    location: str
    request_id: str
    card_uid: str
    at: datetime


ACTIVE = "visit.card_uid = %(card_uid)s AND visit.status = 'active'"
LAST = """
    visit.id = (SELECT id FROM visit WHERE card_uid = %(card_uid)s ORDER BY number DESC LIMIT 1)
"""


async def find_asked(
    unit: UnitOfWork, question: Question, *, last_visit: bool = False
) -> Row | None:
    """Return all that bears on a card's question, in one look; None for an unknown tap.

    That is the tap with its lock, beverage and price; the card and whether it is lost; its active
    visit (or its last one) with its guest, its lock here or else elsewhere, and its limits; what
    this request was answered before; and the configuration. Cards wait for this statement: it
    joins little, and each row by an index.
    """
    rows = await unit.all(
        f"""
        SELECT tap.id AS tap_id, tap.name AS tap_name, tap.location, tap.state, tap.beverage_id,
               tap.keg_id, tap.remaining_ml, tap.reader_profile, beverage.kind, beverage.abv,
               (SELECT price_per_litre FROM price
                WHERE price.beverage_id = tap.beverage_id AND from_at <= %(at)s
                ORDER BY from_at DESC LIMIT 1) AS price_per_litre,
               held.visit_id AS tap_lock_visit, held.grant_id AS tap_lock_grant,
               visit.id AS visit_id, visit.status AS visit_status, visit.companions,
               guest.id AS guest_id, guest.name AS guest_name,
               guest.age_verified_at IS NOT NULL AS age_verified,
               (guest.cut_off_at IS NOT NULL
                AND (guest.cut_off_visit_id = visit.id OR guest.cut_off_at > %(evening)s))
                   AS is_cut_off,
               own.tap_id AS visit_lock_tap, own.grant_id AS visit_lock_grant,
               other.name AS visit_lock_tap_name,
               lost.id IS NOT NULL AS card_is_lost, lost.override_until,
               EXISTS (SELECT FROM visit AS earlier
                       WHERE earlier.card_uid = %(card_uid)s) AS card_was_seen,
               known.state AS known_state, known.grant_id AS known_grant,
               known.answer AS known_answer, known.expires_at AS known_until,
               EXISTS (SELECT FROM tap_lock WHERE tap_lock.grant_id = known.grant_id
                       AND tap_lock.released_at IS NULL) AS known_stands,
               (SELECT value FROM config
                WHERE key = 'limit_profile.' || visit.limit_profile) AS profile,
               (SELECT jsonb_object_agg(key, value) FROM config
                WHERE NOT starts_with(key, 'limit_profile.')) AS config
        FROM tap
        LEFT JOIN beverage ON beverage.beverage_id = tap.beverage_id
        LEFT JOIN grant_answer AS known
            ON known.tap_id = tap.id AND known.request_id = %(request_id)s
        LEFT JOIN tap_lock AS held ON held.tap_id = tap.id AND held.released_at IS NULL
        LEFT JOIN lost_card AS lost
            ON lost.card_uid = %(card_uid)s AND lost.restored_at IS NULL
        LEFT JOIN visit ON {LAST if last_visit else ACTIVE}
        LEFT JOIN guest ON guest.id = visit.guest_id
        LEFT JOIN tap_lock AS own ON own.visit_id = visit.id AND own.released_at IS NULL
        LEFT JOIN tap AS other ON other.id = own.tap_id
        WHERE tap.id = %(tap_id)s AND tap.location = %(location)s
        """,
        asdict(question) | {"evening": question.at - CUT_OFF_LASTS},
    )
    return min(rows, key=lambda row: row["visit_lock_tap"] != question.tap_id, default=None)


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


@dataclass(frozen=True, kw_only=True)
class NewGrant:
    """A grant as it begins, and what flags let it do that the rules would not.

    `may_pour_ml` bounds what it may still pour; `is_beside` lets its lock stand beside another
    of the visit, `visit_was_closed` lets a closed visit have it.
    """

    grant_id: UUID
    visit_id: UUID
    renews: UUID | None = None
    is_beside: bool = False
    visit_was_closed: bool = False
    may_pour_ml: Decimal | None = None
    price_per_litre: int | None = None
    beverage_id: UUID | None = None


async def begin_grant(unit: UnitOfWork, question: Question, grant: NewGrant) -> bool:
    """Save a grant that waits for its hold and take its lock; False when a race was lost.

    One statement: whatever races, the database lets one win. The visit is locked against closing
    meanwhile. A grant that renews another leaves the lock as it is until its money is held.
    """
    row = await unit.one(
        """
        WITH begun AS (
            INSERT INTO grant_answer (tap_id, request_id, grant_id, visit_id, renews, state,
                                      may_pour_ml, price_per_litre, beverage_id)
            VALUES (%(tap_id)s, %(request_id)s, %(grant_id)s, %(visit_id)s, %(renews)s, 'pending',
                    %(may_pour_ml)s, %(price_per_litre)s, %(beverage_id)s)
            ON CONFLICT DO NOTHING RETURNING grant_id
        ), visit_now AS (
            SELECT id FROM visit
            WHERE id = %(visit_id)s AND (status = 'active' OR %(visit_was_closed)s) FOR SHARE
        ), locked AS (
            INSERT INTO tap_lock (visit_id, tap_id, grant_id, is_beside, visit_was_closed)
            SELECT visit_now.id, %(tap_id)s, begun.grant_id, %(is_beside)s, %(visit_was_closed)s
            FROM begun, visit_now
            WHERE %(renews)s::uuid IS NULL
            ON CONFLICT DO NOTHING RETURNING grant_id
        )
        SELECT (SELECT count(*) FROM begun) AS begun, (SELECT count(*) FROM locked) AS locked
        """,
        asdict(question) | asdict(grant),
    )
    return bool(row["begun"] and (row["locked"] or grant.renews))


async def take_lock(unit: UnitOfWork, *, tap_id: str, grant: NewGrant) -> bool:
    """Take the lock of a visit on a tap, if neither has one and the visit may pour."""
    return bool(
        await unit.count(
            """
            INSERT INTO tap_lock (visit_id, tap_id, grant_id, is_beside, visit_was_closed)
            SELECT id, %(tap_id)s, %(grant_id)s, %(is_beside)s, %(visit_was_closed)s FROM visit
            WHERE id = %(visit_id)s AND (status = 'active' OR %(visit_was_closed)s) FOR SHARE
            ON CONFLICT DO NOTHING
            """,
            asdict(grant) | {"tap_id": tap_id},
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


async def hold_taps(unit: UnitOfWork, grant_ids: Sequence[UUID]) -> None:
    """Lock the taps of standing locks until the commit: always before the locks themselves."""
    await unit.execute(
        """
        SELECT FROM tap WHERE id IN (
            SELECT tap_id FROM tap_lock WHERE grant_id = ANY(%s) AND released_at IS NULL)
        ORDER BY id FOR NO KEY UPDATE
        """,
        (list(grant_ids),),
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
                  tap_lock.released_at, tap_lock.id, tap_lock.lock_set_at, tap_lock.stale_at
        """,
        (why, reason, list(grant_ids)),
    )


async def standing_grants(unit: UnitOfWork, visit_id: UUID) -> list[UUID]:
    """Return the grants of a visit's standing locks: one, unless a flag let more stand."""
    rows = await unit.all(
        "SELECT grant_id FROM tap_lock WHERE visit_id = %s AND released_at IS NULL ORDER BY id",
        (visit_id,),
    )
    return [row["grant_id"] for row in rows]


async def mark_stale(unit: UnitOfWork, *, at: datetime, default_s: int, limit: int) -> list[Row]:
    """Mark the locks that stand for longer than `stale_lock_s`, each once, and return them."""
    return await unit.all(
        """
        UPDATE tap_lock SET stale_at = %(at)s
        FROM tap
        WHERE tap.id = tap_lock.tap_id AND tap_lock.id IN (
            SELECT id FROM tap_lock
            WHERE released_at IS NULL AND stale_at IS NULL
              AND lock_set_at < %(at)s - make_interval(secs => coalesce(
                  (SELECT value::text::double precision FROM config WHERE key = 'stale_lock_s'),
                  %(default_s)s))
            ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
        RETURNING tap_lock.id, tap_lock.visit_id, tap_lock.tap_id, tap_lock.grant_id,
                  tap_lock.lock_set_at, tap.location
        """,
        {"at": at, "default_s": default_s, "limit": limit},
    )


async def save_allowed(
    unit: UnitOfWork,
    *,
    grant_id: UUID,
    answer: bytes,
    expires_at: datetime,
    may_pour_ml: Decimal | None,
) -> bool:
    """Keep what an allowed request was answered; False when it was answered or given up before."""
    return bool(
        await unit.count(
            """
            UPDATE grant_answer SET state = 'allowed', answer = %s, expires_at = %s,
                                    may_pour_ml = %s
            WHERE grant_id = %s AND state = 'pending'
            """,
            (answer.decode(), expires_at, may_pour_ml, grant_id),
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
