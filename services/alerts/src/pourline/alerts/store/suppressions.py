"""Which alerts are kept quiet until when."""

from datetime import datetime
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork


async def save(unit: UnitOfWork, *, suppression_id: UUID, fields: dict[str, object]) -> Row:
    """Keep a suppression; what is kept quiet already stays so until the later end."""
    await unit.execute(
        """
        UPDATE alert SET suppressed_until = greatest(suppressed_until, %(until)s)
        WHERE suppressed_until IS NOT NULL AND state <> 'resolved'
          AND (%(kind)s::text IS NULL OR kind = %(kind)s)
          AND (%(subject)s::text IS NULL OR subject_id = %(subject)s)
        """,
        fields,
    )
    return await unit.one(
        """
        INSERT INTO suppression (id, kind, subject, until_at, reason, created_by, created_at)
        VALUES (%(id)s, %(kind)s, %(subject)s, %(until)s, %(reason)s, %(actor)s, %(at)s)
        RETURNING *
        """,
        fields | {"id": suppression_id},
    )


async def list_in_force(
    unit: UnitOfWork, *, at: datetime, before: int | None, limit: int
) -> list[Row]:
    """Return suppressions that have not ended, newest first."""
    return await unit.all(
        """
        SELECT * FROM suppression
        WHERE lifted_at IS NULL AND until_at > %s AND (%s::bigint IS NULL OR number < %s)
        ORDER BY number DESC LIMIT %s
        """,
        (at, before, before, limit),
    )


async def find(unit: UnitOfWork, suppression_id: UUID) -> Row | None:
    """Return a suppression, locked until the commit."""
    return await unit.maybe("SELECT * FROM suppression WHERE id = %s FOR UPDATE", (suppression_id,))


async def lift(unit: UnitOfWork, *, suppression_id: UUID, actor: str, at: datetime) -> Row:
    """End a suppression, and give the alerts it kept quiet the end of what else does."""
    row = await unit.one(
        "UPDATE suppression SET lifted_by = %s, lifted_at = %s WHERE id = %s RETURNING *",
        (actor, at, suppression_id),
    )
    await unit.execute(
        """
        UPDATE alert SET suppressed_until = coalesce((
            SELECT max(until_at) FROM suppression AS other
            WHERE other.lifted_at IS NULL AND other.until_at > %(at)s
              AND (other.kind IS NULL OR other.kind = alert.kind)
              AND (other.subject IS NULL OR other.subject = alert.subject_id)
        ), %(at)s)
        WHERE suppressed_until IS NOT NULL AND state <> 'resolved'
        """,
        {"at": at},
    )
    return row
