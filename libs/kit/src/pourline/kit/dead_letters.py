"""Messages that could not be handled, kept as rows with their reason, to look at and replay."""

import orjson

from pourline.kit.db import Database
from pourline.kit.nats.consumer import Message


class DeadLetters:
    """One consumer's dead letters."""

    def __init__(self, *, database: Database, consumer: str) -> None:
        self._database = database
        self._consumer = consumer

    async def __call__(self, message: Message, reason: str, deliveries: int) -> None:
        """Keep `message` with `reason`; raises what the database raises when it is away."""
        async with self._database.transaction() as unit:
            await unit.execute(
                """
                INSERT INTO dead_letter
                    (consumer, subject, payload, headers, reason, deliveries, received_at)
                VALUES (%s, %s, %s, %s, %s, %s, %s)
                """,
                (
                    self._consumer,
                    message.subject,
                    message.data,
                    orjson.dumps(message.headers).decode(),
                    reason,
                    max(deliveries, message.deliveries),
                    message.received_at,
                ),
            )
