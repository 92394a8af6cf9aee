"""A request that never comes to its end is waited for so long; an answer takes what it takes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pourline.console.api import patience
from pourline.console.api.patience import BoundedRequest
from uvicorn import Config
from uvicorn.server import ServerState

SHORT_S = 0.2
LONGER_S = 0.5
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
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(patience, "HEAD_WITHIN_S", SHORT_S)
    monkeypatch.setattr(patience, "BODY_WITHIN_S", SHORT_S)
    config = Config(app, log_level="error")
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedRequest(config=config, server_state=ServerState(), app_state={}),
        host="127.0.0.1",
        port=0,
    )
    yield server.sockets[0].getsockname()[1]
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


async def test_an_answer_may_take_longer_than_its_request(port: int) -> None:
    assert b"4 bytes" in await said(port, HEAD + b"abcd")
