"""What must not be lost: stored on the bus first, then acknowledged to the foreign broker.

A batch is whatever has come, so a lone pour waits for nothing. While the bus is away the batch is
tried again, for ever; the broker keeps what is beyond the window. The receipt that the ledger
knows is the instant at which the bus stored a message, so one that waited here is received later.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from nats.aio.client import Client

from pourline.kit.errors import TROUBLE, Retryable
from pourline.kit.nats.publisher import Publication, StoredPublisher
from pourline.kit.pulse import beat
from pourline.mqtt_bridge.handlers.received import Acknowledges, Received, some
from pourline.mqtt_bridge.handlers.sieve import Sieve

BATCH_MAX = 200
"""Less than half of the window that we ask the broker for, so that the next batch comes in while
one is stored."""

WAITING_MAX = 1_000
"""Twice that window. Only a broker that does not heed it can bring more; that is given again."""

STORED_WITHIN_S = 5.0
AGAIN_AFTER_S = 0.25
ANSWERS_HEARD_TRIES = 8
"""Two seconds: the inner side is back a moment after the bus; its absence alone stops nothing."""

SAID_EVERY = 20
"""While the bus is away this many attempts are one line in the log."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    message: Received
    subject: str | None


class Stored:
    """Takes messages in, stores them in batches and acknowledges them in order of arrival."""

    def __init__(
        self,
        *,
        bus: Client,
        publisher: StoredPublisher,
        broker: Acknowledges,
        sieve: Sieve,
        answers_heard: Callable[[], bool],
    ) -> None:
        self._bus = bus
        self._answers_heard = answers_heard
        self._publisher = publisher
        self._broker = broker
        self._sieve = sieve
        self._waiting: deque[_Waiting] = deque()
        self._some = asyncio.Event()
        self._left_out = False

    def take(self, message: Received) -> None:
        """Take a message in; never blocks. One too many is left unacknowledged for later."""
        if len(self._waiting) >= WAITING_MAX:
            self._left_out = True
            return
        self._waiting.append(_Waiting(message=message, subject=self._sieve.subject_of(message)))
        self._some.set()

    def connected(self, *, session_present: bool) -> None:
        """Forget what the broker will give again: all that it kept and we did not acknowledge."""
        if session_present:
            self._waiting.clear()
            self._left_out = False

    async def run(self) -> NoReturn:
        """Store and acknowledge for ever."""
        while True:
            batch = await self._next()
            await self._store([one for one in batch if one.subject])
            self._broker.acknowledge([one.message for one in batch])
            if self._left_out and not self._waiting:
                self._left_out = False
                self._broker.give_again()

    async def _next(self) -> list[_Waiting]:
        await some(self._waiting, self._some)
        return [self._waiting.popleft() for _ in range(min(BATCH_MAX, len(self._waiting)))]

    async def _store(self, batch: Sequence[_Waiting]) -> None:
        """Return once the bus has stored the batch, however long that takes."""
        messages = [
            Publication(subject=one.subject, payload=one.message.payload)
            for one in batch
            if one.subject
        ]
        attempt = 0
        while messages:
            beat()
            try:
                return await self._attempt(messages)
            except (Retryable, *TROUBLE) as error:
                if attempt % SAID_EVERY == 0:
                    extra = {"error": str(error) or repr(error), "messages": len(messages)}
                    log.warning("storing_waits", extra=extra)
            attempt += 1
            await asyncio.sleep(AGAIN_AFTER_S)
        return None

    async def _attempt(self, messages: Sequence[Publication]) -> None:
        if not self._bus.is_connected:
            raise ConnectionError("the bus is away")
        await self._until_answers_are_heard()
        await self._publisher.publish(messages, wait_s=STORED_WITHIN_S)

    async def _until_answers_are_heard(self) -> None:
        """Wait a moment for the inner side, or the answers to this batch are lost."""
        for _ in range(ANSWERS_HEARD_TRIES):
            if self._answers_heard():
                return
            await asyncio.sleep(AGAIN_AFTER_S)
