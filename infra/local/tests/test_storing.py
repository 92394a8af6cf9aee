"""A nats-server whose disk was full once says so, and only then."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import nats.errors
import psutil
import pytest
from nats.js import JetStreamContext
from pourline.local.servers import NatsServer
from pourline.local.storing import Storing
from pourline.testkit.until import until

ACCOUNTS = """
accounts { A { jetstream: enabled, users: [ { user: a, password: a } ] }
           SYS { users: [ { user: s, password: s } ] } }
system_account: SYS
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path / "nats", mqtt=None, authorization=ACCOUNTS)
    await server.start()
    yield server
    await server.stop()


@contextlib.asynccontextmanager
async def no_room(server: NatsServer) -> AsyncIterator[None]:
    process = psutil.Process(server.pid)
    usual = process.rlimit(resource.RLIMIT_FSIZE)
    process.rlimit(resource.RLIMIT_FSIZE, (0, usual[1]))
    try:
        yield
    finally:
        process.rlimit(resource.RLIMIT_FSIZE, usual)


async def stored(stream: JetStreamContext) -> bool:
    with contextlib.suppress(nats.errors.Error, TimeoutError):
        await stream.publish("a", b"beer", timeout=0.5)
        return True
    return False


@pytest.mark.long
async def test_a_server_that_could_not_write_is_stuck_until_it_is_started_anew(
    server: NatsServer,
) -> None:
    system = server.url.replace("://", "://s:s@")
    async with Storing(system) as storing:
        client = await nats.connect(server.url.replace("://", "://a:a@"))
        stream = client.jetstream()
        await stream.add_stream(name="A", subjects=["a"])
        assert await until(lambda: stored(stream))
        assert await until(storing.answers)

        async with no_room(server):
            assert not await stored(stream)
            assert await until(storing.answers, lambda one: one is False) is False
        assert not await stored(stream), "it heals by itself: then nobody need start it anew"
        assert await until(storing.answers, lambda one: one is not None) is False

        server.kill()
        assert await storing.answers() is None
        await server.start()
        assert await until(storing.answers, lambda one: one is not None)
        assert await until(lambda: stored(stream))
        await client.close()
    await asyncio.sleep(0)
