"""Pours: what is known before a batch is decided, and the batch as it is saved."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork, as_json
from pourline.kit.ids import parse_id
from pourline.ledger.domain import (
    Connection,
    Grant,
    GrantId,
    GrantState,
    GuestId,
    Knowledge,
    PriceStep,
    Report,
    Visit,
    VisitId,
)

GRANT_COLUMNS = """
    grant_id, request_id, visit_id, guest_id, tap_id, price_per_litre, state, beverage_id,
    visit_was_closed, placed_at
"""


async def find_stored(unit: UnitOfWork, client_tx_ids: Sequence[str]) -> dict[str, Row]:
    """Return those pours that are stored already, by id."""
    rows = await unit.all(
        """
        SELECT pour.client_tx_id, pour.digest, pour.balance_after, pour.reason,
               coalesce(pour.first_status, pour.status) AS first_status,
               coalesce(entry.amount, pour.amount) AS told_amount
        FROM pour LEFT JOIN pour AS entry ON entry.client_tx_id = pour.entry_id
        WHERE pour.client_tx_id = ANY(ARRAY(SELECT json_array_elements_text(%s)))
        """,
        (as_json(client_tx_ids),),
    )
    return {row["client_tx_id"]: row for row in rows}


async def gather_knowledge(unit: UnitOfWork, reports: Sequence[Report]) -> Knowledge:
    """Return everything the ledger knows that bears on `reports`.

    A grant tells of its visit too: its hold may be placed before the news that the visit opened.
    """
    known = Knowledge()
    await _gather_grants(unit, reports, known)
    await _gather_visits(unit, reports, known)
    kegs = await gather_kegs(unit, sorted({report.tap_id for report in reports}))
    known.kegs, known.prices, known.tap_beverages = kegs.kegs, kegs.prices, kegs.tap_beverages
    return known


async def _gather_grants(unit: UnitOfWork, reports: Sequence[Report], known: Knowledge) -> None:
    rows = await unit.all(
        f"""
        SELECT {GRANT_COLUMNS} FROM grant_hold
        WHERE guest_id IS NOT NULL AND (grant_id = ANY(%s) OR request_id = ANY(%s)
           OR (tap_id = ANY(%s) AND state = 'pending'))
        """,
        (
            _ids({report.grant_id for report in reports}),
            sorted({report.request_id for report in reports if report.request_id}),
            sorted({report.tap_id for report in reports}),
        ),
    )
    for row in rows:
        grant = _grant(row)
        known.grants[str(grant.grant_id)] = grant
        known.visits[str(grant.visit_id)] = Visit(
            visit_id=grant.visit_id, guest_id=grant.guest_id, opened_at=row["placed_at"]
        )
        known.requests[grant.tap_id, grant.request_id] = grant
        if grant.state is GrantState.PENDING:
            known.tap_grants[grant.tap_id] = grant


def _ids(texts: Iterable[str | None]) -> list[UUID]:
    """Return those texts that are ids."""
    return [found for text in texts if text and (found := parse_id(text))]


async def _gather_visits(unit: UnitOfWork, reports: Sequence[Report], known: Knowledge) -> None:
    wanted = _ids({report.visit_id for report in reports})
    wanted += [grant.visit_id for grant in known.grants.values()]
    rows = await unit.all(
        """
        SELECT visit.visit_id, visit.guest_id, visit.opened_at, visit.closed_at, NULL AS card_uid
        FROM visit WHERE visit_id = ANY(%s)
        UNION ALL
        SELECT visit.visit_id, visit.guest_id, visit.opened_at, visit.closed_at, card.card_uid
        FROM card JOIN visit USING (visit_id)
        WHERE card.card_uid = ANY(%s) AND visit.closed_at IS NULL
        """,
        (wanted, sorted({report.card_uid for report in reports if report.card_uid})),
    )
    for row in rows:
        visit = _visit(row)
        known.visits[str(visit.visit_id)] = visit
        if row["card_uid"]:
            known.card_visits[row["card_uid"]] = visit


async def gather_kegs(unit: UnitOfWork, taps: Sequence[str]) -> Knowledge:
    """Return the history of kegs on these taps, what they were made for, and all its prices."""
    known = Knowledge()
    rows = await unit.all(
        """
        SELECT tap_id, keg_id, beverage_id, connected_at, disconnected_at FROM tap_keg
        WHERE tap_id = ANY(%(taps)s)
        UNION ALL
        SELECT tap_id, NULL, beverage_id, NULL, NULL FROM tap
        WHERE tap_id = ANY(%(taps)s) AND beverage_id IS NOT NULL
        ORDER BY tap_id, connected_at
        """,
        {"taps": list(taps)},
    )
    for row in rows:
        if row["keg_id"] is None:
            known.tap_beverages[row["tap_id"]] = row["beverage_id"]
            continue
        connection = Connection(
            keg_id=row["keg_id"],
            beverage_id=row["beverage_id"],
            connected_at=row["connected_at"],
            disconnected_at=row["disconnected_at"],
        )
        known.kegs.setdefault(row["tap_id"], []).append(connection)
    prices = await unit.all(
        """
        SELECT beverage_id, from_at, price_per_litre FROM price
        WHERE beverage_id = ANY(%s) ORDER BY beverage_id, from_at
        """,
        (list({row["beverage_id"] for row in rows}),),
    )
    for row in prices:
        step = PriceStep(from_at=row["from_at"], price_per_litre=row["price_per_litre"])
        known.prices.setdefault(row["beverage_id"], []).append(step)
    return known


def _grant(row: Row) -> Grant:
    return Grant(
        grant_id=GrantId(row["grant_id"]),
        request_id=row["request_id"],
        visit_id=VisitId(row["visit_id"]),
        guest_id=GuestId(row["guest_id"]),
        tap_id=row["tap_id"],
        price_per_litre=row["price_per_litre"],
        state=GrantState(row["state"]),
        beverage_id=row["beverage_id"],
        visit_was_closed=row["visit_was_closed"],
        placed_at=row["placed_at"],
    )


def _visit(row: Row) -> Visit:
    return Visit(
        visit_id=VisitId(row["visit_id"]),
        guest_id=GuestId(row["guest_id"]),
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
    )


async def save_pours(unit: UnitOfWork, rows: Sequence[dict[str, Any]]) -> int:
    """Insert decided pours and return how many were new; another instance may have been first."""
    return await unit.count(
        """
        INSERT INTO pour (client_tx_id, digest, short_id, tap_id, location, visit_id, guest_id,
                          grant_id, card_uid, keg_id, beverage_id, volume_ml, amount,
                          balance_after, price_per_litre, status, reason, sync_status, offline,
                          ghost, takes_keg, started_at, ended_at, received_at, entry_id)
        SELECT client_tx_id, decode(digest, 'hex'), short_id, tap_id, location, visit_id,
               guest_id, grant_id, card_uid, keg_id, beverage_id, volume_ml, amount,
               balance_after, price_per_litre, status, reason, sync_status, offline, ghost,
               takes_keg, started_at, ended_at, received_at, entry_id
        FROM json_to_recordset(%s) AS pour (
            client_tx_id text, digest text, short_id text, tap_id text, location text,
            visit_id uuid, guest_id uuid, grant_id uuid, card_uid text, keg_id uuid,
            beverage_id uuid, volume_ml numeric, amount bigint, balance_after bigint,
            price_per_litre bigint, status text, reason text, sync_status text, offline boolean,
            ghost boolean, takes_keg boolean, started_at timestamptz, ended_at timestamptz,
            received_at timestamptz, entry_id text)
        ON CONFLICT (client_tx_id) DO NOTHING
        """,
        (as_json(list(rows)),),
    )


async def save_mismatch(unit: UnitOfWork, report: Report) -> bool:
    """Keep other content that came under a known id; return whether it is new."""
    return bool(
        await unit.count(
            """
            INSERT INTO mismatch (client_tx_id, digest, tap_id, volume_ml, received_at)
            VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
            """,
            (
                report.client_tx_id,
                report.digest,
                report.tap_id,
                report.volume_ml,
                report.received_at,
            ),
        )
    )


async def list_pours(
    unit: UnitOfWork,
    *,
    status: str | None,
    visit_id: UUID | None,
    tap_id: str | None,
    before: int | None,
    limit: int,
) -> list[Row]:
    """Return pours, newest first, older than number `before`, filtered by what is given."""
    filters = {
        "status = %s": status,
        "visit_id = %s": visit_id,
        "tap_id = %s": tap_id,
        "number < %s": before,
    }
    given = {clause: value for clause, value in filters.items() if value is not None}
    where = " AND ".join(given) or "true"
    return await unit.all(
        f"SELECT * FROM pour WHERE {where} ORDER BY number DESC LIMIT %s",
        [*given.values(), limit],
    )


async def list_of_visit(unit: UnitOfWork, visit_id: UUID, *, limit: int) -> list[Row]:
    """Return a visit's pours, newest first; what a tap sent for an entry by hand stands there."""
    return await unit.all(
        """
        SELECT * FROM pour WHERE visit_id = %s AND entry_id IS NULL ORDER BY number DESC LIMIT %s
        """,
        (visit_id, limit),
    )


async def poured_ml(unit: UnitOfWork, visit_id: UUID) -> Row:
    """Return the accepted volume of a visit."""
    return await unit.one(
        """
        SELECT coalesce(sum(volume_ml), 0) AS poured_ml FROM pour
        WHERE visit_id = %s AND status = 'accepted' AND decision IS DISTINCT FROM 'waste'
        """,
        (visit_id,),
    )


async def save_dead_letter(
    unit: UnitOfWork, *, consumer: str, subject: str, payload: bytes, reason: str, at: datetime
) -> None:
    """Keep a payload that broke its contract."""
    await unit.execute(
        """
        INSERT INTO dead_letter
            (consumer, subject, payload, headers, reason, deliveries, received_at)
        VALUES (%s, %s, %s, '{}', %s, 1, %s)
        """,
        (consumer, subject, payload, reason, at),
    )
