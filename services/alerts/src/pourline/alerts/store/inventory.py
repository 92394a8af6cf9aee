"""Copies of packages and items, what was consumed, cooldowns and the monitor's runs."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pourline.alerts.domain.kinds import Cause
from pourline.alerts.domain.packages import Day, Limit, Stand, normal
from pourline.alerts.domain.prediction import Supply
from pourline.kit.db import Row, UnitOfWork, as_json

MONITOR_LOCK = 0xA1A3
"""Runs follow one another: two at once would both tell of a breach."""
PACKAGES_MAX = 10_000
ITEMS_MAX = 10_000
RUNS_DAYS = 28
DAYS_KEPT = 180


async def save_item(
    unit: UnitOfWork, *, item_id: str, name: str, measure: str, quantity: Decimal, tracked: bool
) -> None:
    """Know an item and what is left of it."""
    await unit.execute(
        """
        INSERT INTO item (item_id, name, unit, quantity, tracked) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (item_id) DO UPDATE SET name = excluded.name, unit = excluded.unit,
            quantity = excluded.quantity, tracked = excluded.tracked
        """,
        (item_id, name, measure, quantity, tracked),
    )


async def consume(unit: UnitOfWork, parts: Sequence[tuple[str, date, Decimal]]) -> None:
    """Add what was consumed of items on days; an item and day stands at most once in `parts`."""
    await unit.execute(
        """
        INSERT INTO consumption (item_id, day, quantity)
        SELECT item_id, day, quantity
        FROM json_to_recordset(%s) AS part (item_id text, day date, quantity numeric)
        ORDER BY item_id, day
        ON CONFLICT (item_id, day)
            DO UPDATE SET quantity = consumption.quantity + excluded.quantity
        """,
        (
            as_json(
                [
                    {"item_id": item_id, "day": day.isoformat(), "quantity": str(quantity)}
                    for item_id, day, quantity in parts
                ]
            ),
        ),
    )


async def supplies(
    unit: UnitOfWork, *, since: date, items: Sequence[str] | None = None
) -> list[Supply]:
    """Return tracked items of which anything was consumed since a day, with what was, by day."""
    rows = await unit.all(
        """
        SELECT item_id, name, unit, item.quantity,
               json_object_agg(day, consumption.quantity::text) AS consumed
        FROM item JOIN consumption USING (item_id)
        WHERE tracked AND day >= %s AND (%s::text[] IS NULL OR item_id = ANY(%s))
        GROUP BY item_id ORDER BY item_id LIMIT %s
        """,
        (since, items, items, ITEMS_MAX),
    )
    return [
        Supply(
            item_id=row["item_id"],
            name=row["name"],
            unit=row["unit"],
            left=row["quantity"],
            consumed={
                date.fromisoformat(day): Decimal(one) for day, one in row["consumed"].items()
            },
        )
        for row in rows
    ]


async def save_package(unit: UnitOfWork, stand: Stand, *, day: date) -> None:
    """Know a package and how many of it can be sold, now and at most on this day."""
    limit = stand.limit
    await unit.execute(
        """
        INSERT INTO package (package_id, name, sellable, limit_item_id, limit_name, limit_available)
        VALUES (%s, %s, %s, %s, %s, %s)
        ON CONFLICT (package_id) DO UPDATE SET name = excluded.name, sellable = excluded.sellable,
            limit_item_id = excluded.limit_item_id, limit_name = excluded.limit_name,
            limit_available = excluded.limit_available
        """,
        (
            stand.package_id,
            stand.name,
            stand.sellable,
            limit.item_id if limit else None,
            limit.name if limit else None,
            limit.available if limit else None,
        ),
    )
    if stand.sellable is not None:
        await unit.execute(
            """
            INSERT INTO package_day (package_id, day, most, last) VALUES (%s, %s, %s, %s)
            ON CONFLICT (package_id, day) DO UPDATE
                SET most = greatest(package_day.most, excluded.most), last = excluded.last
            """,
            (stand.package_id, day, stand.sellable, stand.sellable),
        )


async def knows_package(unit: UnitOfWork, package_id: str) -> bool:
    """Return whether there is such a package."""
    row = await unit.maybe("SELECT 1 FROM package WHERE package_id = %s", (package_id,))
    return row is not None


async def stands(unit: UnitOfWork, *, today: date, package_id: str | None = None) -> list[Stand]:
    """Return every package, or one, with how many can be sold and how many usually can."""
    rows = await unit.all(
        """
        SELECT package.*, coalesce(past.days, '[]') AS days
        FROM package LEFT JOIN (
            SELECT package_id, json_agg(json_build_array(day, most, last) ORDER BY day) AS days
            FROM package_day GROUP BY package_id
        ) AS past USING (package_id)
        WHERE %s::text IS NULL OR package_id = %s
        ORDER BY package_id LIMIT %s
        """,
        (package_id, package_id, PACKAGES_MAX),
    )
    return [_stand(row, today) for row in rows]


def _stand(row: Row, today: date) -> Stand:
    days = [
        Day(day=date.fromisoformat(day), most=most, last=last) for day, most, last in row["days"]
    ]
    limit = None
    if row["limit_item_id"] is not None:
        limit = Limit(
            item_id=row["limit_item_id"],
            name=row["limit_name"],
            available=row["limit_available"],
        )
    return Stand(
        package_id=row["package_id"],
        name=row["name"],
        sellable=row["sellable"],
        limit=limit,
        normal=normal(days, today=today),
    )


async def one_run_at_a_time(unit: UnitOfWork) -> None:
    """Wait until no other run is under way, and keep others out until the commit."""
    await unit.execute("SELECT pg_advisory_xact_lock(%s)", (MONITOR_LOCK,))


async def last_run(unit: UnitOfWork) -> datetime | None:
    """Return when the last run began."""
    row = await unit.one("SELECT max(started_at) AS at FROM monitor_run")
    at: datetime | None = row["at"]
    return at


async def save_run(unit: UnitOfWork, *, run_id: UUID, fields: dict[str, object]) -> None:
    """Keep what a run came to, and let go of what nobody asks for any more."""
    await unit.execute(
        """
        INSERT INTO monitor_run (id, started_at, duration_ms, packages_checked, notifications_sent,
                                 bottlenecks_detected)
        VALUES (%(id)s, %(at)s, %(duration_ms)s, %(packages_checked)s, %(notifications_sent)s,
                %(bottlenecks_detected)s)
        """,
        fields | {"id": run_id},
    )
    old = {"at": fields["at"], "runs": RUNS_DAYS, "days": DAYS_KEPT}
    await unit.execute(
        """
        DELETE FROM monitor_run
        WHERE started_at < %(at)s::timestamptz - make_interval(days => %(runs)s)
        """,
        old,
    )
    await unit.execute(
        """
        DELETE FROM consumption
        WHERE day < %(at)s::timestamptz - make_interval(days => %(days)s)
        """,
        old,
    )
    await unit.execute(
        """
        DELETE FROM package_day AS old
        WHERE day < %(at)s::timestamptz - make_interval(days => %(days)s)
          AND EXISTS (SELECT FROM package_day AS newer
                      WHERE newer.package_id = old.package_id AND newer.day > old.day)
        """,
        old,
    )


async def begin_cooldown(unit: UnitOfWork, cause: Cause, *, at: datetime, since: datetime) -> bool:
    """Begin a cooldown unless one began after `since`; return whether it began."""
    begun = await unit.count(
        """
        INSERT INTO cooldown (kind, reference, started_at) VALUES (%s, %s, %s)
        ON CONFLICT (kind, reference) DO UPDATE SET started_at = excluded.started_at
            WHERE cooldown.started_at <= %s
        """,
        (cause.kind.value, cause.subject_id, at, since),
    )
    return begun == 1


async def cooldowns(unit: UnitOfWork, *, since: datetime) -> dict[str, int]:
    """Return how many cooldowns of each kind began after `since`."""
    rows = await unit.all(
        "SELECT kind, count(*) AS running FROM cooldown WHERE started_at > %s GROUP BY kind"
        " ORDER BY kind",
        (since,),
    )
    return {row["kind"]: row["running"] for row in rows}


async def forget_cooldowns(unit: UnitOfWork, *, until: datetime) -> None:
    """Let go of cooldowns that are over."""
    await unit.execute("DELETE FROM cooldown WHERE started_at <= %s", (until,))
