"""The inbox: which events a consumer has taken in, written in the transaction of their effect."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pourline.kit.db import Database, UnitOfWork, as_json

WAIT_STEP_S = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """An event as it came: its id, who told it and its number there."""

    msg_id: str
    producer: str
    seq: int


class Inbox:
    """One service's record of events taken in."""

    def __init__(self, *, consumer: str) -> None:
        self._consumer = consumer
        self._changed = asyncio.Event()

    async def unseen(self, unit: UnitOfWork, arrivals: Sequence[Arrival]) -> set[str]:
        """Record `arrivals` and return the ids that were not there before."""
        row = await unit.one(
            """
            WITH fresh AS (
                INSERT INTO inbox (consumer, msg_id, producer, seq)
                SELECT %s, msg_id, producer, seq
                FROM json_to_recordset(%s) AS arrival (msg_id uuid, producer text, seq bigint)
                ON CONFLICT DO NOTHING
                RETURNING msg_id
            )
            SELECT string_agg(msg_id::text, ' ') AS ids FROM fresh
            """,
            (self._consumer, as_json(arrivals)),
        )
        return set((row["ids"] or "").split())

    def committed(self) -> None:
        """Wake whoever waits for an event: a batch is in."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, database: Database, msg_ids: Sequence[UUID], wait_s: float) -> bool:
        """Return whether every one of `msg_ids` is in, after waiting at most `wait_s`.

        A look counts for `WAIT_STEP_S` at most: while the machine stands still nobody takes in.
        """
        now, left_s = asyncio.get_running_loop().time, wait_s
        while True:
            changed, began_s = self._changed, now()
            if await self._has_all(database, msg_ids):
                return True
            if left_s <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, WAIT_STEP_S)):
                    await changed.wait()
            left_s -= min(now() - began_s, WAIT_STEP_S)

    async def _has_all(self, database: Database, msg_ids: Sequence[UUID]) -> bool:
        async with database.transaction() as unit:
            row = await unit.one(
                "SELECT count(*) AS seen FROM inbox WHERE consumer = %s AND msg_id = ANY(%s)",
                (self._consumer, list(msg_ids)),
            )
        return bool(row["seen"] == len(msg_ids))
