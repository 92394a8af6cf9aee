"""A database that has the kit's tables and nothing else."""

import itertools
from collections.abc import AsyncIterator

import psycopg
import pytest
import sqlalchemy as sa
from pourline.kit.db import Database
from pourline.kit.tables import add_kit_tables
from pourline.local.servers import PostgresServer
from pourline.testkit.clock import FakeClock

NUMBERS = itertools.count(1)


@pytest.fixture
def database_url(postgres: PostgresServer) -> str:
    name = f"upkeep_{next(NUMBERS)}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = postgres.url(name)
    metadata = sa.MetaData()
    add_kit_tables(metadata)
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    metadata.create_all(engine)
    with engine.begin() as connection_:
        connection_.execute(sa.text("INSERT INTO outbox_counter (value) VALUES (0)"))
    engine.dispose()
    return url


@pytest.fixture
async def database(database_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    database = Database(url=database_url, service="ledger", clock=clock)
    await database.open()
    yield database
    await database.close()
