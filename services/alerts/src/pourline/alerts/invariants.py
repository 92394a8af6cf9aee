"""What must always hold for alerts."""

from pourline.upkeep.invariants import OUTBOX, Invariant

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
    Invariant(
        name="what_is_mailed_is_in_the_log",
        why="Whoever should have heard of an alert has a row that says what became of it.",
        sql="""
            SELECT id, kind FROM alert
            WHERE notified_at IS NOT NULL
              AND NOT EXISTS (SELECT FROM notification WHERE alert_id = alert.id)
            LIMIT 100
        """,
    ),
    Invariant(
        name="what_was_merged_shares_its_digests_fate",
        why="A notification in a digest is over when the digest is.",
        sql="""
            SELECT member.id, member.status, digest.status AS digest_status
            FROM notification AS member JOIN notification AS digest ON digest.id = member.digest_id
            WHERE (member.status = 'merged') <> (digest.status = 'pending') LIMIT 100
        """,
    ),
)
