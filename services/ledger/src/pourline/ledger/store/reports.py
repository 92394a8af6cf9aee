"""Sums of pours over spans of time; every query reads one range of the index over time."""

from collections.abc import Sequence
from datetime import datetime

from pourline.kit.db import Row, UnitOfWork

SUMS = """
    count(*) FILTER (WHERE is_charged) AS pours,
    coalesce(sum(volume_ml) FILTER (WHERE is_charged), 0) AS volume_ml,
    coalesce(sum(amount) FILTER (WHERE is_charged), 0)::bigint AS amount,
    coalesce(sum(volume_ml) FILTER (WHERE ghost), 0) AS ghost_ml,
    coalesce(sum(volume_ml) FILTER (WHERE decision = 'waste'), 0) AS wasted_ml,
    coalesce(sum(volume_ml) FILTER (WHERE status = 'held' AND takes_keg), 0) AS held_ml
"""
WITHIN = """
    SELECT *, status = 'accepted' AND NOT ghost AND volume_ml > 0
              AND decision IS DISTINCT FROM 'waste' AS is_charged
    FROM pour WHERE started_at >= %(begins_at)s AND started_at < %(ends_at)s AND entry_id IS NULL
"""
"""What a tap sent for an entry by hand (`entry_id`) stands in the books as that entry."""


async def sums_of_spans(unit: UnitOfWork, steps: Sequence[datetime]) -> dict[int, Row]:
    """Return sums by span, 1 for that from the first step to the second; empty ones are absent."""
    rows = await unit.all(
        f"""
        SELECT width_bucket(started_at, %(steps)s::timestamptz[]) AS span, {SUMS}
        FROM ({WITHIN}) AS pour GROUP BY span
        """,
        {"steps": list(steps), "begins_at": steps[0], "ends_at": steps[-1]},
    )
    return {row["span"]: row for row in rows}


async def sums_of_beverages(
    unit: UnitOfWork, *, begins_at: datetime, ends_at: datetime, limit: int
) -> list[Row]:
    """Return sums by beverage, the largest volume first."""
    return await unit.all(
        f"""
        SELECT beverage_id, {SUMS} FROM ({WITHIN}) AS pour
        GROUP BY beverage_id ORDER BY volume_ml DESC, beverage_id LIMIT %(limit)s
        """,
        {"begins_at": begins_at, "ends_at": ends_at, "limit": limit},
    )
