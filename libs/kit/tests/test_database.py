"""A database that was away is used again the moment it is back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from pourline.kit.db import Database
from pourline.kit.errors import TROUBLE
from pourline.local.servers import PostgresServer
from pourline.testkit.clock import FakeClock
from pourline.testkit.until import until

CONNECTIONS = 8


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[PostgresServer]:
    server = PostgresServer(tmp_path / "postgres", password="test", settings={"fsync": "off"})
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def own_database(own_postgres: PostgresServer) -> AsyncIterator[Database]:
    database = Database(url=own_postgres.url(), service="shift", clock=FakeClock())
    await database.open()
    yield database
    await database.close()


async def works(database: Database) -> bool:
    with contextlib.suppress(*TROUBLE):
        async with database.transaction() as unit:
            return bool(await unit.one("SELECT 1"))
    return False


async def test_after_one_broken_connection_the_other_idle_ones_are_replaced(
    own_database: Database, own_postgres: PostgresServer
) -> None:
    async def busy() -> None:
        async with own_database.transaction() as unit:
            await unit.execute("SELECT pg_sleep(0.1)")

    await asyncio.gather(*(busy() for _ in range(CONNECTIONS)))
    own_postgres.kill()
    await own_postgres.start()

    with pytest.raises(psycopg.OperationalError):
        async with own_database.transaction() as unit:
            await unit.execute("SELECT 1")
    await until(lambda: works(own_database))

    assert await asyncio.gather(*(works(own_database) for _ in range(CONNECTIONS))) == (
        [True] * CONNECTIONS
    )


async def test_who_waits_for_a_database_is_served_as_soon_as_it_is_back(
    own_database: Database, own_postgres: PostgresServer
) -> None:
    assert await works(own_database)
    own_postgres.kill()
    await until(lambda: works(own_database), lambda working: not working)
    waiting = asyncio.create_task(until(lambda: works(own_database), within_s=30))
    await own_postgres.start()

    assert await waiting


@pytest.mark.parametrize("columns", ["*", "thing.*", "id, note"])
async def test_a_column_that_a_newer_version_adds_disturbs_no_statement(
    own_database: Database, own_postgres: PostgresServer, columns: str
) -> None:
    """A prepared one that returned every column would fail: the server keeps its columns."""
    statement = f"INSERT INTO thing (id, note) VALUES (1, 'x') RETURNING {columns}"
    with psycopg.connect(own_postgres.url(), autocommit=True) as another:
        another.execute("CREATE TABLE thing (id bigint, note text)")
        for _ in range(10):  # long past the point at which statements are prepared
            async with own_database.transaction() as unit:
                await unit.one(statement)
        another.execute("ALTER TABLE thing ADD newer int NOT NULL DEFAULT 7")

    async with own_database.transaction() as unit:
        row = await unit.one(statement)

    assert (row["id"], row["note"]) == (1, "x")
