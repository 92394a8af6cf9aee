"""Letting go of what no replay and no repeat can need any more, a little at a time."""

import asyncio
import logging
from typing import NoReturn

from pourline.kit.db import Database
from pourline.kit.errors import TROUBLE
from pourline.kit.pulse import beat
from pourline.kit.replay import TOLD_DAYS

SEEN_DAYS = 2 * TOLD_DAYS
"""Twice as long: a reader still knows what a producer tells again on its last day."""
EVERY_S = 600.0
ROUND = 5000
"""Rows deleted in one transaction: some ten milliseconds, so that nobody waits for it."""

_OLD_EVENTS = f"""
    DELETE FROM outbox WHERE seq < least(
        (SELECT min(seq) + {ROUND} FROM outbox),
        (SELECT seq FROM outbox WHERE seq IS NOT NULL
            AND (published_at IS NULL OR created_at > clock_timestamp() - %(age)s::interval)
            ORDER BY seq LIMIT 1),
        (SELECT value FROM outbox_counter)
    )
"""
"""Always from the front: the numbers of what is left have no gap. The newest stays."""
_OLD_RECORDS = """
    DELETE FROM {table} WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM {table} WHERE at < clock_timestamp() - %(age)s::interval {but}
        LIMIT {round}
    ))
"""
_WAITS = """
    AND NOT EXISTS (SELECT FROM dead_letter WHERE dead_letter.consumer = inbox.consumer
        AND replayed_at IS NULL AND headers->>'Nats-Msg-Id' = inbox.msg_id::text)
"""
"""A letter may be of an event that was taken in all the same, and is replayed when somebody can."""

log = logging.getLogger(__name__)


class Retention:
    """Keeps outbox, inbox and idempotency records of one service from growing for ever."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def run(self) -> NoReturn:
        """Tidy up every ten minutes."""
        while True:
            beat(2 * EVERY_S)
            try:
                await self.tidy()
            except TROUBLE as error:
                log.info("retention_waits", extra={"error": repr(error)})
            await asyncio.sleep(EVERY_S)

    async def tidy(self) -> int:
        """Delete everything that is old enough, round by round; return how many rows."""
        deleted = await self._rounds(_OLD_EVENTS, TOLD_DAYS)
        for table, but in (("inbox", _WAITS), ("idempotency", "")):
            statement = _OLD_RECORDS.format(table=table, but=but, round=ROUND)
            deleted += await self._rounds(statement, SEEN_DAYS)
        return deleted

    async def _rounds(self, statement: str, days: int) -> int:
        deleted = 0
        while True:
            async with self._database.transaction() as unit:
                count = await unit.count(statement, {"age": f"{days} days"})
            deleted += count
            if count == 0:
                return deleted
