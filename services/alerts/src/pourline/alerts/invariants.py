"""What must always hold for alerts."""

from pourline.kit.invariants import OUTBOX, Invariant

INVARIANTS: tuple[Invariant, ...] = (
    *OUTBOX,
    Invariant(
        name="one_alert_a_cause",
        why="A breach opens one alert, however often it is seen.",
        sql="""
            SELECT kind, subject_type, subject_id, count(*) AS alerts FROM alert
            WHERE state <> 'resolved'
            GROUP BY kind, subject_type, subject_id HAVING count(*) > 1 LIMIT 100
        """,
    ),
)
