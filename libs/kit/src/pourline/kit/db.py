"""The database: a pool, and the unit of work that is one transaction with its events.

Nothing external happens inside a unit of work. What it announces goes to the outbox in the
same commit.
"""

import asyncio
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.rows import dict_row, tuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import BaseModel

from pourline.kit import telemetry
from pourline.kit.clock import Clock
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id

POOL_WAIT_S = 5.0
"""A request waits no longer for a connection; past that the database counts as down."""
ASK_POOL_EVERY_S = 0.5
STATEMENT_TIMEOUT_MS = 10_000
"""No statement of a bar's evening may take longer; a stuck one must not hold its locks."""
EVENT_BYTES_MAX = 64 * 1024
"""The bus takes no longer message, and what it does not take holds up all that comes after it."""
SILENCE_MAX_S = 15.0
"""A server that keeps a transaction waiting for longer is on a connection that leads nowhere."""

Row = dict[str, Any]
Parameters = Mapping[str, object] | Sequence[object]


_EVERY_COLUMN = re.compile(r"(?:SELECT|RETURNING|\.)\s*\*")


def _may_prepare(sql: str) -> bool | None:
    """Return False for what returns every column of a table, None for all else.

    A prepared statement fails once its table has a column more, and a newer version beside this
    one adds columns while it runs.
    """
    return False if _EVERY_COLUMN.search(sql) else None


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """An event on its way into the outbox."""

    id: UUID
    subject: str
    aggregate: str
    version: int
    payload: str


@dataclass(kw_only=True)
class UnitOfWork:
    """One transaction: statements, and the events that become true with its commit."""

    connection: AsyncConnection[tuple[Any, ...]]
    clock: Clock
    service: str
    announcements: list[Announcement] = field(default_factory=list)

    async def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement whose result is not looked at."""
        await self.connection.execute(sql, parameters)

    async def count(self, sql: str, parameters: Parameters | None = None) -> int:
        """Run a statement and return how many rows it touched."""
        cursor = await self.connection.execute(sql, parameters)
        return cursor.rowcount

    async def all(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        """Return every row of a bounded query."""
        async with self.connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(sql, parameters, prepare=_may_prepare(sql))
            return await cursor.fetchall()

    async def maybe(self, sql: str, parameters: Parameters | None = None) -> Row | None:
        """Return the only row, or None."""
        async with self.connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(sql, parameters, prepare=_may_prepare(sql))
            return await cursor.fetchone()

    async def one(self, sql: str, parameters: Parameters | None = None) -> Row:
        """Return the row that must be there."""
        row = await self.maybe(sql, parameters)
        if row is None:
            raise AssertionError("a query that always has a row had none")
        return row

    def announce(self, event: BaseModel, *, aggregate: str, version: int = 1) -> UUID:
        """Put `event` into the outbox with this commit and return its id.

        `event` is a contract event (it has `TYPE`, `PRODUCER` and `subject()`); `aggregate` names
        what it is about and `version` orders the events about one thing. Raises `ValueError`
        for one that is longer than the bus takes.
        """
        event_id = new_id()
        subject: str = event.subject()  # type: ignore[attr-defined]
        kind: str = event.TYPE  # type: ignore[attr-defined]
        # The envelope's own values are ids, types and instants of ours: nothing to escape, save
        # the aggregate, which may hold a device's text.
        about = as_json(aggregate)
        envelope = (
            f'{{"specversion":"1.0","id":"{event_id}","type":"{kind}.v1",'
            f'"source":"{self.service}","subject":{about},'
            f'"time":"{self.clock.now().isoformat()}","aggregate":{about},'
            f'"version":{version},"data":{event.model_dump_json(exclude_none=True)}}}'
        )
        if len(envelope.encode()) > EVENT_BYTES_MAX:
            raise ValueError(f"{kind} about {aggregate[:80]} is too long for the bus")
        self.announcements.append(
            Announcement(
                id=event_id, subject=subject, aggregate=aggregate, version=version, payload=envelope
            )
        )
        return event_id

    async def save_announcements(self) -> None:
        """Write the events into the outbox and wake its relay at commit."""
        if not self.announcements:
            return
        await self.connection.execute(
            """
            WITH saved AS (
                INSERT INTO outbox (msg_id, subject, aggregate, version, payload, traceparent)
                SELECT event.id, subject, aggregate, version, payload, %s
                FROM ROWS FROM (json_to_recordset(%s) AS (
                    id uuid, subject text, aggregate text, version bigint, payload text
                )) WITH ORDINALITY AS event
                ORDER BY ordinality
            )
            SELECT pg_notify('outbox', '')
            """,
            (telemetry.traceparent(), as_json(self.announcements)),
        )


LINK: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""How a client notices within about ten seconds that its server's machine is gone."""
LINK_OPTIONS = (
    "-c timezone=UTC -c idle_in_transaction_session_timeout=15000 -c tcp_keepalives_idle=5 "
    "-c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=10000"
)
"""The same for the server, which also takes its locks back from a client that stands still."""


