"""Requests are waited for, but not for ever: uvicorn's fast parser takes all that it is sent."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024
"""Address and headers; the longest token is under two kilobytes."""
HEAD_WITHIN_S = 20.0
"""From the connection, or a request's first byte, to the end of its head."""
BODY_WITHIN_S = 20.0
"""From the end of its head to that of its body, which has 64 KiB at most."""
KEEP_ALIVE_S = 75
"""How long a connection may idle between two requests: longer than clients keep theirs (httpx: five
seconds, as uvicorn's own), so that it is the client that hangs up, never on a request just sent.
"""
LOOK_AGAIN_S = 0.1
"""What came while the whole process stood still is read first, then the time is up."""


class BoundedRequest(HttpToolsProtocol):
    """An HTTP connection that is closed when a request is too long, or never comes to its end.

    A machine may stand still for seconds. uvloop then runs the timers first and reads the sockets
    after: whoever asked meanwhile would be hung up on, not knowing what became of it. So each
    timer has the loop look at its sockets once more.
    """

    _in_head = True
    _head_bytes = 0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's own
        """Wait for a request, but not for ever."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on what comes, as long as the head is not too long."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX:
            self.send_400_response("The request's head is too long.")

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        """Stop counting, and wait for the body: its length has a limit of its own."""
        self._in_head = False
        self._wait(BODY_WITHIN_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take all the time that an answer needs."""
        self._wait_no_more()
        super().on_message_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Hang up, unless a request has come all the same."""
        self.timeout_keep_alive_task = self.loop.call_later(
            LOOK_AGAIN_S, super().timeout_keep_alive_handler
        )

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to another protocol."""
        self._wait_no_more()
        super().handle_websocket_upgrade()

    def _await_head(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._wait(HEAD_WITHIN_S)

    def _wait(self, within_s: float) -> None:
        self._wait_no_more()
        self._late = self.loop.call_later(within_s, self._look_again)

    def _look_again(self) -> None:
        self._late = self.loop.call_later(LOOK_AGAIN_S, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None
