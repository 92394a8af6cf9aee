"""A wire to the broker that can be cut: what a dead link is to a tap, and to the bar."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from pourline.controller.link import Broker

CHUNK: Final = 65_536


class Wire:
    """Passes bytes on to a broker on plain TCP, until it is cut; then it refuses, until mended."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._is_cut = False
        self._ends: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator[Broker]:
        """Lay the wire; what is given is the broker as seen from its far end."""
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield replace(self._broker, host="127.0.0.1", port=port)
        finally:
            server.close()
            self.cut()
            await server.wait_closed()

    def cut(self) -> None:
        """Break every connection at once, and let none stand from now on."""
        self._is_cut = True
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        """Let connections stand again."""
        self._is_cut = False

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        self._ends.add(writer)
        try:
            with contextlib.suppress(OSError):
                there = await asyncio.open_connection(self._broker.host, self._broker.port)
                self._ends.add(there[1])
                await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        finally:
            for end in (writer, *(one for one in self._ends if one.is_closing())):
                end.transport.abort()
                self._ends.discard(end)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until one end closes, then close the other."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()
