"""Clearing away what a crash left between a lock and its hold."""

from datetime import timedelta

from pourline.auth_lock.handlers.locks import release
from pourline.auth_lock.store import locks
from pourline.contracts.money import Grant, VoidHold
from pourline.kit.clock import Clock
from pourline.kit.db import Database, Row
from pourline.kit.nats import Caller

UNANSWERED_AFTER = timedelta(seconds=10)
"""A grant that still waits for its hold after this was left by a crash: no device waits so long."""
REPAIRS_A_ROUND = 100


async def repair_unanswered(*, database: Database, caller: Caller, clock: Clock) -> int:
    """Give back locks whose hold was never answered, and return how many grants were given up.

    Announcing the release voids the hold, whether it came or comes later. A grant that was to
    renew a lock has none of its own to release: the ledger is asked to void it. Raises `Retryable`
    while the ledger is away.
    """
    async with database.transaction() as unit:
        before = clock.now() - UNANSWERED_AFTER
        rows = await locks.unanswered_grants(unit, before=before, limit=REPAIRS_A_ROUND)
    given_up = 0
    for row in sorted(rows, key=lambda one: one["renews"] is not None):
        if row["renews"]:
            order = VoidHold(grant_id=str(row["grant_id"]), visit_id=str(row["visit_id"]))
            await caller.ask(order, Grant)
        given_up += await _give_up(database, row)
    return given_up


async def _give_up(database: Database, row: Row) -> bool:
    """Forget a grant and open its lock, unless it was answered meanwhile."""
    async with database.transaction() as unit:
        forgotten = await locks.forget_request(
            unit, tap_id=row["tap_id"], request_id=row["request_id"]
        )
        if forgotten:
            await release(unit, [row["grant_id"]], why="hold_unanswered")
    return forgotten
