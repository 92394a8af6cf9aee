"""The outbox relay: publishes what commits announced, in order, numbered without gaps.

One relay a service leads (`leading`). NOTIFY wakes it, a poll is the truth. Rows stay for replay
after they were published.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import NoReturn

from nats.aio.client import Client

from pourline.contracts.pack import Told, as_message, packs_of
from pourline.kit.db import Row
from pourline.kit.errors import TROUBLE, Retryable
from pourline.kit.leading import Connection, Lead, rows, still_leads
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

log = logging.getLogger(__name__)


class Relay:
    """Publishes one service's outbox to JetStream."""

    def __init__(self, *, url: str, service: str, bus: Client) -> None:
        self.lead = Lead(url=url, key=LOCK_KEY)
        self._publisher = StoredPublisher(bus=bus, name=service)
        self.publish_s: float | None = None
        """What the bus last took to store a round; it acknowledges what is on its disk."""

    async def run(self) -> NoReturn:
        """Lead whenever nobody else does, for ever."""
        while True:
            beat()
            try:
                async with self.lead.taken() as connection:
                    await self._lead(connection)
            except TROUBLE as error:
                log.warning("outbox_relay_interrupted", extra={"error": str(error)})
                await asyncio.sleep(RETRY_S)

    async def _lead(self, connection: Connection) -> NoReturn:
        await connection.execute("LISTEN outbox")
        while True:
            beat()
            if not await self.publish_some(connection):
                async for _ in connection.notifies(timeout=POLL_S, stop_after=1):
                    pass

    async def publish_some(self, connection: Connection) -> bool:
        """Publish what is to be told again, else what is new; return whether there was any."""
        if told := _told(await self._numbered(connection)):
            await self._publish(connection, [[event] for event in told])
        elif told := _told(await self._number(connection)):
            await self._publish(connection, list(packs_of(told)))
        return bool(told)

    @staticmethod
    async def _numbered(connection: Connection) -> list[Row]:
        """Return what an earlier leader numbered and perhaps never sent, or a reader misses.

        It travels unpacked: a pack may be what its reader could not take.
        """
        return await rows(
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
        return await rows(
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

    async def _publish(self, connection: Connection, packs: list[list[Told]]) -> None:
        messages = [Publication(pack[0].subject, *as_message(pack)) for pack in packs]
        while True:
            beat()
            try:
                sent_s = time.monotonic()
                await self._publisher.publish(messages, wait_s=PUBLISH_WAIT_S)
                self.publish_s = time.monotonic() - sent_s
                break
            except (Retryable, *TROUBLE) as error:
                log.warning("outbox_publish_repeated", extra={"error": repr(error)})
                await asyncio.sleep(RETRY_S)
                await still_leads(connection)
        await rows(
            connection,
            "UPDATE outbox SET published_at = now() WHERE seq = ANY(%s) RETURNING NULL",
            ([event.seq for pack in packs for event in pack],),
        )


def _told(found: Sequence[Row]) -> list[Told]:
    """Return rows as what travels, in order of their numbers."""
    told = [
        Told(one["subject"], one["seq"], str(one["msg_id"]), one["traceparent"] or "", payload)
        for one, payload in ((row, row["payload"].encode()) for row in found)
    ]
    return sorted(told, key=lambda event: event.seq)
