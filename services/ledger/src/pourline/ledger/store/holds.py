"""Grants and the money held for them."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from pourline.contracts.money import PlaceHold
from pourline.kit.db import Row, UnitOfWork
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


async def held_amount(unit: UnitOfWork, guest_id: UUID) -> int:
    """Return how much of a guest's money is held."""
    row = await unit.one(
        """
        SELECT coalesce(sum(amount), 0)::bigint AS held FROM grant_hold
        WHERE guest_id = %s AND state IN ('pending', 'held')
        """,
        (guest_id,),
    )
    return int(row["held"])


async def supersede_hold(unit: UnitOfWork, visit_id: UUID) -> None:
    """Let go of a visit's pending hold: a newer grant takes its place."""
    await unit.execute(
        """
        UPDATE grant_hold SET state = 'superseded', settled_at = clock_timestamp()
        WHERE visit_id = %s AND state = 'pending'
        """,
        (visit_id,),
    )


async def save_hold(
    unit: UnitOfWork, *, order: PlaceHold, amount: int, max_volume_ml: Decimal
) -> None:
    """Save a pending hold."""
    await unit.execute(
        """
        INSERT INTO grant_hold (grant_id, request_id, visit_id, guest_id, tap_id, card_uid,
                                beverage_id, price_per_litre, amount, max_volume_ml, state)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'pending')
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
        ),
    )


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
    """Capture or keep the holds whose pours were decided; one captured stays so."""
    await unit.execute(
        """
        UPDATE grant_hold SET state = outcome.state, settled_at = clock_timestamp()
        FROM unnest(%s::uuid[], %s::text[]) AS outcome (grant_id, state)
        WHERE grant_hold.grant_id = outcome.grant_id
          AND grant_hold.state NOT IN ('captured', 'held')
        """,
        (
            [grant_id for grant_id, _ in outcomes],
            [state.value for _, state in outcomes],
        ),
    )
