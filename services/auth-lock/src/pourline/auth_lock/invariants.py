"""What must always hold for visits and locks."""

from pourline.kit.invariants import OUTBOX, Invariant

INVARIANTS: tuple[Invariant, ...] = (
    *OUTBOX,
    Invariant(
        name="lock_intervals_of_a_visit_never_overlap",
        why="Nobody pours at two taps at once.",
        sql="""
            SELECT one.visit_id, one.tap_id, other.tap_id AS other_tap
            FROM tap_lock AS one JOIN tap_lock AS other
                ON other.visit_id = one.visit_id AND other.id > one.id
            WHERE tstzrange(one.lock_set_at, one.released_at)
                && tstzrange(other.lock_set_at, other.released_at) LIMIT 100
        """,
    ),
    Invariant(
        name="a_lock_belongs_to_an_open_visit",
        why="A closed visit never pours.",
        sql="""
            SELECT tap_lock.visit_id, tap_lock.tap_id FROM tap_lock
            JOIN visit ON visit.id = tap_lock.visit_id
            WHERE tap_lock.released_at IS NULL AND visit.status = 'closed' LIMIT 100
        """,
    ),
    Invariant(
        name="every_grant_was_answered",
        why="A lock without money behind it is given back.",
        sql="""
            SELECT tap_id, request_id, grant_id FROM grant_answer
            WHERE state = 'pending' AND asked_at < now() - interval '30 seconds' LIMIT 100
        """,
    ),
)
