"""Roles and databases: each service owns one database and can reach no other.

Two roles a service: the owner migrates, the runtime role reads and writes rows and can change no
table. Runs in the short-lived `migrate` process only.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import Connection, sql

from pourline.local.credentials import Secrets
from pourline.local.environment import snake
from pourline.local.errors import UnavailableError

CONNECT_WITHIN_S = 10


def ensure_own(admin_url: str, service: str, secrets: Secrets) -> None:
    """Make the service's roles and database on our own cluster; safe to repeat."""
    runtime, owner = snake(service), f"{snake(service)}_owner"
    with connected(admin_url) as admin:
        for role in (owner, runtime):
            _ensure_role(admin, role, secrets.password("postgres", role))
        _create_database(admin, runtime, owner=owner)
        _grant(admin, runtime, owner)
    with connected(_on_database(admin_url, runtime)) as database:
        _allow_rows_only(database, runtime, owner)


def ensure_named(url: str) -> None:
    """Make the database that the environment names, if it is missing and we may."""
    try:
        with connected(url):
            return
    except psycopg.OperationalError as error:
        if "does not exist" not in str(error):
            raise UnavailableError(f"cannot connect to the database: {_line(error)}") from error
    name = urlsplit(url).path.lstrip("/")
    try:
        with connected(_on_database(url, "postgres")) as admin:
            _create_database(admin, name, owner=None)
    except psycopg.Error as error:
        raise UnavailableError(f"cannot create database {name}: {_line(error)}") from error


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Connect in autocommit mode: databases are not created inside a transaction."""
    connection = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_WITHIN_S)
    with connection:
        yield connection


@contextmanager
def all_connected(urls: Mapping[str, str]) -> Iterator[Mapping[str, Connection]]:
    """Connect to every service's database; says of older ones that they are to be migrated."""
    open_ones: dict[str, Connection] = {}
    try:
        for service, url in urls.items():
            open_ones[service] = psycopg.connect(
                url, autocommit=True, connect_timeout=CONNECT_WITHIN_S
            )
        yield open_ones
    except psycopg.OperationalError as error:
        raise UnavailableError(f"database: {_line(error)}") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise UnavailableError(
            "an older version left these databases behind: `pourline migrate`, or `pourline up`,"
            f" brings them up to date ({_line(error)})"
        ) from error
    finally:
        for connection in open_ones.values():
            connection.close()


def _ensure_role(admin: Connection, role: str, password: str) -> None:
    known = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    verb = sql.SQL("ALTER" if known else "CREATE")
    admin.execute(
        sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, sql.Identifier(role), password)
    )


def _create_database(admin: Connection, name: str, *, owner: str | None) -> None:
    known = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if known:
        return
    owned_by = sql.SQL(" OWNER {}").format(sql.Identifier(owner)) if owner else sql.SQL("")
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + owned_by)


def _grant(admin: Connection, runtime: str, owner: str) -> None:
    """Close the database to everybody but its two roles, and the maintenance ones to all."""
    database = sql.Identifier(runtime)
    for closed in (runtime, "postgres", "template1"):
        admin.execute(
            sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(closed))
        )
    for role in (owner, runtime):
        admin.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(role))
        )


def _allow_rows_only(database: Connection, runtime: str, owner: str) -> None:
    defaults = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {owner}")
    names = {"owner": sql.Identifier(owner), "runtime": sql.Identifier(runtime)}
    for statement in (
        "ALTER SCHEMA public OWNER TO {owner}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO {runtime}",
        "{defaults} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {runtime}",
        "{defaults} GRANT USAGE ON SEQUENCES TO {runtime}",
    ):
        database.execute(sql.SQL(statement).format(defaults=defaults.format(**names), **names))


def _on_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
