"""Publishing many messages and waiting until the bus has stored every one of them."""

import asyncio
import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from pourline.kit.errors import Retryable

LOOK_EVERY_S = 0.25
"""How often a round that waits looks whether the connection is still the one it went out on."""


@dataclass(frozen=True)
class Publication:
    """A message to be stored on a stream."""

    subject: str
    payload: bytes
    headers: dict[str, str] = field(default_factory=dict)


class StoredPublisher:
    """Publishes rounds of messages; one subscription counts the stream's acknowledgements.

    nats-py's own futures never end after a disconnect and cost a task each, so a round is
    counted here and given up as a whole.
    """

    def __init__(self, *, bus: Client, name: str) -> None:
        self._bus = bus
        # Of this life only: an acknowledgement to a former one is none of ours.
        self._prefix = f"_INBOX.{name}.stored.{secrets.token_hex(6)}"
        self._rounds = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._missing: dict[str, set[str]] = {}
        self._subscribed = False

    async def publish(self, messages: Sequence[Publication], *, wait_s: float) -> None:
        """Publish `messages` in order; raises `Retryable` unless all are stored in `wait_s`."""
        if not self._subscribed:
            await self._bus.subscribe(f"{self._prefix}.*.*", cb=self._stored)
            self._subscribed = True
        number = str(next(self._rounds))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = done
        self._missing[number] = {str(place) for place in range(len(messages))}
        try:
            for place, message in enumerate(messages):
                await self._bus.publish(
                    message.subject,
                    message.payload,
                    reply=f"{self._prefix}.{number}.{place}",
                    headers=message.headers or None,
                )
            await self._answered(done, wait_s)
        finally:
            del self._waiting[number], self._missing[number]

    async def _answered(self, done: asyncio.Future[None], wait_s: float) -> None:
        """Wait for `done`; what was under way when the connection broke is not waited for."""
        connection = self._bus.stats["reconnects"]
        deadline = asyncio.get_running_loop().time() + wait_s
        while not done.done():
            await asyncio.wait([done], timeout=LOOK_EVERY_S)
            late = asyncio.get_running_loop().time() > deadline
            if not done.done() and (late or self._bus.stats["reconnects"] != connection):
                raise Retryable("The bus did not store every message in time.")
        done.result()

    async def _stored(self, reply: Msg) -> None:
        number, place = reply.subject.rsplit(".", 2)[1:]
        waiting = self._waiting.get(number)
        if waiting is None or waiting.done():
            return
        if b'"error"' in reply.data or not reply.data:
            waiting.set_exception(Retryable(f"The bus refused a message: {_error_of(reply)}"))
            return
        self._missing[number].discard(place)
        if not self._missing[number]:
            waiting.set_result(None)


def _error_of(reply: Msg) -> str:
    if not reply.data:
        return "no stream takes its subject"
    answer = orjson.loads(reply.data)
    return str(answer.get("error", {}).get("description", "unknown"))
