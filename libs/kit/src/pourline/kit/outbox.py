"""The outbox relay: publishes what commits announced, in order, numbered without gaps.

One relay a service leads, by an advisory lock on its own connection; when it dies the lock goes
with the connection and another instance takes over. NOTIFY wakes it, a poll is the truth. Rows
stay for replay after they were published.
"""

import asyncio
import logging
from typing import LiteralString, NoReturn

from nats.aio.client import Client
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from pourline.kit.db import LINK, LINK_OPTIONS, Row, not_for_ever
from pourline.kit.errors import TROUBLE, Retryable
from pourline.kit.nats.publisher import Publication, StoredPublisher
from pourline.kit.pulse import beat

BATCH = 500
"""Events a round: large enough to make one commit and one wait for acks cheap."""
POLL_S = 1.0
PUBLISH_WAIT_S = 5.0
"""Past this without every acknowledgement the round is published again."""
RETRY_S = 0.5
LOCK_KEY = 0x0B0B
"""Advisory lock of the leading relay; each service has a database of its own."""
LEADER_IDLE_MAX_MS = 20_000
"""A leader that stands still for so long loses its connection, and the lead with it."""

Connection = AsyncConnection[Row]

log = logging.getLogger(__name__)


class Relay:
    """Publishes one service's outbox to JetStream."""

    def __init__(self, *, url: str, service: str, bus: Client) -> None:
        self._url = url
        self._publisher = StoredPublisher(bus=bus, name=service)

    async def run(self) -> NoReturn:
        """Lead whenever nobody else does, for ever."""
        while True:
            beat()
            try:
                async with await self.connect() as connection:
                    await self._lead(connection)
            except TROUBLE as error:
                log.warning("outbox_relay_interrupted", extra={"error": str(error)})
                await asyncio.sleep(RETRY_S)

    async def connect(self) -> Connection:
        """Open the connection that leading takes."""
        return await AsyncConnection.connect(
            self._url,
            autocommit=True,
            row_factory=dict_row,
            **LINK | {"options": f"-c idle_session_timeout={LEADER_IDLE_MAX_MS} {LINK_OPTIONS}"},
        )

    async def _lead(self, connection: Connection) -> NoReturn:
        while not await self._takes_lead(connection):
            beat()
            await asyncio.sleep(POLL_S)  # the leader is elsewhere
        await connection.execute("LISTEN outbox")
        while True:
            beat()
            if not await self.publish_some(connection):
                async for _ in connection.notifies(timeout=POLL_S, stop_after=1):
                    pass

    @staticmethod
    async def _takes_lead(connection: Connection) -> bool:
        (row,) = await _rows(connection, "SELECT pg_try_advisory_lock(%s) AS mine", (LOCK_KEY,))
        return bool(row["mine"])

    async def publish_some(self, connection: Connection) -> bool:
        """Publish what is to be told again, else what is new; return whether there was any."""
        rows = await self._numbered(connection) or await self._number(connection)
        if rows:
            await self._publish(connection, rows)
        return bool(rows)

    @staticmethod
    async def _numbered(connection: Connection) -> list[Row]:
        """Return what an earlier leader numbered and perhaps never sent, or a reader misses."""
        return await _rows(
            connection,
            """
            SELECT seq, msg_id, subject, payload, traceparent FROM outbox
            WHERE published_at IS NULL AND seq IS NOT NULL ORDER BY seq LIMIT %s
            """,
            (BATCH,),
        )

    @staticmethod
    async def _number(connection: Connection) -> list[Row]:
        """Give the next rows their numbers and return them."""
        rows = await _rows(
            connection,
            """
            WITH next AS (
                SELECT id, row_number() OVER (ORDER BY id) AS place
                FROM (SELECT id FROM outbox WHERE seq IS NULL ORDER BY id LIMIT %s) AS waiting
            ), counted AS (
                UPDATE outbox_counter SET value = value + (SELECT count(*) FROM next)
                WHERE EXISTS (SELECT FROM next)
                RETURNING value - (SELECT count(*) FROM next) AS base
            )
            UPDATE outbox SET seq = counted.base + next.place
            FROM next, counted WHERE outbox.id = next.id
            RETURNING seq, msg_id, subject, payload, traceparent
            """,
            (BATCH,),
        )
        return sorted(rows, key=lambda row: int(row["seq"]))

    async def _publish(self, connection: Connection, rows: list[Row]) -> None:
        while True:
            beat()
            try:
                messages = [self._publication(row) for row in rows]
                await self._publisher.publish(messages, wait_s=PUBLISH_WAIT_S)
                break
            except (Retryable, *TROUBLE) as error:
                log.warning("outbox_publish_repeated", extra={"error": repr(error)})
                await asyncio.sleep(RETRY_S)
                await _rows(connection, "SELECT 1")  # still the leader? a lost one raises here
        await _rows(
            connection,
            "UPDATE outbox SET published_at = now() WHERE seq = ANY(%s) RETURNING NULL",
            ([row["seq"] for row in rows],),
        )

    def _publication(self, row: Row) -> Publication:
        headers = {
            "Nats-Msg-Id": str(row["msg_id"]),
            "Pourline-Seq": str(row["seq"]),
        }
        if row["traceparent"]:
            headers["traceparent"] = row["traceparent"]
        payload = row["payload"].encode()
        return Publication(subject=row["subject"], payload=payload, headers=headers)


async def _rows(
    connection: Connection, sql: LiteralString, parameters: tuple[object, ...] = ()
) -> list[Row]:
    with not_for_ever(connection):
        return await (await connection.execute(sql, parameters)).fetchall()
