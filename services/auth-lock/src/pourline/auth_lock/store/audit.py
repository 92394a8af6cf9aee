"""The append-only record of who did what."""

import orjson

from pourline.kit.db import Row, UnitOfWork


async def record(
    unit: UnitOfWork,
    *,
    actor: str,
    action: str,
    subject: str,
    reason: str | None = None,
    after: dict[str, object] | None = None,
) -> None:
    """Write one line; `subject` is `kind:id`."""
    await unit.execute(
        "INSERT INTO audit (actor, action, subject, reason, after) VALUES (%s, %s, %s, %s, %s)",
        (actor, action, subject, reason, _json(after)),
    )


async def list_entries(
    unit: UnitOfWork, *, subject: str | None, before: int | None, limit: int
) -> list[Row]:
    """Return entries, newest first, older than `before`; `subject` may be a kind or kind:id."""
    return await unit.all(
        """
        SELECT id, at, actor, action, subject, reason, before, after FROM audit
        WHERE (%s::text IS NULL OR subject = %s OR subject LIKE %s || ':%%'
               OR subject LIKE '%%:' || %s)
          AND (%s::bigint IS NULL OR id < %s)
        ORDER BY id DESC LIMIT %s
        """,
        (subject, subject, subject, subject, before, before, limit),
    )


def _json(value: dict[str, object] | None) -> str | None:
    return orjson.dumps(value, default=str).decode() if value is not None else None
