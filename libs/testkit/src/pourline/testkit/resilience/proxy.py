"""A TCP proxy that can do to connections what networks do: cut, refuse, hold, slow down.

Nothing that was sent over a connection that lives on is ever lost, as TCP promises: what is held
back arrives late. A connection that loses bytes is broken for good.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 64 * 1024

Heard = Callable[[float, bytes], None]


class Way(StrEnum):
    """A direction of a connection, seen from the client."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What is wrong with a connection: ways that let nothing pass, delay, bytes a second."""

    held: frozenset[Way] = frozenset()
    delay_s: float = 0.0
    bytes_per_s: float = float("inf")


FINE = Trouble()
HALF_OPEN = Trouble(held=frozenset(Way))


@dataclass(eq=False)
class _Wire:
    """One connection through the proxy, with both its sockets."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    trouble: Trouble = FINE
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    is_forgotten: bool = False

    def become(self, trouble: Trouble) -> None:
        if not self.is_forgotten:
            self.trouble = trouble
            self.changed.set()

    def abort(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()

    async def pass_on(self, way: Way, length: int) -> None:
        """Wait for as long as this many bytes take that way."""
        while way in self.trouble.held:
            self.changed.clear()
            await self.changed.wait()
        pause_s = self.trouble.delay_s + length / self.trouble.bytes_per_s
        if pause_s:
            await asyncio.sleep(pause_s)


class Proxy:
    """Listens on a port of its own and passes on to another; use `proxied` to get one.

    `heard` is told when which bytes came from a client, before they are passed on.
    """

    def __init__(self, to_port: int, *, heard: Heard | None = None) -> None:
        self.port = 0
        self._to_port = to_port
        self._heard = heard
        self._server: asyncio.Server | None = None
        self._wires: set[_Wire] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._for_new = FINE

    async def listen(self) -> None:
        """Take connections, on the same port each time."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Cut every connection and refuse new ones until `listen`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut(1.0, random.Random(0))  # noqa: S311 - all of them: no choice is made

    def point_to(self, port: int) -> None:
        """Pass new connections on to another port, as an address that moves to another machine."""
        self._to_port = port

    def cut(self, share: float, dice: random.Random) -> None:
        """Reset a share (0 to 1) of the connections."""
        for wire in self._some(share, dice):
            wire.abort()

    def trouble(self, trouble: Trouble, share: float, dice: random.Random) -> None:
        """Trouble a share of the connections, and with a share of 1 all that come."""
        for wire in self._some(share, dice):
            wire.become(trouble)
        if share == 1:
            self._for_new = trouble

    def resume(self) -> None:
        """Let everything pass that was held back, and what comes."""
        self._for_new = FINE
        for wire in self._wires:
            wire.become(FINE)

    def reset(self) -> None:
        """Cut every troubled connection; new ones are fine."""
        self._for_new = FINE
        for wire in [one for one in self._wires if one.trouble != FINE]:
            wire.abort()

    def forget(self) -> None:
        """Leave troubled connections as they are for ever, as a router that lost its memory."""
        self._for_new = FINE
        for wire in self._wires:
            wire.is_forgotten = wire.trouble != FINE

    async def close(self) -> None:
        """Stop listening and cut everything."""
        await self.refuse()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _some(self, share: float, dice: random.Random) -> list[_Wire]:
        wires = list(self._wires)
        return dice.sample(wires, max(1, round(share * len(wires)))) if wires else []

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.close())  # it may be cancelled before it begins

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection(LOOPBACK, self._to_port)
        except OSError:
            writer.transport.abort()
            return
        wire = _Wire(writer, to_server, trouble=self._for_new)
        self._wires.add(wire)
        if self._server is None:  # refused while it was being made
            wire.abort()
        pumps = [
            asyncio.ensure_future(self._pump(wire, Way.UP, reader, to_server)),
            asyncio.ensure_future(self._pump(wire, Way.DOWN, from_server, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            to_server.close()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._wires.discard(wire)
            await _close(writer, to_server)

    async def _pump(
        self, wire: _Wire, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass on until either side ends the connection."""
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if self._heard and way is Way.UP:
                    self._heard(time.monotonic(), data)
                await wire.pass_on(way, len(data))
                writer.write(data)
                await writer.drain()


async def _close(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()  # all of them, before anything here can be cancelled
    for writer in writers:
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def proxied(to_port: int, *, heard: Heard | None = None) -> AsyncIterator[Proxy]:
    """Run a proxy in front of a local port."""
    proxy = Proxy(to_port, heard=heard)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
