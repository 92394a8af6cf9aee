"""Pytest fixtures: a real PostgreSQL a session, a real nats-server and fresh databases a test.

Each worker has servers of its own on free ports. A service's database is cloned from a template
that was migrated once.
"""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from nats.aio.client import Client

from pourline.kit.nats import connect
from pourline.local.errors import UnavailableError
from pourline.local.servers import MqttListener, NatsServer, PostgresServer
from pourline.local.topology import apply_topology
from pourline.testkit.clock import FakeClock
from pourline.upkeep import migrations

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""A test's database need not survive the machine."""

MEMORY = Path("/dev/shm")  # noqa: S108 a folder of its own in it, made safely
MEMORY_BYTES_MIN = 2 * 1024**3
PORT_ATTEMPTS = 3
ANSWER_WITHIN_S = 60.0
"""A machine that runs tests may stand still for seconds; what is set up for one waits."""
NUMBERS = itertools.count(1)

FreshDatabase = Callable[[str], str]


@pytest.fixture(scope="session")
def passing_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder for what no test reads again; in memory where the machine has the room."""
    if not (MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN):
        yield tmp_path_factory.mktemp("passing")
        return
    with tempfile.TemporaryDirectory(
        prefix="pourline-", dir=MEMORY, ignore_cleanup_errors=True
    ) as folder:
        Path(folder).chmod(0o755)  # the database's own user passes through
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(passing_folder: Path) -> Iterator[PostgresServer]:
    """Run a PostgreSQL for the session."""
    server = PostgresServer(passing_folder / "postgres", password="test", settings=FAST)
    with asyncio.Runner() as runner:
        runner.run(server.start())
        yield server
        runner.run(server.stop())


@pytest.fixture(scope="session")
def templates(postgres: PostgresServer) -> Callable[[str], str]:
    """Return what names a service's template, migrated when it is first asked for."""
    names: dict[str, str] = {}

    def template(service: str) -> str:
        if service not in names:
            name = f"template_{service.replace('-', '_')}"
            _run(postgres, f"CREATE DATABASE {name}")
            migrations.upgrade(service, postgres.url(name))
            names[service] = name
        return names[service]

    return template


@pytest.fixture
def fresh_database(
    postgres: PostgresServer, templates: Callable[[str], str]
) -> Iterator[FreshDatabase]:
    """Return a maker of migrated databases, gone after the test: `fresh_database("ledger")`."""
    made: list[str] = []

    def make(service: str) -> str:
        name = f"test_{next(NUMBERS)}"
        _run(postgres, f"CREATE DATABASE {name} TEMPLATE {templates(service)} STRATEGY file_copy")
        made.append(name)
        return postgres.url(name)

    yield make
    if made:
        _run(postgres, *(f"DROP DATABASE {name} WITH (FORCE)" for name in made))


def _run(postgres: PostgresServer, *statements: str) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
async def nats_server(passing_folder: Path) -> AsyncIterator[NatsServer]:
    """Run a broker and bus for one test; anybody may connect."""
    server = await _started(passing_folder / f"bus-{next(NUMBERS)}")
    yield server
    server.kill()
    shutil.rmtree(server.folder, ignore_errors=True)


async def _started(tmp_path: Path) -> NatsServer:
    """Start a server; where another suite took its port in that moment, one on another port."""
    for attempt in range(PORT_ATTEMPTS):
        server = NatsServer(tmp_path / f"nats-{attempt}", mqtt=MqttListener())
        try:
            await server.start()
        except UnavailableError as error:
            if "address already in use" not in str(error) or attempt == PORT_ATTEMPTS - 1:
                raise
        else:
            return server
    raise AssertionError("the last attempt raises")


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Client]:
    """Connect to a bus that has every stream and consumer."""
    client = await connect(url=nats_server.url, name="test")
    try:
        await apply_topology(client, answer_within_s=ANSWER_WITHIN_S)
        yield client
    finally:
        await client.close()


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still until it is told otherwise."""
    return FakeClock()
