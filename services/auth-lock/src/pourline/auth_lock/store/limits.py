"""What guests have been served, and what counts against each limit of a profile."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork, as_json

PROFILE_PREFIX = "limit_profile."


async def find_used(unit: UnitOfWork, *, visit_id: UUID, tap_id: str, at: datetime) -> list[Row]:
    """Return what a guest's pours and open grants have of each limit of the visit's profile.

    In the profile's order. A pour counts at the instant it began; a window counts over all visits
    of the guest. What a grant at another tap may still pour is held back. A beverage whose kind
    nobody knows counts against every kind. 0.00789: grams of alcohol in a millilitre for each
    percent, as `domain.limits` says it.
    """
    return await unit.all(
        """
        SELECT used.volume_ml, used.amount, used.alcohol_g
        FROM visit
        JOIN config AS profile ON profile.key = 'limit_profile.' || visit.limit_profile
        CROSS JOIN jsonb_array_elements(profile.value -> 'limits')
            WITH ORDINALITY AS rule (says, number)
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(drink.volume_ml), 0) AS volume_ml,
                   coalesce(sum(drink.amount), 0)::bigint AS amount,
                   coalesce(sum(drink.volume_ml * 0.00789 * coalesce(
                       beverage.abv, (profile.value ->> 'assumed_abv')::numeric, 0)), 0)
                       AS alcohol_g
            FROM (
                SELECT poured.visit_id, poured.beverage_id, poured.volume_ml, poured.amount,
                       poured.started_at AS at
                FROM poured WHERE poured.visit_id = visit.id
                    OR (poured.guest_id = visit.guest_id AND poured.started_at > %(at)s
                        - make_interval(secs => (rule.says ->> 'window_s')::double precision))
                UNION ALL
                SELECT open_lock.visit_id, open_grant.beverage_id, open_grant.may_pour_ml,
                       ceil(open_grant.may_pour_ml * open_grant.price_per_litre / 1000), %(at)s
                FROM tap_lock AS open_lock JOIN grant_answer AS open_grant USING (grant_id)
                WHERE open_lock.visit_id = visit.id AND open_lock.released_at IS NULL
                    AND open_lock.tap_id <> %(tap_id)s
            ) AS drink
            LEFT JOIN beverage ON beverage.beverage_id = drink.beverage_id
            WHERE coalesce(lower(beverage.kind) = lower(rule.says ->> 'kind'), true)
                AND CASE rule.says ->> 'per'
                    WHEN 'visit' THEN drink.visit_id = visit.id
                    WHEN 'window' THEN drink.at > %(at)s - make_interval(
                        secs => (rule.says ->> 'window_s')::double precision)
                    ELSE false
                END
                AND (visit.reactivated_at IS NULL OR drink.at >= visit.reactivated_at OR NOT
                     profile.value -> 'reactivation' -> 'starts_anew' ? (rule.says ->> 'per'))
        ) AS used
        WHERE visit.id = %(visit_id)s ORDER BY rule.number
        """,
        {"visit_id": visit_id, "tap_id": tap_id, "at": at},
    )


async def save_poured(unit: UnitOfWork, rows: Sequence[Mapping[str, object]]) -> None:
    """Count pours, each once."""
    await unit.execute(
        """
        INSERT INTO poured (client_tx_id, visit_id, guest_id, beverage_id, volume_ml, amount,
                            started_at)
        SELECT client_tx_id, visit_id, guest_id, beverage_id, volume_ml, amount, started_at
        FROM json_to_recordset(%s) AS fresh (
            client_tx_id text, visit_id uuid, guest_id uuid, beverage_id uuid, volume_ml numeric,
            amount bigint, started_at timestamptz)
        ON CONFLICT (client_tx_id) DO NOTHING
        """,
        (as_json(list(rows)),),
    )


async def queue_up(unit: UnitOfWork, visit_id: UUID) -> None:
    """Let one at a time ask what a visit's limits leave, until the commit."""
    await unit.execute("SELECT FROM visit WHERE id = %s FOR UPDATE", (visit_id,))


async def find_profile(unit: UnitOfWork, name: str) -> Row | None:
    """Return a limit profile's stored value."""
    return await unit.maybe("SELECT value FROM config WHERE key = %s", (PROFILE_PREFIX + name,))


async def reactivate(unit: UnitOfWork, visit_id: UUID, *, at: datetime, actor: str) -> int:
    """Record who let a visit go on, and when; return how often that was."""
    row = await unit.one(
        """
        UPDATE visit SET reactivated_at = %s, reactivated_by = %s,
                         reactivations = reactivations + 1
        WHERE id = %s RETURNING reactivations
        """,
        (at, actor, visit_id),
    )
    return int(row["reactivations"])


async def cut_off(
    unit: UnitOfWork, *, guest_id: UUID, visit_id: UUID, at: datetime, actor: str, reason: str
) -> None:
    """Record who cut a guest off, when, in which visit, and why."""
    await unit.execute(
        """
        UPDATE guest SET cut_off_at = %s, cut_off_by = %s, cut_off_reason = %s,
                         cut_off_visit_id = %s
        WHERE id = %s
        """,
        (at, actor, reason, visit_id, guest_id),
    )


async def lift_cut_off(unit: UnitOfWork, guest_id: UUID) -> None:
    """Forget that a guest is cut off."""
    await unit.execute(
        """
        UPDATE guest SET cut_off_at = NULL, cut_off_by = NULL, cut_off_reason = NULL,
                         cut_off_visit_id = NULL
        WHERE id = %s
        """,
        (guest_id,),
    )
