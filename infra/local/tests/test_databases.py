from collections.abc import AsyncIterator

import psycopg
import pytest
from pourline.local import databases
from pourline.local.bar import own_postgres
from pourline.local.credentials import Secrets
from pourline.local.paths import DataDir
from pourline.local.ports import LOOPBACK
from pourline.local.servers import PostgresServer


@pytest.fixture
async def postgres(data_dir: DataDir, bar_secrets: Secrets) -> AsyncIterator[PostgresServer]:
    server = own_postgres(data_dir, bar_secrets)
    await server.start()
    for service in ("ledger", "keg-fifo"):
        databases.ensure_own(server.url(), service, bar_secrets)
    yield server
    await server.stop()


async def test_a_service_reaches_its_own_rows_and_nothing_else(
    postgres: PostgresServer, bar_secrets: Secrets
) -> None:
    def url(role: str, database: str) -> str:
        password = bar_secrets.password("postgres", role)
        return f"postgresql://{role}:{password}@{LOOPBACK}:{postgres.port}/{database}"

    databases.ensure_own(postgres.url(), "ledger", bar_secrets)  # a repeat changes nothing
    with psycopg.connect(url("ledger_owner", "ledger")) as owner:
        owner.execute("CREATE TABLE pour (id bigint GENERATED ALWAYS AS IDENTITY, volume_ml int)")
    with psycopg.connect(url("ledger", "ledger"), autocommit=True) as runtime:
        runtime.execute("INSERT INTO pour (volume_ml) VALUES (500)")
        for forbidden in ("CREATE TABLE mine ()", "DROP TABLE pour", "TRUNCATE pour"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                runtime.execute(forbidden)
    for role, database in (
        ("ledger", "keg_fifo"),
        ("ledger_owner", "keg_fifo"),
        ("ledger", "postgres"),
        ("ledger", "template1"),
    ):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url(role, database))


async def test_a_named_database_is_made_where_we_may(postgres: PostgresServer) -> None:
    databases.ensure_named(postgres.url("named"))
    with psycopg.connect(postgres.url("named")) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("named",)
