"""What must always hold: each service's own invariants, and those across services.

A service states its own in its `invariants` module. Those that compare two services' data stand
here, because no service reads another's tables.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from pourline.kit.invariants import Invariant
from pourline.local.environment import WITH_DATABASE, snake

Row = Mapping[str, Any]
Connections = Mapping[str, Connection]
"""A service's name to a connection to its database."""


@dataclass(frozen=True, kw_only=True)
class Across:
    """A statement about the data of several services; `offenders` returns what breaks it."""

    name: str
    why: str
    offenders: Callable[[Connections], Sequence[Row]]


@dataclass(frozen=True, kw_only=True)
class Broken:
    """An invariant that does not hold, and the rows that show it."""

    where: str
    name: str
    why: str
    rows: Sequence[Row]


ACROSS: tuple[Across, ...] = ()
"""Statements across services, checked after each service's own."""


def broken(connections: Connections) -> list[Broken]:
    """Check everything once and return what does not hold."""
    own = [
        Broken(where=service, name=rule.name, why=rule.why, rows=rows)
        for service, connection in connections.items()
        for rule in invariants_of(service)
        if (rows := rows_of(connection, rule.sql))
    ]
    across = [
        Broken(where="across services", name=rule.name, why=rule.why, rows=rows)
        for rule in ACROSS
        if (rows := list(rule.offenders(connections)))
    ]
    return own + across


def count() -> int:
    """Return how many statements are checked."""
    return len(ACROSS) + sum(len(invariants_of(service)) for service in WITH_DATABASE)


def invariants_of(service: str) -> tuple[Invariant, ...]:
    """Return what a service says must hold; nothing when it has no such module."""
    name = f"pourline.{snake(service)}.invariants"
    if find_spec(name) is None:
        return ()
    stated: tuple[Invariant, ...] = import_module(name).INVARIANTS
    return stated


def rows_of(connection: Connection, query: str) -> list[Row]:
    """Run a query and return its rows by column name."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(query.encode()).fetchall())
