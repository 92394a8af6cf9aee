"""One standing pull request: messages come the moment they are stored.

nats-py's `fetch` asks anew for each batch and now and then leaves a lone message waiting for the
rest of its timeout; here a request stands until it is used up, and heartbeats tell when it is
lost (decision record 4).
"""

import asyncio
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

EXPIRES_S = 10
HEARTBEAT_S = 1.0
SILENCE_MAX_S = 2.5
"""Past this without message or heartbeat the request is lost: ask again."""
REFUSED_WAIT_S = 0.2
BYTES_MAX = 512 * 1024
"""Asked for at a time: what bus and reader hold in memory, whether small messages or large."""


class Pull:
    """Pulls one durable consumer's messages, at most `batch` asked for at a time."""

    def __init__(self, *, bus: Client, stream: str, durable: str, batch: int) -> None:
        self._bus = bus
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._batch = batch
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()
        self._asked_for = 0
        self._inbox = bus.new_inbox()
        self._number = 0
        self._subscription: Any = None

    async def open(self) -> None:
        """Subscribe to an inbox of its own; each request has a name below it."""
        self._subscription = await self._bus.subscribe(f"{self._inbox}.*", cb=self._arrived.put)

    async def close(self) -> None:
        """Let go of the inbox; what it still gets is delivered again to another."""
        await self._subscription.unsubscribe()

    async def next_batch(self, *, linger_s: float = 0) -> list[Msg]:
        """Return what is there, waiting for the first; empty after a silence.

        `linger_s` gathers what comes a little later, for readers who save more by it than they
        lose.
        """
        if self._asked_for == 0:
            await self._ask()
        messages: list[Msg] = []
        try:
            async with asyncio.timeout(SILENCE_MAX_S):
                while not messages:
                    await self._take(await self._arrived.get(), messages)
        except TimeoutError:
            self._asked_for = 0
            return []
        await asyncio.sleep(linger_s)
        while len(messages) < self._batch and not self._arrived.empty():
            await self._take(self._arrived.get_nowait(), messages)
        if self._asked_for == 0:
            await self._ask()  # the next ones travel while these are handled
        return messages

    async def _take(self, message: Msg, messages: list[Msg]) -> None:
        status = (message.headers or {}).get("Status") if not message.data else None
        if status is None:
            messages.append(message)
            self._asked_for = max(0, self._asked_for - 1)
        elif status != "100" and message.subject == self._request:
            # What ends an older request than the standing one must not start another.
            if status == "503":
                await asyncio.sleep(REFUSED_WAIT_S)
            await self._ask()

    async def _ask(self) -> None:
        """Ask for a batch; a heartbeat says each second that the request stands."""
        self._asked_for = self._batch
        self._number += 1
        order = {
            "batch": self._batch,
            "max_bytes": BYTES_MAX,
            "expires": int(EXPIRES_S * 1e9),
            "idle_heartbeat": int(HEARTBEAT_S * 1e9),
        }
        await self._bus.publish(self._subject, orjson.dumps(order), reply=self._request)

    @property
    def _request(self) -> str:
        """Return the name of the standing request, to which its statuses come."""
        return f"{self._inbox}.{self._number}"
