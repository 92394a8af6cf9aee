"""The record's pages, and linking its entries into the chain."""

import logging

from pourline.auth_lock.store import audit
from pourline.auth_lock.store.audit import Wanted
from pourline.contracts import guests as contract
from pourline.contracts.base import Listing
from pourline.contracts.guests import AuditEntry
from pourline.contracts.upkeep import RecordClosing, Recorded, RecordReplay
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.nats import Context

LINK_BATCH = 1000
"""Entries linked in one transaction: some twenty milliseconds."""

log = logging.getLogger(__name__)


async def list_audit(
    query: contract.ListAudit, unit: UnitOfWork, context: Context
) -> Listing[AuditEntry]:
    """Return audit entries, newest first."""
    del context
    wanted = Wanted(
        subject=query.subject_,
        actor=query.actor,
        action=query.action,
        since=query.from_,
        until=query.to,
    )
    before = int(query.cursor) if query.cursor else None
    rows = await audit.list_entries(unit, wanted, before=before, limit=query.limit + 1)
    page = [AuditEntry(**row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[AuditEntry](items=page, next=str(page[-1].id) if more else None)


async def record_replay(command: RecordReplay, unit: UnitOfWork, context: Context) -> Recorded:
    """Write down who orders a dead letter replayed."""
    await audit.record(
        unit,
        actor=context.actor,
        action="dead_letter_replay_ordered",
        subject=f"dead_letter:{command.service}/{command.letter_id}",
    )
    return Recorded()


async def record_closing(command: RecordClosing, unit: UnitOfWork, context: Context) -> Recorded:
    """Write down who orders a dead letter closed, and why."""
    await audit.record(
        unit,
        actor=context.actor,
        action="dead_letter_closing_ordered",
        subject=f"dead_letter:{command.service}/{command.letter_id}",
        reason=command.reason,
    )
    return Recorded()


async def link_all(database: Database) -> int:
    """Link every entry that waits, oldest first; return how many.

    The head is logged: a log that is kept elsewhere shows whether the whole chain was written anew.
    """
    linked = 0
    while count := await _link_some(database):
        linked += count
    return linked


async def _link_some(database: Database) -> int:
    async with database.transaction() as unit:
        if not await audit.takes_chain(unit):
            return 0
        rows = await audit.unlinked(unit, limit=LINK_BATCH)
        if not rows:
            return 0
        links = audit.chained(await audit.head(unit), rows)
        await audit.append_links(unit, links)
    newest = links[-1]
    log.info("audit_linked", extra={"position": newest["position"], "hash": newest["hash"]})
    return len(links)
