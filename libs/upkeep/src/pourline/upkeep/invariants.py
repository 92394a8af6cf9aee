"""Statements about stored data that must always hold, each a query that returns offenders."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Invariant:
    """A rule: `sql` returns at most a hundred rows that break it; `why` says what it protects."""

    name: str
    why: str
    sql: str


OUTBOX = (
    Invariant(
        name="outbox_is_published",
        why="What a commit announced must reach the others.",
        sql="SELECT id, subject FROM outbox WHERE published_at IS NULL LIMIT 100",
    ),
    Invariant(
        name="outbox_numbers_have_no_gaps",
        why="A reader notices a lost event by its number.",
        sql="""
            SELECT min(seq) AS first, max(seq) AS last, count(seq) AS numbered FROM outbox
            WHERE seq IS NOT NULL
            HAVING count(seq) > 0 AND max(seq) - min(seq) + 1 <> count(seq)
        """,
    ),
)
"""What holds for the outbox of every service."""
