"""The append-only record of who did what, and the chain of hashes that shows what was changed.

A row is written in the transaction of what it records and linked to the chain a moment later, in
order and in batches, by whoever leads: the chain costs the writer nothing and no writer waits for
another. `audit_unlinked`, filled by a trigger, names the rows that are still to be linked.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from pourline.auth_lock.tables import AUDIT_CONTENT
from pourline.contracts.record import Recorded
from pourline.kit.db import Row, UnitOfWork, as_json

LINKER_LOCK = 0xA0D1
"""Advisory lock of the one who links; each service has a database of its own."""
BEGINNING = b""
"""What stands in the place of the hash before the first."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which entries: `subject` is a kind or `kind:id` or an id, `since` the first instant."""

    subject: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest link: its place in the chain, from 1, and its hash."""

    position: int
    hash: bytes


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


async def record_change(
    unit: UnitOfWork,
    *,
    actor: str,
    action: str,
    subject: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    """Write one line about a thing that was one way and is another now."""
    await unit.execute(
        "INSERT INTO audit (actor, action, subject, before, after) VALUES (%s, %s, %s, %s, %s)",
        (actor, action, subject, _json(before), _json(after)),
    )


async def record_told(unit: UnitOfWork, said: Recorded) -> None:
    """Write one line about what another service told; `at` in it is when it was done there."""
    await unit.execute(
        """
        INSERT INTO audit (actor, action, subject, reason, before, after)
        VALUES (%s, %s, %s, %s, %s, %s)
        """,
        (
            said.actor,
            said.action,
            said.about,
            said.reason,
            _json(said.before),
            _json({**(said.after or {}), "at": said.at.isoformat()}),
        ),
    )


async def list_entries(
    unit: UnitOfWork, wanted: Wanted, *, before: int | None, limit: int
) -> list[Row]:
    """Return entries, newest first, older than the entry `before`."""
    conditions, parameters = _conditions(wanted)
    if before is not None:
        conditions.append("id < %(before)s")
    found = " AND ".join(conditions) or "true"
    return await unit.all(
        f"""
        SELECT id, at, actor, action, subject, reason, before, after FROM audit
        WHERE {found} ORDER BY id DESC LIMIT %(limit)s
        """,
        parameters | {"before": before, "limit": limit},
    )


def _conditions(wanted: Wanted) -> tuple[list[str], dict[str, object]]:
    """Return the conditions that are asked for, so that each can use its index."""
    parameters: dict[str, object] = {
        "subject": wanted.subject,
        "actor": wanted.actor,
        "action": wanted.action,
        "since": wanted.since,
        "until": wanted.until,
    }
    subject = "subject = %(subject)s"
    if wanted.subject and ":" not in wanted.subject:
        subject = (
            "(subject = %(subject)s OR starts_with(subject, %(subject)s || ':')"
            " OR subject LIKE '%%:' || %(subject)s)"
        )
    conditions = {
        "subject": subject,
        "actor": "actor = %(actor)s",
        "action": "action = %(action)s",
        "since": "at >= %(since)s",
        "until": "at < %(until)s",
    }
    asked = [one for name, one in conditions.items() if parameters[name] is not None]
    return asked, parameters


async def takes_chain(unit: UnitOfWork) -> bool:
    """Return whether this transaction is the one that may link; it may until its end."""
    row = await unit.one("SELECT pg_try_advisory_xact_lock(%s) AS mine", (LINKER_LOCK,))
    return bool(row["mine"])


async def head(unit: UnitOfWork) -> Head:
    """Return the newest link; position 0 before the first."""
    row = await unit.maybe("SELECT position, hash FROM audit_link ORDER BY position DESC LIMIT 1")
    return (
        Head(position=row["position"], hash=bytes(row["hash"]))
        if row
        else Head(position=0, hash=BEGINNING)
    )


async def unlinked(unit: UnitOfWork, *, limit: int) -> list[Row]:
    """Return the oldest entries that are not in the chain yet, each with its content's hash."""
    return await unit.all(
        f"""
        SELECT audit.id, {AUDIT_CONTENT} AS content
        FROM audit_unlinked JOIN audit ON audit.id = audit_unlinked.audit_id
        ORDER BY audit.id LIMIT %s
        """,
        (limit,),
    )


def chained(newest: Head, rows: Sequence[Row]) -> list[dict[str, object]]:
    """Return the links of `rows` behind `newest`: each hashes the one before it and its content."""
    links: list[dict[str, object]] = []
    hash_, position = newest.hash, newest.position
    for row in rows:
        content = bytes(row["content"])
        hash_, position = hashlib.sha256(hash_ + content).digest(), position + 1
        links.append(
            {
                "position": position,
                "audit_id": row["id"],
                "content": content.hex(),
                "hash": hash_.hex(),
            }
        )
    return links


async def append_links(unit: UnitOfWork, links: Sequence[dict[str, object]]) -> None:
    """Append links to the chain; their entries are no longer unlinked."""
    await unit.execute(
        """
        WITH link AS (
            SELECT * FROM json_to_recordset(%s) AS link (
                position bigint, audit_id bigint, content text, hash text
            )
        ), linked AS (
            DELETE FROM audit_unlinked USING link WHERE audit_unlinked.audit_id = link.audit_id
        )
        INSERT INTO audit_link (position, audit_id, content, hash)
        SELECT position, audit_id, decode(content, 'hex'), decode(hash, 'hex') FROM link
        ORDER BY position
        """,
        (as_json(list(links)),),
    )


def _json(value: Mapping[str, object] | None) -> str | None:
    return orjson.dumps(value, default=str).decode() if value is not None else None
