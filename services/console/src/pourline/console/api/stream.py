"""Server-sent events: a response that lasts, a heartbeat, an end for who stopped reading."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pourline.console.store import StockFeed
from pourline.kit.errors import Retryable

HEARTBEAT_S = 15.0
SEND_WITHIN_S = 30.0
"""Who has not read a few kilobytes for so long does not listen any more."""
CLIENTS_MAX = 1000
"""Each costs a connection and a task; two hundred screens are a large bar."""
STOP_WITHIN_S = 1.0
LOOK_S = 5.0
"""A token that ended is noticed within this."""
PACE_S = 0.1
"""The least time between two writes to a client: a burst of changes costs it one."""
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-store",
    "x-accel-buffering": "no",  # nginx would keep events back
    "x-content-type-options": "nosniff",
}
RETRY = b"retry: 2000\n\n"
HEARTBEAT = b": still here\n\n"

IsGood = Callable[[], bool]
"""Whether the token that the stream was opened with still counts."""


class StockStream:
    """Serves the stock's changes to many clients, each at its own pace."""

    def __init__(self, *, feed: StockFeed, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._feed = feed
        self._heartbeat_s = heartbeat_s
        self._clients: set[EventStream] = set()
        self._all_gone = asyncio.Event()

    async def open(self, last_event_id: str | None, is_good: IsGood) -> Response:
        """Return a response that lasts; raises `Retryable` when there are too many, or no ledger.

        It begins with a snapshot, or after `last_event_id` where everything since is still kept.
        """
        if len(self._clients) >= CLIENTS_MAX:
            raise Retryable("Too many watch already.", part="console")
        await self._feed.ensure()
        stream = EventStream(self._events(last_event_id, is_good), ended=self._ended)
        self._clients.add(stream)
        return stream

    async def _events(self, last_event_id: str | None, is_good: IsGood) -> AsyncIterator[bytes]:
        feed, now = self._feed, asyncio.get_running_loop().time
        place, looked, beat = feed.place_of(last_event_id), now(), now()
        yield RETRY
        while not feed.is_closed:
            if now() - looked >= LOOK_S:
                looked = now()
                if not is_good():
                    return
            if place is None or not feed.keeps(place):
                place, text = feed.snapshot()
            elif place != feed.newest:
                place, text = feed.newest, b"".join(feed.after(place))
            elif now() - beat >= self._heartbeat_s:
                text = HEARTBEAT
            else:
                await feed.wait(place, min(LOOK_S, max(0.0, beat + self._heartbeat_s - now())))
                continue
            beat = now()
            yield text
            await asyncio.sleep(PACE_S)

    def _ended(self, stream: "EventStream") -> None:
        self._clients.discard(stream)
        if not self._clients:
            self._all_gone.set()

    async def close(self) -> None:
        """End every stream cleanly, and wait a moment until they have."""
        self._feed.close()
        self._all_gone.clear()
        if self._clients:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN_S):
                    await self._all_gone.wait()


class EventStream(Response):
    """A response whose body comes piece by piece until it ends or its reader is gone."""

    def __init__(
        self, events: AsyncIterator[bytes], *, ended: Callable[["EventStream"], None]
    ) -> None:
        super().__init__(headers=HEADERS)
        self._events = events
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write until the end, or until the client has gone or stopped reading."""
        del scope
        tasks = {
            asyncio.create_task(self._write(send)),
            asyncio.create_task(self._until_gone(receive)),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ended(self)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for piece in self._events:
            async with asyncio.timeout(SEND_WITHIN_S):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    @staticmethod
    async def _until_gone(receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
