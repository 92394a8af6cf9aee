"""The batch consumer: pull what is there, handle it as one, acknowledge after the commit.

The batch grows with the load by itself; a lone message waits for nothing. Trouble (database or
bus away) keeps the batch and tries again; a message that cannot be handled is set aside as a
dead letter and never blocks its neighbours.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NoReturn

from nats.aio.client import Client
from nats.aio.msg import Msg

from pourline.contracts import pack
from pourline.kit.errors import TROUBLE, Delivery, Unsettled, outcome_of
from pourline.kit.nats.pull import Pull
from pourline.kit.pulse import PULSE, beat

BATCH = 500
"""Messages asked for at a time, and events handled in one transaction; a last pack may pass it."""
BACKOFF_S = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Waits between tries while a part is down; the last one repeats."""
TRIES_MAX = 5
"""A message that fails like a bug is tried this often before it is set aside."""
KEEP_EVERY_S = 2.0
"""Well within the five seconds after which an unacknowledged message is delivered again."""
SUSPECT_AFTER = 3
"""Delivered more often than this, a message may be what ends the process: it is handled alone.

A pack is let go instead: its reader misses those events then and has each told again for itself.
"""
DELIVERIES_MAX = 20
"""Delivered this often and never acknowledged, it is set aside untried: one in a process's life.

What came with it has been delivered as often, and may be fine.
"""
APART_MAX = 500
"""Messages that wait beside the others for a part that only they need; more hold up the rest."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message as the bus delivered it; `received_at` is when the broker took it."""

    subject: str
    data: bytes
    headers: dict[str, str]
    received_at: datetime
    sequence: int
    deliveries: int


Handle = Callable[[Sequence[Message]], Awaitable[None]]
SetAside = Callable[[Message, str, int], Awaitable[None]]


_SHORT_FORM_WORDS = 9


def message_of(raw: Msg) -> Message:
    """Return `raw` with what the bus knows of its delivery."""
    # What nats-py's `metadata` reads, at half its cost: $JS.ACK[.domain.account].stream.consumer
    # and then deliveries, number in the stream, number for the consumer, nanoseconds, what waits.
    words = raw.reply.split(".")
    first = 4 if len(words) == _SHORT_FORM_WORDS else 6
    return Message(
        subject=raw.subject,
        data=raw.data,
        headers=raw.headers or {},
        received_at=datetime.fromtimestamp(int(words[first + 3]) / 1e9, UTC),
        sequence=int(words[first + 1]),
        deliveries=int(words[first]),
    )


def parted(whole: Message) -> list[Message]:
    """Return the events of a pack as if each had come alone, or the message itself."""
    if pack.HEADER not in whole.headers:
        return [whole]
    try:
        events = pack.unpacked(whole.subject, whole.data)
    except ValueError:
        return [whole]  # refused like any other unreadable event
    if whole.deliveries > SUSPECT_AFTER:
        log.warning("pack_let_go", extra={"subject": whole.subject, "first_seq": events[0].seq})
        return []
    return [replace(whole, data=one.payload, headers=one.headers()) for one in events]


def batches_of(raw: Sequence[Msg]) -> Iterator[tuple[list[Msg], list[Message]]]:
    """Part what was pulled into what is handled together; a suspect is handled alone."""
    batch: list[Msg] = []
    messages: list[Message] = []
    full = False
    for one in raw:
        whole = message_of(one)
        suspect = whole.deliveries > SUSPECT_AFTER
        if batch and (suspect or full):
            yield batch, messages
            batch, messages = [], []
        batch.append(one)
        messages += parted(whole)
        full = suspect or len(messages) >= BATCH
    if batch:
        yield batch, messages


