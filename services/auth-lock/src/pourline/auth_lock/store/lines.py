"""Line cleaning: when one began, and when a tap's line was cleaned last."""

from pourline.kit.db import Row, UnitOfWork

INTERVAL_DAYS = """
    coalesce((SELECT (value #>> '{}')::int FROM config WHERE key = 'cleaning_interval_days'), 14)
"""
"""Days from one cleaning to the next, as configured (`domain.configuration` has the default)."""


async def begin_cleaning(unit: UnitOfWork, tap_id: str) -> None:
    """Note that a tap's line is being cleaned from now on, unless it is already."""
    await unit.execute(
        "UPDATE tap SET cleaning_since = coalesce(cleaning_since, %s) WHERE id = %s",
        (unit.clock.now(), tap_id),
    )


async def end_cleaning(unit: UnitOfWork, tap_id: str, *, is_done: bool) -> Row | None:
    """Note that a cleaning is over, the line clean if `is_done`; return its facts, if any.

    They are location, began_at, ended_at and due_at, the next one's.
    """
    return await unit.maybe(
        f"""
        UPDATE tap SET cleaning_since = NULL,
                       cleaned_at = CASE WHEN %(is_done)s THEN %(at)s ELSE cleaned_at END
        FROM (SELECT id, cleaning_since FROM tap WHERE id = %(tap_id)s FOR UPDATE) AS old
        WHERE tap.id = old.id AND old.cleaning_since IS NOT NULL
        RETURNING tap.location, old.cleaning_since AS began_at, %(at)s::timestamptz AS ended_at,
                  cleaned_at + make_interval(days => {INTERVAL_DAYS}) AS due_at
        """,
        {"tap_id": tap_id, "is_done": is_done, "at": unit.clock.now()},
    )


async def clear_gas(unit: UnitOfWork, tap_id: str) -> None:
    """Take a tap's keg for one that has beer again: staff say so."""
    await unit.execute("UPDATE tap SET gas = false WHERE id = %s", (tap_id,))
