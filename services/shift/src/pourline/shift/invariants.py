"""What must always hold for shifts."""

from pourline.upkeep.invariants import OUTBOX, Invariant

INVARIANTS: tuple[Invariant, ...] = (
    *OUTBOX,
    Invariant(
        name="one_open_shift_a_location",
        why="Every pour has one shift to count for.",
        sql="""
            SELECT location, count(*) AS shifts FROM shift WHERE status <> 'closed'
            GROUP BY location HAVING count(*) > 1 LIMIT 100
        """,
    ),
    Invariant(
        name="shifts_of_a_location_do_not_overlap",
        why="An instant belongs to one shift at most.",
        sql="""
            SELECT location, id, opened_at, ended_before FROM (
                SELECT location, id, opened_at,
                       lag(coalesce(closed_at, 'infinity')) OVER (
                           PARTITION BY location ORDER BY opened_at, id) AS ended_before
                FROM shift
            ) AS neighbours
            WHERE opened_at < ended_before LIMIT 100
        """,
    ),
    Invariant(
        name="revenue_has_its_pours",
        why="Money and volume of a shift come from pours that it counts.",
        sql="""
            SELECT shift_id, bucket, pours, volume_ml, revenue FROM shift_figure
            WHERE pours = 0 AND (volume_ml <> 0 OR revenue <> 0) LIMIT 100
        """,
    ),
)
