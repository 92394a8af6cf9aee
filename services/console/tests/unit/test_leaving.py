"""Whoever asked before the console stops gets an answer; nobody is let in after."""

import asyncio
import socket
from functools import partial
from typing import Any

import httpx
import uvicorn
from pourline.console.app import HttpServer
from pourline.testkit.until import until


class Slow:
    """An application that answers once it may."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 of ASGI
        """Say yes."""
        assert scope["type"] == "http"
        self.asked.set()
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"yes"})


async def test_what_was_asked_before_the_stop_is_answered_and_nobody_is_let_in_after() -> None:
    app = Slow()
    door = socket.create_server(("127.0.0.1", 0))
    port = door.getsockname()[1]
    server = HttpServer(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[door]))
    async with httpx.AsyncClient(timeout=30) as guest:
        asking = asyncio.create_task(guest.get(f"http://127.0.0.1:{port}"))
        await app.asked.wait()

        leaving = asyncio.create_task(server.leave())
        await until(partial(lets_in, port), lambda open_: not open_)
        assert not leaving.done()
        app.may_answer.set()

        assert (await asking).text == "yes"
    await leaving
    await serving


async def lets_in(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:  # refused, or still in the queue of a door that closed
        return False
    writer.close()
    return True
