"""Every service's schema: upgraded from nothing, the tables it says, and back again."""

import importlib.util
import itertools
from dataclasses import replace

import psycopg
import pytest
from pourline.contracts.topology import SERVICES
from pourline.local.servers import PostgresServer
from pourline.testkit.plugin import FreshDatabase
from pourline.upkeep import migrations
from pourline.upkeep.versions import CODE, FIRST, Newer, TooNewError, newer, newest_known

NUMBERS = itertools.count(1)
RELATIONS = """
    SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = 'public' AND relkind IN ('r', 'v', 'm', 'S') AND relname <> 'alembic_version'
    UNION ALL
    SELECT proname FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE nspname = 'public'
"""


def has_tables(service: str) -> bool:
    return importlib.util.find_spec(f"pourline.{service.replace('-', '_')}.migrations") is not None


MIGRATED = [service for service in SERVICES if has_tables(service)]
pytestmark = pytest.mark.requirement("MG-1")


@pytest.fixture
def empty_database(postgres: PostgresServer) -> str:
    name = f"migrated_{next(NUMBERS)}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres.url(name)


def relations(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute(RELATIONS)]


def test_every_service_but_the_console_has_migrations() -> None:
    assert set(SERVICES) - set(MIGRATED) == {"console"}


@pytest.mark.parametrize("service", MIGRATED)
def test_the_migrations_make_the_tables_that_the_code_knows(
    fresh_database: FreshDatabase, service: str
) -> None:
    migrations.differences(service, fresh_database(service))


@pytest.mark.parametrize("service", MIGRATED)
def test_a_schema_can_be_taken_back_to_nothing_and_made_again(
    empty_database: str, service: str
) -> None:
    migrations.upgrade(service, empty_database)
    made = relations(empty_database)
    migrations.downgrade(service, empty_database, "base")
    left = relations(empty_database)
    migrations.upgrade(service, empty_database)

    assert left == []
    assert sorted(relations(empty_database)) == sorted(made)


@pytest.mark.parametrize("service", MIGRATED)
def test_an_upgrade_that_is_done_already_changes_nothing(
    fresh_database: FreshDatabase, service: str
) -> None:
    url = fresh_database(service)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE outbox_counter SET value = 7")

    migrations.upgrade(service, url)

    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT value FROM outbox_counter").fetchall() == [(7,)]


@pytest.mark.parametrize("service", MIGRATED)
def test_a_database_says_which_code_it_takes_and_whoever_does_not_know_it_leaves_it_alone(
    fresh_database: FreshDatabase, service: str
) -> None:
    """Every migration so far only added: the first code goes on."""
    url = fresh_database(service)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9001'")
    fit = migrations.upgrade(service, url)
    with psycopg.connect(url) as connection:
        connection.execute("COMMENT ON TABLE alembic_version IS 'runs with code from 9001 on'")

    with pytest.raises(TooNewError, match=f"^{CODE}: the database of {service} is at 9001"):
        migrations.upgrade(service, url)
    with psycopg.connect(url) as connection:
        connection.execute("COMMENT ON TABLE alembic_version IS NULL")
    with pytest.raises(TooNewError, match="does not say whom it takes"):
        migrations.upgrade(service, url)

    known = newest_known(service)
    assert fit == Newer(service=service, revision="9001", code=known, oldest=FIRST)
    assert newer(service, url) == replace(fit, oldest=None)
    with psycopg.connect(url) as connection:
        connection.execute(f"UPDATE alembic_version SET version_num = '{known}'".encode())
    assert newer(service, url) is None
