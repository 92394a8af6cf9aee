"""All of shift's SQL."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork, as_json
from pourline.shift.domain import Figures, OpenShift, Place, SplitKey, Sum

FIGURES = ("pours", "volume_ml", "revenue", "topups", "refunds", "denials")
ADDED = "text, uuid, text, bigint, numeric, bigint, bigint, bigint, bigint"


async def insert_shift(unit: UnitOfWork, values: Mapping[str, object]) -> Row | None:
    """Open a shift, or return None where one is open already."""
    return await unit.maybe(
        """
        INSERT INTO shift (id, location, opened_at, opened_by, opening_float, business_day)
        VALUES (%(id)s, %(location)s, %(opened_at)s, %(opened_by)s, %(opening_float)s,
                %(business_day)s)
        ON CONFLICT (location) WHERE status <> 'closed' DO NOTHING
        RETURNING *
        """,
        values,
    )


async def find_shift(unit: UnitOfWork, shift_id: UUID) -> Row | None:
    """Return a shift, locked against its closing until the commit."""
    return await unit.maybe("SELECT * FROM shift WHERE id = %s FOR SHARE", (shift_id,))


async def find_open_shift(unit: UnitOfWork, location: str) -> Row | None:
    """Return the shift that is open at a location."""
    return await unit.maybe(
        "SELECT * FROM shift WHERE location = %s AND status <> 'closed'", (location,)
    )


async def closed_shifts(
    unit: UnitOfWork, location: str, *, weekday: int | None, before: UUID | None, limit: int
) -> list[Row]:
    """Return a location's closed shifts, newest first, of one weekday (1: Monday) or of all."""
    return await unit.all(
        """
        SELECT * FROM shift
        WHERE location = %(location)s AND status = 'closed'
          AND (%(before)s::uuid IS NULL OR id < %(before)s)
          AND (%(weekday)s::int IS NULL OR extract(isodow FROM business_day) = %(weekday)s)
        ORDER BY id DESC LIMIT %(limit)s
        """,
        {"location": location, "before": before, "weekday": weekday, "limit": limit},
    )


async def open_shifts(unit: UnitOfWork, locations: Collection[str]) -> dict[str, OpenShift]:
    """Return each location's open shift, locked against its closing until the commit."""
    rows = await unit.all(
        """
        SELECT id, location, opened_at FROM shift
        WHERE location = ANY(%s) AND status <> 'closed' ORDER BY id FOR SHARE
        """,
        (sorted(locations),),
    )
    return {
        row["location"]: OpenShift(shift_id=row["id"], opened_at=row["opened_at"]) for row in rows
    }


async def add_figures(unit: UnitOfWork, sums: Mapping[Place, Figures]) -> None:
    """Add to the figures of shifts, and to what no shift was open for."""
    ordered = sorted(sums, key=lambda place: (place.location, str(place.shift_id), place.bucket))
    rows = [
        (place.location, place.shift_id, place.bucket.value, *_values(sums[place]))
        for place in ordered
    ]
    await _add(unit, "shift_figure", "shift_id, bucket", [row for row in rows if row[1]])
    await _add(unit, "unassigned_figure", "location", [row for row in rows if not row[1]])


def _values(figures: Figures) -> tuple[object, ...]:
    return tuple(getattr(figures, name) for name in FIGURES)


async def _add(unit: UnitOfWork, table: str, key: str, rows: list[tuple[object, ...]]) -> None:
    """Add rows of location, shift, bucket and figures to a table of running figures."""
    if not rows:
        return
    names = ", ".join(FIGURES)
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in FIGURES)
    arrays = ", ".join(f"%s::{kind.strip()}[]" for kind in ADDED.split(","))
    await unit.execute(
        f"""
        INSERT INTO {table} ({key}, {names})
        SELECT {key}, {names}
        FROM unnest({arrays}) AS added (location, shift_id, bucket, {names})
        ON CONFLICT ({key}) DO UPDATE SET {sums}
        """,
        [list(column) for column in zip(*rows, strict=True)],
    )


async def find_figures(unit: UnitOfWork, shift_id: UUID) -> dict[str, Row]:
    """Return a shift's figures by bucket; one that is still empty has none."""
    rows = await unit.all("SELECT * FROM shift_figure WHERE shift_id = %s", (shift_id,))
    return {row["bucket"]: row for row in rows}


async def add_member(unit: UnitOfWork, *, shift_id: UUID, name: str) -> None:
    """Have somebody work in a shift, perhaps again; a repeat changes nothing."""
    await unit.execute(
        """
        INSERT INTO member (shift_id, name) VALUES (%s, %s)
        ON CONFLICT (shift_id, name) DO UPDATE SET left_at = NULL
        """,
        (shift_id, name),
    )


