"""Grants and the money held for them."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from pourline.contracts.money import PlaceHold
from pourline.kit.db import Row, UnitOfWork, as_json
from pourline.ledger.domain import GrantState


async def find_grant(unit: UnitOfWork, grant_id: UUID) -> Row | None:
    """Return a grant's row, if it is known."""
    return await unit.maybe(
        """
        SELECT grant_id, visit_id, state, amount, max_volume_ml FROM grant_hold
        WHERE grant_id = %s
        """,
        (grant_id,),
    )


async def find_pour(unit: UnitOfWork, *, grant_id: UUID, visit_id: UUID) -> Row | None:
    """Return the newest pour under a grant, looked for among its visit's."""
    return await unit.maybe(
        "SELECT * FROM pour WHERE visit_id = %s AND grant_id = %s ORDER BY number DESC LIMIT 1",
        (visit_id, grant_id),
    )


async def held_amount(unit: UnitOfWork, guest_id: UUID) -> int:
    """Return how much of a guest's money is held; what grants of a visit share counts once."""
    row = await unit.one(
        """
        SELECT coalesce(sum(amount), 0)::bigint AS held FROM (
            SELECT max(amount) AS amount FROM grant_hold
            WHERE guest_id = %(guest_id)s AND state = 'pending' GROUP BY visit_id
            UNION ALL
            SELECT amount FROM grant_hold WHERE guest_id = %(guest_id)s AND state = 'held'
        ) AS hold
        """,
        {"guest_id": guest_id},
    )
    return int(row["held"])


async def look_at_hold(unit: UnitOfWork, *, grant_id: UUID, visit_id: UUID, account: str) -> Row:
    """Return what decides a hold, with the guest's account locked until the commit.

    `free` is the balance less what is held for anything but this visit's pending pour, which a
    newer grant takes the place of; `state` and the figures are those of a grant known already.
    The lock is a statement of its own: only the next one sees what the holder before committed.
    """
    await unit.execute("SELECT FROM account WHERE id = %s FOR UPDATE", (account,))
    row = await unit.maybe(
        """
        SELECT account.balance, known.state, known.amount, known.max_volume_ml,
               account.balance - coalesce((
                   SELECT sum(held.amount) FROM grant_hold AS held
                   WHERE held.guest_id = account.guest_id
                     AND (held.state = 'held'
                          OR (held.state = 'pending' AND held.visit_id <> %s))
               ), 0)::bigint AS free
        FROM account LEFT JOIN grant_hold AS known ON known.grant_id = %s
        WHERE account.id = %s
        """,
        (visit_id, grant_id, account),
    )
    return row or await _of_nobody(unit, grant_id)


async def _of_nobody(unit: UnitOfWork, grant_id: UUID) -> Row:
    """Return the same for a guest who never paid in: nothing is free."""
    known = await find_grant(unit, grant_id) or {}
    return {"balance": 0, "free": 0, "state": None, **known}


async def supersede_hold(unit: UnitOfWork, order: PlaceHold) -> None:
    """Let go of a visit's pending hold: a newer grant takes its place.

    Where holds are shared only that of the same tap goes.
    """
    await unit.execute(
        """
        UPDATE grant_hold SET state = 'superseded', settled_at = clock_timestamp()
        WHERE visit_id = %s AND state = 'pending' AND (NOT %s OR tap_id = %s)
        """,
        (order.visit_id, order.shares_hold, order.tap_id),
    )


async def save_hold(
    unit: UnitOfWork, *, order: PlaceHold, amount: int, max_volume_ml: Decimal
) -> bool:
    """Save a pending hold; return whether it is the grant's first word."""
    inserted = await unit.count(
        """
        INSERT INTO grant_hold (grant_id, request_id, visit_id, guest_id, tap_id, card_uid,
                                beverage_id, price_per_litre, amount, max_volume_ml, is_shared,
                                visit_was_closed, placed_at, state)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'pending')
        ON CONFLICT (grant_id) DO NOTHING
        """,
        (
            order.grant_id,
            order.request_id,
            order.visit_id,
            order.guest_id,
            order.tap_id,
            order.card_uid,
            order.beverage_id,
            order.price_per_litre,
            amount,
            max_volume_ml,
            order.shares_hold,
            order.visit_closed,
            unit.clock.now(),
        ),
    )
    return bool(inserted)


async def void_hold(unit: UnitOfWork, *, grant_id: UUID, visit_id: UUID) -> None:
    """Void a pending hold; a grant that is not known yet is refused when it comes."""
    await unit.execute(
        """
        INSERT INTO grant_hold (grant_id, visit_id, state, settled_at)
        VALUES (%s, %s, 'voided', clock_timestamp())
        ON CONFLICT (grant_id) DO UPDATE SET state = 'voided', settled_at = clock_timestamp()
        WHERE grant_hold.state = 'pending'
        """,
        (grant_id, visit_id),
    )


async def settle_grants(unit: UnitOfWork, outcomes: Sequence[tuple[UUID, GrantState]]) -> None:
    """Capture or keep the holds whose pours were decided; one captured stays so.

    What was voided meanwhile is not set aside again: there is no hold left to keep.
    """
    await unit.execute(
        """
        UPDATE grant_hold SET state = outcome.state, settled_at = clock_timestamp()
        FROM json_to_recordset(%s) AS outcome (grant_id uuid, state text)
        WHERE grant_hold.grant_id = outcome.grant_id
          AND grant_hold.state NOT IN ('captured', 'held')
          AND (outcome.state, grant_hold.state) <> ('held', 'voided')
        """,
        (as_json([{"grant_id": one, "state": state.value} for one, state in outcomes]),),
    )


async def end_held(unit: UnitOfWork, *, grant_id: UUID, state: GrantState) -> None:
    """End the hold of a pour that waited for a decision."""
    await unit.execute(
        """
        UPDATE grant_hold SET state = %s, settled_at = clock_timestamp()
        WHERE grant_id = %s AND state = 'held'
        """,
        (state.value, grant_id),
    )
