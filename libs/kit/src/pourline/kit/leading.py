"""One among all instances of a service does what two must not do at once.

The lead is an advisory lock on a connection of its own: when the leader dies the lock goes with
the connection, and another instance takes over.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from pourline.kit.db import LINK, LINK_OPTIONS, Row, not_for_ever
from pourline.kit.pulse import beat

POLL_S = 1.0
IDLE_MAX_MS = 20_000
"""A leader that stands still for so long loses its connection, and the lead with it."""

Connection = AsyncConnection[Row]


class Lead:
    """A lead among the instances that share a database; `key` names it there."""

    def __init__(self, *, url: str, key: int, idle_max_ms: int = IDLE_MAX_MS) -> None:
        self._url = url
        self._key = key
        self._idle_max_ms = idle_max_ms

    async def connect(self) -> Connection:
        """Open the connection that leading takes."""
        return await AsyncConnection.connect(
            self._url,
            autocommit=True,
            row_factory=dict_row,
            **LINK | {"options": f"-c idle_session_timeout={self._idle_max_ms} {LINK_OPTIONS}"},
        )

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[Connection]:
        """Wait until nobody else leads; lead as long as the block runs and its connection lives."""
        async with await self.connect() as connection:
            while not await self._take(connection):
                beat()
                await asyncio.sleep(POLL_S)  # the leader is elsewhere
            yield connection

    async def _take(self, connection: Connection) -> bool:
        (row,) = await rows(connection, "SELECT pg_try_advisory_lock(%s) AS mine", (self._key,))
        return bool(row["mine"])


async def still_leads(connection: Connection) -> None:
    """Raise what psycopg raises when the connection, and the lead with it, is lost."""
    await rows(connection, "SELECT 1")


async def rows(
    connection: Connection, sql: LiteralString, parameters: tuple[object, ...] = ()
) -> list[Row]:
    """Run a bounded query on a leader's connection; a silent server breaks it."""
    with not_for_ever(connection):
        return await (await connection.execute(sql, parameters)).fetchall()