async def remove_member(unit: UnitOfWork, *, shift_id: UUID, name: str, at: datetime) -> bool:
    """Have somebody leave a shift; return whether they were ever in it."""
    row = await unit.maybe(
        """
        UPDATE member SET left_at = coalesce(left_at, %s)
        WHERE shift_id = %s AND name = %s RETURNING name
        """,
        (at, shift_id, name),
    )
    return row is not None


async def list_members(unit: UnitOfWork, shift_id: UUID) -> list[Row]:
    """Return who has worked in a shift, in the order of joining."""
    return await unit.all(
        """
        SELECT name, joined_at, left_at FROM member
        WHERE shift_id = %s ORDER BY joined_at, name LIMIT 1000
        """,
        (shift_id,),
    )


async def lock_shift(unit: UnitOfWork, shift_id: UUID) -> Row | None:
    """Return a shift, locked until the commit; figures that are being added come first."""
    return await unit.maybe("SELECT * FROM shift WHERE id = %s FOR UPDATE", (shift_id,))


async def begin_closing(
    unit: UnitOfWork, *, shift_id: UUID, attempt_id: UUID, at: datetime, left_before: datetime
) -> Row | None:
    """Let an open shift be about to close, or one whose closing was begun before `left_before`.

    None for one that is closed or unknown, or that somebody else closes now.
    """
    return await unit.maybe(
        """
        UPDATE shift SET status = 'closing', closing_at = %s, attempt_id = %s
        WHERE id = %s AND (status = 'open' OR status = 'closing' AND closing_at < %s) RETURNING *
        """,
        (at, attempt_id, shift_id, left_before),
    )


async def reopen(unit: UnitOfWork, *, attempt_id: UUID) -> Row | None:
    """Let a shift go on that this attempt was to close; None when another one does."""
    return await unit.maybe(
        """
        UPDATE shift SET status = 'open', closing_at = NULL, attempt_id = NULL
        WHERE attempt_id = %s AND status = 'closing' RETURNING *
        """,
        (attempt_id,),
    )


async def left_closing(unit: UnitOfWork, *, before: datetime) -> list[Row]:
    """Return shifts whose closing nobody finished."""
    return await unit.all(
        "SELECT * FROM shift WHERE status = 'closing' AND closing_at < %s FOR UPDATE", (before,)
    )


async def save_closed(unit: UnitOfWork, values: Mapping[str, object]) -> Row:
    """Close a shift."""
    return await unit.one(
        """
        UPDATE shift SET status = 'closed', closed_at = %(at)s, closed_by = %(actor)s,
                         counted_cash = %(counted_cash)s, comment = %(comment)s,
                         closing_at = NULL, attempt_id = NULL
        WHERE id = %(shift_id)s RETURNING *
        """,
        values,
    )


async def add_splits(unit: UnitOfWork, sums: Mapping[SplitKey, Sum]) -> None:
    """Add to the lines of reports."""
    if not sums:
        return
    rows = [
        {
            "shift_id": str(shift_id),
            "bucket": bucket.value,
            "by": by,
            "key": key,
            "what": what,
            "count": one.count,
            "volume_ml": str(one.volume_ml),
            "amount": one.amount,
            "quantity": str(one.quantity),
        }
        for (shift_id, bucket, by, key, what), one in sorted(
            sums.items(), key=lambda item: [str(part) for part in item[0]]
        )
    ]
    await unit.execute(
        """
        INSERT INTO shift_line (shift_id, bucket, by, key, what, count, volume_ml, amount,
                                quantity)
        SELECT * FROM json_to_recordset(%s) AS line (shift_id uuid, bucket text, by text, key text,
            what text, count bigint, volume_ml numeric, amount bigint, quantity numeric)
        ON CONFLICT (shift_id, bucket, by, key, what) DO UPDATE
            SET count = shift_line.count + excluded.count,
                volume_ml = shift_line.volume_ml + excluded.volume_ml,
                amount = shift_line.amount + excluded.amount,
                quantity = shift_line.quantity + excluded.quantity
        """,
        (as_json(rows),),
    )


async def list_lines(unit: UnitOfWork, shift_id: UUID) -> list[Row]:
    """Return the lines of a shift's report, in the order of reading."""
    return await unit.all(
        """
        SELECT bucket, by, key, what, count, volume_ml, amount, quantity FROM shift_line
        WHERE shift_id = %s ORDER BY bucket DESC, by, what, key LIMIT 5000
        """,
        (shift_id,),
    )


async def save_config(unit: UnitOfWork, *, key: str, value: object, version: int) -> None:
    """Know a configuration value; an older one never wins."""
    await unit.execute(
        """
        INSERT INTO config (key, value, version) VALUES (%s, %s, %s)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version
            WHERE config.version < excluded.version
        """,
        (key, as_json(value), version),
    )


async def find_config(unit: UnitOfWork, key: str, *, default: object) -> object:
    """Return a configuration value."""
    row = await unit.maybe("SELECT value FROM config WHERE key = %s", (key,))
    return row["value"] if row else default
