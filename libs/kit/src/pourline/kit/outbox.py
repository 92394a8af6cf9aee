"""The outbox relay: publishes what commits announced, in order, numbered without gaps.

One relay a service leads, by an advisory lock on its own connection; when it dies the lock goes
with the connection and another instance takes over. NOTIFY wakes it, a poll is the truth. Rows
stay for replay after they were published.
"""

import asyncio
import logging
from typing import Any, NoReturn

from nats.aio.client import Client
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from pourline.kit.errors import TROUBLE, Retryable
from pourline.kit.nats.publisher import Publication, StoredPublisher

BATCH = 500
"""Events a round: large enough to make one commit and one wait for acks cheap."""
POLL_S = 1.0
PUBLISH_WAIT_S = 5.0
"""Past this without every acknowledgement the round is published again."""
RETRY_S = 0.5
LOCK_KEY = 0x0B0B
"""Advisory lock of the leading relay; each service has a database of its own."""

log = logging.getLogger(__name__)


class Relay:
    """Publishes one service's outbox to JetStream."""

    def __init__(self, *, url: str, service: str, bus: Client) -> None:
        self._url = url
        self._service = service
        self._publisher = StoredPublisher(bus=bus, name=service)

    async def run(self) -> NoReturn:
        """Lead whenever nobody else does, for ever."""
        while True:
            try:
                async with await self._connect() as connection:
                    await self._lead(connection)
            except TROUBLE as error:
                log.warning("outbox_relay_interrupted", extra={"error": str(error)})
                await asyncio.sleep(RETRY_S)

    async def _connect(self) -> AsyncConnection[dict[str, Any]]:
        return await AsyncConnection.connect(
            self._url,
            autocommit=True,
            row_factory=dict_row,
            keepalives_idle=10,
            connect_timeout=3,
            options="-c timezone=UTC",
        )

    async def _lead(self, connection: AsyncConnection[dict[str, Any]]) -> NoReturn:
        while not await self._takes_lead(connection):  # noqa: ASYNC110 the leader is elsewhere
            await asyncio.sleep(POLL_S)
        await connection.execute("LISTEN outbox")
        await self._publish_leftovers(connection)
        while True:
            if not await self._publish_new(connection):
                async for _ in connection.notifies(timeout=POLL_S, stop_after=1):
                    pass

    @staticmethod
    async def _takes_lead(connection: AsyncConnection[dict[str, Any]]) -> bool:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s) AS mine", (LOCK_KEY,))
        row = await cursor.fetchone()
        return bool(row and row["mine"])

    async def _publish_leftovers(self, connection: AsyncConnection[dict[str, Any]]) -> None:
        """Publish what an earlier leader numbered and perhaps never sent."""
        while True:
            cursor = await connection.execute(
                """
                SELECT seq, msg_id, subject, payload, traceparent FROM outbox
                WHERE published_at IS NULL AND seq IS NOT NULL ORDER BY seq LIMIT %s
                """,
                (BATCH,),
            )
            rows = await cursor.fetchall()
            if not rows:
                return
            await self._publish(connection, rows)

    async def _publish_new(self, connection: AsyncConnection[dict[str, Any]]) -> bool:
        """Publish the next rows, numbered; return whether there were any."""
        cursor = await connection.execute(
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
        rows = sorted(await cursor.fetchall(), key=lambda row: int(row["seq"]))
        if rows:
            await self._publish(connection, rows)
        return bool(rows)

    async def _publish(
        self, connection: AsyncConnection[dict[str, Any]], rows: list[dict[str, Any]]
    ) -> None:
        while True:
            try:
                messages = [self._publication(row) for row in rows]
                await self._publisher.publish(messages, wait_s=PUBLISH_WAIT_S)
                break
            except (Retryable, *TROUBLE) as error:
                log.warning("outbox_publish_repeated", extra={"error": repr(error)})
                await asyncio.sleep(RETRY_S)
                await connection.execute("SELECT 1")  # still the leader? a lost one raises here
        await connection.execute(
            "UPDATE outbox SET published_at = now() WHERE seq BETWEEN %s AND %s",
            (rows[0]["seq"], rows[-1]["seq"]),
        )

    def _publication(self, row: dict[str, Any]) -> Publication:
        headers = {
            "Nats-Msg-Id": str(row["msg_id"]),
            "Pourline-Producer": self._service,
            "Pourline-Seq": str(row["seq"]),
        }
        if row["traceparent"]:
            headers["traceparent"] = row["traceparent"]
        payload = row["payload"].encode()
        return Publication(subject=row["subject"], payload=payload, headers=headers)
