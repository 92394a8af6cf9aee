"""What a visit's receipt is made of."""

from uuid import UUID

from pourline.kit.db import Row, UnitOfWork
from pourline.ledger.store.accounts import guest_account

LINES_MAX = 1000


async def pours_of(unit: UnitOfWork, visit_id: UUID) -> list[Row]:
    """Return what the guest was served, in order of time; what a tap sent after an entry is in it.

    Left out are what was rejected, what went to waste, and ends of sessions without a pour.
    """
    return await unit.all(
        """
        SELECT started_at AS at, tap_id, short_id, beverage_id, volume_ml, price_per_litre, amount,
               status
        FROM pour
        WHERE visit_id = %s AND volume_ml > 0 AND status IN ('accepted', 'held')
          AND decision IS DISTINCT FROM 'waste'
        ORDER BY started_at, number LIMIT %s
        """,
        (visit_id, LINES_MAX),
    )


async def lines_of(unit: UnitOfWork, visit: Row) -> list[Row]:
    """Return what moved on the guest's account beside this visit's pours.

    From the visit's opening to that of the guest's next one: the last refund often follows the end.
    """
    return await unit.all(
        """
        SELECT booking.at, booking.kind, entry.amount, booking.reference, booking.note
        FROM entry JOIN booking ON booking.id = entry.booking_id
        WHERE entry.account_id = %(account)s AND booking.at >= %(opened_at)s
          AND booking.at < coalesce((SELECT min(opened_at) FROM visit
              WHERE guest_id = %(guest_id)s AND opened_at > %(opened_at)s), 'infinity')
          AND NOT (booking.kind = 'pour' AND EXISTS (SELECT FROM pour
              WHERE client_tx_id = booking.reference AND visit_id = %(visit_id)s))
        ORDER BY entry.id LIMIT %(limit)s
        """,
        visit | {"account": guest_account(visit["guest_id"]), "limit": LINES_MAX},
    )


async def balance_before(unit: UnitOfWork, visit: Row) -> int:
    """Return the guest's balance as the visit opened, in minor units."""
    row = await unit.maybe(
        """
        SELECT entry.balance_after FROM entry JOIN booking ON booking.id = entry.booking_id
        WHERE entry.account_id = %s AND booking.at < %s ORDER BY entry.id DESC LIMIT 1
        """,
        (guest_account(visit["guest_id"]), visit["opened_at"]),
    )
    return int(row["balance_after"]) if row else 0
