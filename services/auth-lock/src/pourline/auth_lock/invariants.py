"""What must always hold for visits, locks and the record."""

from pourline.auth_lock.tables import AUDIT_CONTENT
from pourline.upkeep.invariants import OUTBOX, Invariant

AUDIT = (
    Invariant(
        name="the_record_is_what_was_linked",
        why="Nobody changes or removes what is on record: each entry hashes as it did when linked.",
        sql=f"""
            SELECT audit_link.position, audit_link.audit_id,
                   CASE WHEN audit.id IS NULL THEN 'removed' ELSE 'changed' END AS fault
            FROM audit_link LEFT JOIN audit ON audit.id = audit_link.audit_id
            WHERE audit.id IS NULL OR audit_link.content <> {AUDIT_CONTENT}
            ORDER BY audit_link.position LIMIT 100
        """,
    ),
    Invariant(
        name="the_chain_of_the_record_is_whole",
        why="Each link hashes the one before it and its entry, and their places have no gap.",
        sql="""
            SELECT position, audit_id FROM (
                SELECT position, audit_id, hash, content,
                       coalesce(lag(hash) OVER earlier, '') AS hash_before,
                       row_number() OVER earlier AS place
                FROM audit_link WINDOW earlier AS (ORDER BY position)
            ) AS link
            WHERE position <> place OR hash <> sha256(hash_before || content)
            ORDER BY position LIMIT 100
        """,
    ),
    Invariant(
        name="every_entry_of_the_record_is_linked",
        why="An entry is linked within a second, at most five; else it was slipped in.",
        sql="""
            SELECT audit.id, audit.at,
                   CASE WHEN audit_unlinked.audit_id IS NULL THEN 'inserted'
                        ELSE 'waits' END AS fault
            FROM audit LEFT JOIN audit_link ON audit_link.audit_id = audit.id
            LEFT JOIN audit_unlinked ON audit_unlinked.audit_id = audit.id
            WHERE audit_link.audit_id IS NULL
              AND (audit_unlinked.audit_id IS NULL
                   OR audit.at < clock_timestamp() - interval '5 seconds')
            ORDER BY audit.id LIMIT 100
        """,
    ),
)
"""What shows that the append-only record was tampered with."""

INVARIANTS: tuple[Invariant, ...] = (
    *OUTBOX,
    *AUDIT,
    Invariant(
        name="lock_intervals_of_a_visit_never_overlap",
        why="Nobody pours at two taps at once, unless FF_ACTIVE_TAP_LOCK was off.",
        sql="""
            SELECT one.visit_id, one.tap_id, other.tap_id AS other_tap
            FROM tap_lock AS one JOIN tap_lock AS other
                ON other.visit_id = one.visit_id AND other.id > one.id
            WHERE NOT one.is_beside AND NOT other.is_beside
              AND tstzrange(one.lock_set_at, one.released_at)
                && tstzrange(other.lock_set_at, other.released_at) LIMIT 100
        """,
    ),
    Invariant(
        name="a_lock_belongs_to_an_open_visit",
        why="A closed visit never pours, unless FF_VISIT_ENFORCEMENT was off when it was asked.",
        sql="""
            SELECT tap_lock.visit_id, tap_lock.tap_id FROM tap_lock
            JOIN visit ON visit.id = tap_lock.visit_id
            WHERE tap_lock.released_at IS NULL AND visit.status = 'closed'
              AND NOT tap_lock.visit_was_closed LIMIT 100
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
