"""A bus that is there and says nothing costs no socket."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pourline.kit.nats import connect, connection
from pourline.local.servers import NatsServer
from pourline.testkit.ending import end
from pourline.testkit.until import until

TRIES = 100
"""More than any client library tries by itself."""


class Silent:
    """A server that accepts connections, greets nobody, and counts who is still there."""

    def __init__(self) -> None:
        self.came = self.here = 0

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        self.here += 1
        await reader.read()
        self.here -= 1
        writer.close()


@pytest.fixture
async def silent() -> AsyncIterator[tuple[Silent, str]]:
    bus = Silent()
    server = await asyncio.start_server(bus.meet, "127.0.0.1", 0)
    async with server:
        yield bus, f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_connection_that_is_never_greeted_is_closed_again(
    silent: tuple[Silent, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, url = silent
    monkeypatch.setattr(connection, "CONNECT_WAIT_S", 0.1)

    with pytest.raises(TimeoutError):
        await connect(url=url, name="a", wait_for_server=False)

    async def met() -> tuple[int, int]:
        return bus.came, bus.here

    await until(met, (1, 0).__eq__)


async def test_only_who_is_cut_off_says_so(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    closing, cut = [await connect(url=nats_server.url, name=name) for name in ("a", "b")]
    await closing.close()
    assert caplog.messages == []

    nats_server.kill()

    async def said() -> list[str]:
        return caplog.messages

    await until(said, lambda found: "bus_disconnected" in found)
    await cut.close()
    assert caplog.messages.count("bus_disconnected") == 1


async def test_a_bus_that_is_away_for_a_hundred_tries_is_found_again(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RECONNECT_WAIT_S", 0.001)
    client = await connect(url=nats_server.url, name="a")
    nats_server.kill()
    tries = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        del reader
        tries += 1
        writer.close()

    async def tried() -> int:
        return tries

    async with await asyncio.start_server(refuse, "127.0.0.1", nats_server.port, reuse_port=True):
        await until(tried, lambda count: count > TRIES, within_s=30)
    await nats_server.start()

    async def connected() -> bool:
        return client.is_connected

    await until(connected, within_s=30)
    await client.close()


async def test_a_bus_that_greets_nobody_is_tried_again_with_one_socket_at_a_time(
    silent: tuple[Silent, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, url = silent
    monkeypatch.setattr(connection, "CONNECT_WAIT_S", 0.1)

    async def tries() -> int:
        return bus.came

    waiting = asyncio.create_task(connect(url=url, name="a"))
    try:
        await until(tries, lambda count: count >= 3)
        assert bus.here <= 1
    finally:
        await end(waiting)
