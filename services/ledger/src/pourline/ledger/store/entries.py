"""Pours that people entered by hand or decided on."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork, as_json
from pourline.ledger.domain import Entry, Settlement, VisitId


async def unmatched(unit: UnitOfWork, visit_ids: Sequence[UUID]) -> list[Entry]:
    """Return what was entered for these visits and no tap has sent yet, oldest first."""
    rows = await unit.all(
        """
        SELECT client_tx_id, visit_id, tap_id, short_id, volume_ml, amount, stated_amount,
               received_at
        FROM pour
        WHERE visit_id = ANY(%s) AND entered_by IS NOT NULL AND matched_by IS NULL
        ORDER BY number
        """,
        (list(visit_ids),),
    )
    return [
        Entry(
            client_tx_id=row["client_tx_id"],
            visit_id=VisitId(row["visit_id"]),
            tap_id=row["tap_id"],
            short_id=row["short_id"],
            volume_ml=row["volume_ml"],
            amount=row["amount"],
            stated_amount=row["stated_amount"],
            entered_at=row["received_at"],
        )
        for row in rows
    ]


async def match(unit: UnitOfWork, found: Sequence[tuple[Entry, Settlement]]) -> None:
    """Join entries with the pours that their taps sent; the keg follows the tap (SY-7)."""
    if not found:
        return
    await unit.execute(
        """
        UPDATE pour
        SET matched_by = pair.tap_tx_id, takes_keg = pour.takes_keg AND NOT pair.replaced
        FROM json_to_recordset(%s) AS pair (entry_id text, tap_tx_id text, replaced boolean)
        WHERE pour.client_tx_id = pair.entry_id
        """,
        (
            as_json(
                [
                    {
                        "entry_id": entry.client_tx_id,
                        "tap_tx_id": one.report.client_tx_id,
                        "replaced": one.takes_keg,
                    }
                    for entry, one in found
                ]
            ),
        ),
    )


async def join(unit: UnitOfWork, *, entry_id: str, tap_tx_id: str) -> None:
    """Join an entry with the pour that its tap sent under another short id."""
    await unit.execute(
        "UPDATE pour SET matched_by = %s, takes_keg = false WHERE client_tx_id = %s",
        (tap_tx_id, entry_id),
    )


async def find_told(unit: UnitOfWork, *, visit_id: UUID, tap_id: str, short_id: str) -> Row | None:
    """Return the pour of a visit, tap and short id: as entered by hand, else as its tap sent it."""
    return await unit.maybe(
        """
        SELECT * FROM pour WHERE visit_id = %s AND tap_id = %s AND short_id = %s
        ORDER BY (entered_by IS NULL), number DESC LIMIT 1
        """,
        (visit_id, tap_id, short_id),
    )


async def insert_entry(unit: UnitOfWork, values: dict[str, Any]) -> Row:
    """Save a pour entered by hand and return its row."""
    names = ", ".join(values)
    slots = ", ".join(f"%({name})s" for name in values)
    return await unit.one(f"INSERT INTO pour ({names}) VALUES ({slots}) RETURNING *", values)


async def pending_grant(unit: UnitOfWork, *, visit_id: UUID, tap_id: str) -> Row | None:
    """Return the grant whose money is held for a visit's pour at a tap."""
    return await unit.maybe(
        """
        SELECT grant_id, price_per_litre, placed_at FROM grant_hold
        WHERE visit_id = %s AND tap_id = %s AND state = 'pending'
        ORDER BY placed_at DESC LIMIT 1
        """,
        (visit_id, tap_id),
    )


async def find_pour(unit: UnitOfWork, client_tx_id: str, *, for_update: bool = False) -> Row | None:
    """Return a pour by its device's id."""
    lock = "FOR UPDATE" if for_update else ""
    return await unit.maybe(f"SELECT * FROM pour WHERE client_tx_id = %s {lock}", (client_tx_id,))


async def save_decision(unit: UnitOfWork, client_tx_id: str, values: dict[str, Any]) -> Row:
    """Change a held pour into what was decided and return its row."""
    changes = ", ".join(f"{name} = %({name})s" for name in values)
    return await unit.one(
        f"""
        UPDATE pour SET {changes}, first_status = status, sync_status = 'synced'
        WHERE client_tx_id = %(client_tx_id)s RETURNING *
        """,
        values | {"client_tx_id": client_tx_id},
    )


async def corrected_amount(unit: UnitOfWork, client_tx_id: str) -> int:
    """Return how much of a pour was given back, in minor units."""
    row = await unit.one(
        """
        SELECT coalesce(sum(entry.amount), 0)::bigint AS amount
        FROM booking JOIN entry ON entry.booking_id = booking.id
        WHERE booking.kind = 'correction' AND booking.reference = %s
          AND entry.account_id LIKE 'guest:%%'
        """,
        (client_tx_id,),
    )
    return int(row["amount"])


async def held(unit: UnitOfWork, *, named: int) -> Row:
    """Return how many pours wait for a decision, and the ids of the first of them."""
    return await unit.one(
        """
        SELECT count(*) AS count,
               coalesce((array_agg(client_tx_id ORDER BY number))[:%s], '{}') AS ids
        FROM pour WHERE status <> 'accepted' AND status = 'held'
        """,
        (named,),
    )


async def newest_events(unit: UnitOfWork, subjects: Sequence[str]) -> list[UUID]:
    """Return the newest event of each of these subjects, among the last few thousand of all."""
    rows = await unit.all(
        """
        SELECT found.msg_id FROM unnest(%s::text[]) AS wanted (subject), LATERAL (
            SELECT msg_id FROM outbox
            WHERE outbox.subject = wanted.subject AND id > (SELECT max(id) FROM outbox) - 5000
            ORDER BY id DESC LIMIT 1) AS found
        """,
        (list(subjects),),
    )
    return [row["msg_id"] for row in rows]