class BatchConsumer:
    """Feeds one durable pull consumer's messages to a handler, batch by batch."""

    def __init__(
        self,
        *,
        bus: Client,
        stream: str,
        durable: str,
        handle: Handle,
        set_aside: SetAside,
        linger_s: float = 0,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._durable = durable
        self._handle = handle
        self._set_aside = set_aside
        self._linger_s = linger_s
        self._apart: set[asyncio.Task[None]] = set()
        self._gave_one_up = False

    async def run(self) -> NoReturn:
        """Consume for ever; a bus that is away or wiped is waited for."""
        while True:
            try:
                await self._consume()
            except TROUBLE as error:
                log.warning(
                    "consumer_interrupted", extra={"durable": self._durable, "error": repr(error)}
                )
                await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 jitter, no secret

    async def _consume(self) -> NoReturn:
        pull = Pull(bus=self._bus, stream=self._stream, durable=self._durable, batch=BATCH)
        await pull.open()
        try:
            while True:
                beat()
                if raw := await pull.next_batch(linger_s=self._linger_s):
                    await self.take(raw)
        finally:
            for waiting in self._apart:
                waiting.cancel()
            await pull.close()

    async def take(self, raw: list[Msg]) -> None:
        """Settle and acknowledge `raw`, in batches of a bounded number of events."""
        unsettled = list(raw)
        settled = asyncio.Event()
        extending = asyncio.create_task(self._keep(unsettled, settled))
        try:
            for batch, messages in batches_of(raw):
                # Events of a pack have one acknowledgement: they wait together.
                packed = any(pack.HEADER in (one.headers or {}) for one in batch)
                left = await self._settle(messages, apart=packed)
                del unsettled[: len(batch)]
                for place, message in enumerate(batch):
                    await (self._set_apart(message) if place in left else message.ack())
        finally:
            settled.set()
            await extending

    async def _keep(self, unsettled: list[Msg], settled: asyncio.Event) -> None:
        """Tell the bus, while it takes long, what is still worked on."""
        while True:
            try:
                async with asyncio.timeout(KEEP_EVERY_S):
                    await settled.wait()
            except TimeoutError:
                for message in tuple(unsettled):
                    await message.in_progress()
            else:
                return

    async def _set_apart(self, message: Msg) -> None:
        """Let a message wait for what it needs beside those that come after it."""

        async def wait() -> None:
            PULSE.set(None)  # it ends some time: no loop that must be heard of again
            settled = asyncio.Event()
            extending = asyncio.create_task(self._keep([message], settled))
            try:
                with suppress(*TROUBLE):  # it comes again, unacknowledged
                    await self._settle([message_of(message)], apart=True)
                    await message.ack()
            finally:
                settled.set()
                await extending

        task = asyncio.create_task(wait())
        self._apart.add(task)
        task.add_done_callback(self._apart.discard)

    async def _settle(self, messages: Sequence[Message], *, apart: bool = False) -> frozenset[int]:
        """Handle `messages` together; if they fail for good, one by one.

        Return the places of those that are to wait apart.
        """
        if not messages:
            return frozenset()
        worn_out = len(messages) == 1 and messages[0].deliveries > DELIVERIES_MAX
        if worn_out and not self._gave_one_up:
            self._gave_one_up = True
            await self._set_aside(messages[0], "never_acknowledged", messages[0].deliveries)
            return frozenset()
        try:
            return await self._through_trouble(messages, apart=apart)
        except Exception as error:  # noqa: BLE001 the table decides what a failure means
            if len(messages) == 1:
                await self._settle_one(messages[0], error)
                return frozenset()
        left = [
            place for place, one in enumerate(messages) if await self._settle([one], apart=apart)
        ]
        return frozenset(left)

    async def _settle_one(self, message: Message, error: Exception) -> None:
        outcome = outcome_of(error)
        tries = 1
        while outcome.delivery is Delivery.RETRY_THEN_DEAD_LETTER and tries < TRIES_MAX:
            log.error("message_failed", exc_info=error, extra={"subject": message.subject})
            await asyncio.sleep(BACKOFF_S[min(tries, len(BACKOFF_S)) - 1])
            tries += 1
            try:
                await self._through_trouble([message], apart=True)
            except Exception as again:  # noqa: BLE001 the table decides what a failure means
                error = again
                outcome = outcome_of(error)
            else:
                return
        if outcome.delivery is Delivery.ACK:
            log.info("message_refused", extra={"subject": message.subject, "code": outcome.code})
            return
        log.log(
            outcome.log_level,
            "message_dead_lettered",
            extra={"subject": message.subject, "reason": outcome.detail},
        )
        reason = f"{outcome.code}: {outcome.detail}"
        if outcome.delivery is Delivery.RETRY_THEN_DEAD_LETTER:
            reason = f"{outcome.code}: {error!r}"
        await self._set_aside(message, reason, tries)

    async def _through_trouble(self, messages: Sequence[Message], *, apart: bool) -> frozenset[int]:
        """Handle `messages`, again and again while a part is down.

        Return the places of those that may wait `apart` for it, where they are not yet.
        """
        tries = 0
        while True:
            try:
                await self._handle(messages)
            except Exception as error:
                beat()
                if isinstance(error, Unsettled) and not apart and len(self._apart) < APART_MAX:
                    return error.places
                if outcome_of(error).delivery is not Delivery.RETRY:
                    raise
                log.warning(
                    "batch_waits", extra={"durable": self._durable, "error": repr(error)[:200]}
                )
                await asyncio.sleep(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)])
                tries += 1
            else:
                return frozenset()
