"""A request that never comes to its end is waited for so long; an answer takes what it takes."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop
from pourline.console.api import patience
from pourline.console.api.patience import BoundedRequest
from uvicorn import Config
from uvicorn.server import ServerState

SHORT_S = 0.2
LONGER_S = 0.5
STOOD_S = 1.0
READ_WITHIN_S = 30


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 of ASGI
    """Answer with how long the body was, after a while."""
    assert scope["type"] == "http"
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    await asyncio.sleep(LONGER_S)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d bytes" % length})


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(patience, "HEAD_WITHIN_S", SHORT_S)
    monkeypatch.setattr(patience, "BODY_WITHIN_S", SHORT_S)
    config = Config(app, log_level="error")
    monkeypatch.setattr(config, "timeout_keep_alive", SHORT_S)
    config.load()
    return config


def limits(
    monkeypatch: pytest.MonkeyPatch, config: Config, *, head_s: float, keep_alive_s: float
) -> None:
    monkeypatch.setattr(patience, "HEAD_WITHIN_S", head_s)
    monkeypatch.setattr(config, "timeout_keep_alive", keep_alive_s)


async def serve(config: Config) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(
        lambda: BoundedRequest(config=config, server_state=ServerState(), app_state={}),
        host="127.0.0.1",
        port=0,
    )


def port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


@pytest.fixture
async def port(config: Config) -> AsyncIterator[int]:
    server = await serve(config)
    yield port_of(server)
    server.close()


async def said(port: int, sent: bytes) -> bytes:
    """Send this and no more; return all that comes until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        return await asyncio.wait_for(reader.read(), READ_WITHIN_S)
    finally:
        writer.close()


HEAD = b"POST / HTTP/1.1\r\nHost: bar\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nHost:", HEAD, HEAD + b"abc"])
async def test_who_stops_in_the_middle_of_a_request_is_hung_up_on(port: int, sent: bytes) -> None:
    assert await said(port, sent) == b""


async def test_an_answer_may_take_longer_than_its_request(
    port: int, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(monkeypatch, config, head_s=READ_WITHIN_S, keep_alive_s=SHORT_S)
    assert b"4 bytes" in await said(port, HEAD + b"abcd")


KEPT = b"POST / HTTP/1.1\r\nHost: bar\r\nContent-Length: 4\r\n\r\nabcd"


async def answered(line: socket.socket) -> bytes:
    """Return what comes to the end of an answer without a length; empty when hung up on."""
    loop, read = asyncio.get_running_loop(), b""
    while not read.endswith(b"\r\n0\r\n\r\n"):
        part = await asyncio.wait_for(loop.sock_recv(line, 1024), READ_WITHIN_S)
        if not part:
            return b""
        read += part
    return read


class StandsStill(asyncio.Protocol):
    """Whoever writes to it holds up the whole loop, and meanwhile `line` asks.

    It stands still while the loop reads sockets, after which uvloop runs the timers first.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def data_received(self, data: bytes) -> None:
        self._line.send(data)
        time.sleep(2 * STOOD_S)


@pytest.mark.parametrize("asked_before", [0, 1], ids=["a new connection", "one kept open"])
def test_whoever_asks_while_the_process_stands_still_is_answered(
    config: Config, asked_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    head_s = READ_WITHIN_S if asked_before else STOOD_S
    limits(monkeypatch, config, head_s=head_s, keep_alive_s=STOOD_S)

    async def talk() -> None:
        async with contextlib.AsyncExitStack() as stack:
            server = await serve(config)
            stack.callback(server.close)
            line = socket.create_connection(("127.0.0.1", port_of(server)))
            stack.callback(line.close)
            still = await asyncio.get_running_loop().create_server(
                lambda: StandsStill(line), host="127.0.0.1", port=0
            )
            stack.callback(still.close)
            line.setblocking(False)  # noqa: FBT003 of the socket module
            for _ in range(asked_before):
                line.send(KEPT)
                assert b"4 bytes" in await answered(line)
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(still))
            stack.callback(writer.close)
            writer.write(KEPT)
            assert b"4 bytes" in await answered(line)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(talk())


async def test_who_asks_no_more_is_hung_up_on(
    port: int, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(monkeypatch, config, head_s=READ_WITHIN_S, keep_alive_s=SHORT_S)
    assert b"4 bytes" in await said(port, KEPT)
