"""What pours were, when lines were cleaned, and what that makes of kegs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pourline.keg_fifo.domain.losses import PourClass, Recent
from pourline.kit.db import Row, UnitOfWork, as_json

SUMS_MAX = 400
"""Losses told at once: six classes of more beverages than a bar has, within one message."""
CONNECTED_MAX = 1000
"""No bar has more taps."""


async def save_classes(
    unit: UnitOfWork, classes: Mapping[str, PourClass], *, decided: Sequence[str]
) -> None:
    """Know what pours were; a person's decision stands, whatever comes later."""
    known = set(decided)
    rows = [
        {"client_tx_id": key, "class": one.value, "is_decided": key in known}
        for key, one in classes.items()
    ]
    await unit.execute(
        """
        INSERT INTO pour_class (client_tx_id, class, is_decided)
        SELECT client_tx_id, class, is_decided FROM json_to_recordset(%s)
            AS fresh (client_tx_id text, class text, is_decided boolean)
        ON CONFLICT (client_tx_id)
            DO UPDATE SET class = excluded.class, is_decided = excluded.is_decided
            WHERE excluded.is_decided OR NOT pour_class.is_decided
        """,
        (as_json(rows),),
    )


async def save_cleaning(
    unit: UnitOfWork, *, tap_id: str, began_at: datetime, ended_at: datetime, actor: str
) -> None:
    """Know from when to when a tap's line was cleaned."""
    await unit.execute(
        """
        INSERT INTO cleaning (tap_id, began_at, ended_at, actor) VALUES (%s, %s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (tap_id, began_at, ended_at, actor),
    )


CLASS = """
    CASE WHEN coalesce(pour_class.class, 'poured') IN ('ghost', 'free') AND EXISTS (
             SELECT FROM cleaning WHERE cleaning.tap_id = keg_taking.tap_id
               AND keg_taking.started_at >= began_at AND keg_taking.started_at < ended_at)
         THEN 'cleaning'
         WHEN pour_class.class = 'free' THEN 'poured'
         ELSE coalesce(pour_class.class, 'poured') END
"""
"""What a pour was: what ran unasked or at no price while a line was cleaned cleaned it."""


async def sums_of_keg(unit: UnitOfWork, keg_id: UUID) -> list[Row]:
    """Return what left a keg by class, and what ran beyond what it held: class, taken, over."""
    return await unit.all(
        f"""
        SELECT {CLASS} AS class, sum(taken_ml) AS taken_ml, sum(shortfall_ml) AS over_ml
        FROM keg_taking LEFT JOIN pour_class USING (client_tx_id)
        WHERE keg_id = %s AND NOT EXISTS (
            SELECT FROM keg_return WHERE keg_return.client_tx_id = keg_taking.client_tx_id)
        GROUP BY 1
        """,
        (keg_id,),
    )


async def sums_of_losses(unit: UnitOfWork, *, since: datetime, until: datetime) -> list[Row]:
    """Return what was lost in a stretch of time: loss, beverage_id, volume_ml, largest first."""
    return await unit.all(
        f"""
        SELECT loss, beverage_id, sum(volume_ml) AS volume_ml FROM (
            SELECT {CLASS} AS loss, keg.beverage_id, keg_taking.taken_ml AS volume_ml
            FROM tap JOIN keg_taking ON keg_taking.tap_id = tap.tap_id
                AND keg_taking.started_at >= %(since)s AND keg_taking.started_at < %(until)s
            LEFT JOIN keg ON keg.id = keg_taking.keg_id
            LEFT JOIN pour_class USING (client_tx_id)
            WHERE NOT EXISTS (SELECT FROM keg_return
                              WHERE keg_return.client_tx_id = keg_taking.client_tx_id)
            UNION ALL
            SELECT CASE status WHEN 'empty' THEN 'unaccounted' ELSE 'discarded' END,
                   beverage_id, remaining_ml
            FROM keg WHERE status IN ('empty', 'returned', 'discarded')
                AND disconnected_at >= %(since)s AND disconnected_at < %(until)s
        ) AS gone
        WHERE loss <> 'poured' AND volume_ml > 0
        GROUP BY loss, beverage_id ORDER BY volume_ml DESC, loss, beverage_id LIMIT %(most)s
        """,
        {"since": since, "until": until, "most": SUMS_MAX},
    )


async def first_tapped(unit: UnitOfWork, keg_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """Return when kegs were first connected, those that ever were."""
    rows = await unit.all(
        """
        SELECT keg_id, min(connected_at) AS at FROM connection
        WHERE keg_id = ANY(%s) GROUP BY keg_id
        """,
        (list(keg_ids),),
    )
    return {row["keg_id"]: row["at"] for row in rows}


async def connected_kegs(unit: UnitOfWork) -> list[Row]:
    """Return every connected keg with its beverage's name."""
    return await unit.all(
        """
        SELECT keg.id, keg.tap_id, keg.beverage_id, keg.remaining_ml, beverage.name AS beverage
        FROM keg JOIN beverage ON beverage.id = keg.beverage_id
        WHERE keg.status = 'connected' ORDER BY keg.id LIMIT %s
        """,
        (CONNECTED_MAX,),
    )


async def recent_of_taps(unit: UnitOfWork, *, since: datetime) -> dict[UUID, Recent]:
    """Return what each connected keg's tap poured of its beverage `since`, by the keg."""
    rows = await unit.all(
        """
        SELECT keg.id AS keg_id, coalesce(sum(keg_taking.taken_ml), 0) AS volume_ml,
               count(keg_taking.client_tx_id) AS pours, min(keg_taking.started_at) AS since
        FROM keg
        LEFT JOIN (keg_taking JOIN keg AS old ON old.id = keg_taking.keg_id)
            ON keg_taking.tap_id = keg.tap_id AND keg_taking.started_at >= %s
           AND old.beverage_id = keg.beverage_id
           AND NOT EXISTS (SELECT FROM keg_return
                           WHERE keg_return.client_tx_id = keg_taking.client_tx_id)
        WHERE keg.status = 'connected' GROUP BY keg.id
        """,
        (since,),
    )
    return {
        row["keg_id"]: Recent(
            volume_ml=Decimal(row["volume_ml"]), pours=row["pours"], since=row["since"]
        )
        for row in rows
    }
