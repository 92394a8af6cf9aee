"""Pytest fixtures: a real PostgreSQL a session, a real nats-server and fresh databases a test.

Each worker has servers of its own on free ports. A service's database is cloned from a template
that was migrated once.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from nats.aio.client import Client

from pourline.kit import migrations
from pourline.kit.nats import connect
from pourline.local.servers import MqttListener, NatsServer, PostgresServer
from pourline.local.topology import apply_topology
from pourline.testkit.clock import FakeClock

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""A test's database need not survive the machine."""

FreshDatabase = Callable[[str], str]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Run a PostgreSQL for the session."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), password="test", settings=FAST)
    with asyncio.Runner() as runner:
        runner.run(server.start())
        yield server
        runner.run(server.stop())


@pytest.fixture(scope="session")
def fresh_database(postgres: PostgresServer) -> FreshDatabase:
    """Return a maker of migrated databases: `fresh_database("ledger")` is a URL."""
    templates: set[str] = set()
    numbers = itertools.count(1)

    def make(service: str) -> str:
        template = f"template_{service.replace('-', '_')}"
        if template not in templates:
            _run(postgres, f"CREATE DATABASE {template}")
            migrations.upgrade(service, postgres.url(template))
            templates.add(template)
        name = f"test_{next(numbers)}"
        _run(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
        return postgres.url(name)

    return make


def _run(postgres: PostgresServer, statement: str) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """Run a broker and bus for one test; anybody may connect."""
    server = NatsServer(tmp_path / "nats", mqtt=MqttListener())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Client]:
    """Connect to a bus that has every stream and consumer."""
    client = await connect(url=nats_server.url, name="test")
    await apply_topology(client)
    yield client
    await client.close()


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still until it is told otherwise."""
    return FakeClock()