@contextmanager
def not_for_ever(
    connection: AsyncConnection[Any], within_s: float = SILENCE_MAX_S
) -> Iterator[None]:
    """Break `connection` when what is inside takes longer than `within_s`.

    psycopg waits for a silent server for ever, even when it is cancelled; a broken connection
    raises `psycopg.OperationalError`.
    """
    shut = asyncio.get_running_loop().call_later(within_s, _shut, connection.fileno())
    try:
        yield
    finally:
        shut.cancel()


def _shut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as line:
        line.shutdown(socket.SHUT_RDWR)


def as_json(rows: object) -> str:
    """Return `rows` as one JSON parameter: many times cheaper to send than arrays."""
    return orjson.dumps(rows, default=str).decode()


class Database:
    """A pool of connections to one service's database."""

    def __init__(
        self,
        *,
        url: str,
        service: str,
        clock: Clock,
        pool_max: int = 8,
        silence_max_s: float = SILENCE_MAX_S,
    ) -> None:
        self.service = service
        self.url = url
        self._clock = clock
        self._silence_max_s = silence_max_s
        self._checking: asyncio.Task[None] | None = None
        self.commit_s: float | None = None
        """What the last commit took that told something, and so waited for the disk."""
        self._pool: AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=pool_max,
            open=False,
            timeout=POOL_WAIT_S,
            reconnect_timeout=0,  # the pool tries for ever while anybody asks
            check=None,
            kwargs={
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} {LINK_OPTIONS}",
                "row_factory": tuple_row,
                "prepare_threshold": 2,
                **LINK,
            },
        )

    async def open(self) -> None:
        """Start the pool; it connects in the background and again whenever it must."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close(timeout=2.0)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work; commit at its end, roll back on any exception.

        A refusal that is `on_record` commits too: what was written before it is its record.
        """
        refused = None
        async with self._connection() as connection:
            unit = UnitOfWork(connection=connection, clock=self._clock, service=self.service)
            with not_for_ever(connection, self._silence_max_s):
                async with connection.transaction():
                    try:
                        yield unit
                    except Rejected as refused_:
                        refused = refused_
                        if not refused.on_record:
                            raise
                    await unit.save_announcements()
                    saved_s = time.monotonic()
                if unit.announcements:
                    self.commit_s = time.monotonic() - saved_s
        if refused:
            raise refused

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[tuple[Any, ...]]]:
        """Lend a connection; when it turns out to be broken the idle ones are looked at too."""
        connection = await self._free_connection()
        try:
            yield connection
        finally:
            broken = connection.broken
            await self._pool.putconn(connection)
            if broken and (self._checking is None or self._checking.done()):
                self._checking = asyncio.create_task(self._pool.check())

    async def _free_connection(self) -> AsyncConnection[tuple[Any, ...]]:
        """Ask the pool again and again: it tries to connect once for each asking.

        The askings are counted, not the time: the machine may stand still.
        """
        for _ in range(int(POOL_WAIT_S / ASK_POOL_EVERY_S) - 1):
            with suppress(PoolTimeout):
                return await self._pool.getconn(timeout=ASK_POOL_EVERY_S)
        return await self._pool.getconn(timeout=ASK_POOL_EVERY_S)

    async def ping(self) -> None:
        """Ask the database anything; raises what psycopg raises when it is away."""
        async with self._pool.connection(timeout=1.0) as connection:
            await connection.execute("SELECT 1")
