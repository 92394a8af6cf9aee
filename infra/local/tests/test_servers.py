import stat
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import psycopg
import pytest
from pourline.local.errors import UnavailableError
from pourline.local.servers import NatsServer, PostgresServer


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[PostgresServer]:
    server = PostgresServer(tmp_path / "postgres", password="it's a secret")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    await server.start()
    yield server
    await server.stop()


async def test_postgres_keeps_what_was_committed_through_a_kill(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url()) as connection:
        connection.execute("CREATE TABLE pour AS SELECT 500 AS volume_ml")
    postgres.kill()
    await postgres.start()
    with psycopg.connect(postgres.url()) as connection:
        assert connection.execute("SELECT volume_ml FROM pour").fetchone() == (500,)


async def test_postgres_starts_although_its_old_process_id_is_taken(
    postgres: PostgresServer,
) -> None:
    await postgres.stop()
    (postgres.data / "postmaster.pid").write_text(f"1\n{postgres.data}\n")
    await postgres.start()
    with psycopg.connect(postgres.url()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


async def test_postgres_refuses_a_wrong_password(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url().replace("secret", "guess"))


async def test_an_interrupted_first_start_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", password="secret")
    (tmp_path / "postgres" / "initializing").mkdir(parents=True)
    (tmp_path / "postgres" / "initializing" / "half-a-file").touch()
    await server.start()
    await server.stop()
    assert server.data.is_dir()
    assert not (tmp_path / "postgres" / "password").exists()


async def test_the_bus_keeps_what_it_stored_through_a_kill(nats_server: NatsServer) -> None:
    bus = await nats.connect(nats_server.url)
    await bus.jetstream().add_stream(name="POURS", subjects=["pours"])
    await bus.jetstream().publish("pours", b"500")
    await bus.close()
    nats_server.kill()
    await nats_server.start()
    bus = await nats.connect(nats_server.url)
    assert (await bus.jetstream().get_msg("POURS", seq=1)).data == b"500"
    await bus.close()


async def test_the_bus_configuration_is_readable_by_its_owner_only(nats_server: NatsServer) -> None:
    assert stat.S_IMODE(nats_server.configuration.stat().st_mode) == 0o600


async def test_a_server_whose_port_is_taken_says_why_it_does_not_start(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    second = NatsServer(tmp_path / "second", port=nats_server.port)
    with pytest.raises(UnavailableError, match="address already in use"):
        await second.start()
