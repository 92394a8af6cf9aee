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

from pourline.contracts.topology import ACCESS, producers_for
from pourline.kit.replay import TOLD_DAYS
from pourline.local.environment import WITH_DATABASE, snake
from pourline.upkeep.invariants import Invariant

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


LISTED_MAX = 100


def _pours_that_no_keg_lost(connections: Connections) -> Sequence[Row]:
    """Return pours whose volume is not what kegs lost for them, shortfalls included."""
    poured = rows_of(
        connections["ledger"],
        "SELECT client_tx_id, volume_ml, takes_keg FROM pour WHERE volume_ml > 0",
    )
    taken = rows_of(
        connections["keg-fifo"],
        """
        SELECT client_tx_id, taken_ml + keg_taking.shortfall_ml - coalesce(
            returned_ml + keg_return.shortfall_ml, 0) AS volume_ml
        FROM keg_taking LEFT JOIN keg_return USING (client_tx_id)
        """,
    )
    known = {row["client_tx_id"]: row["volume_ml"] for row in taken}
    return [
        row
        for row in poured
        if known.get(row["client_tx_id"], 0) != (row["volume_ml"] if row["takes_keg"] else 0)
    ][:LISTED_MAX]


def _locks_that_outlive_their_pour(connections: Connections) -> Sequence[Row]:
    """Return standing locks whose grant's pour is in the books."""
    standing = rows_of(
        connections["auth-lock"],
        "SELECT grant_id, visit_id, tap_id FROM tap_lock WHERE released_at IS NULL",
    )
    settled = rows_of(
        connections["ledger"],
        "SELECT grant_id FROM grant_hold WHERE state IN ('captured', 'held')",
    )
    done = {row["grant_id"] for row in settled}
    return [row for row in standing if row["grant_id"] in done]


def _holds_without_a_lock(connections: Connections) -> Sequence[Row]:
    """Return money held for a grant that locks no tap."""
    held = rows_of(
        connections["ledger"],
        "SELECT grant_id, visit_id, amount FROM grant_hold WHERE state = 'pending'",
    )
    standing = rows_of(
        connections["auth-lock"], "SELECT grant_id FROM tap_lock WHERE released_at IS NULL"
    )
    locked = {row["grant_id"] for row in standing}
    return [row for row in held if row["grant_id"] not in locked]


def _stock_that_differs(connections: Connections) -> Sequence[Row]:
    """Return items whose snapshot, entries or facts are not what the owner of stock has."""
    owned = rows_of(
        connections["keg-fifo"],
        """
        SELECT id AS item_id, name, version, moved AS entries,
               (SELECT coalesce(sum(remaining), 0) FROM batch WHERE item_id = item.id)
               - (SELECT coalesce(sum(open_quantity), 0) FROM shortfall WHERE item_id = item.id)
               AS stock
        FROM item
        """,
    )
    shown = rows_of(
        connections["ledger"],
        """
        SELECT item_id, name, facts_version AS version, current_stock AS stock,
               (SELECT count(*) FROM inventory_entry
                WHERE inventory_entry.item_id = inventory_item.item_id) AS entries
        FROM inventory_item
        """,
    )
    snapshot = {row["item_id"]: row for row in shown}
    there = {row["item_id"]: row for row in owned}
    return [
        {"item_id": item_id, "there": there.get(item_id), "shown": snapshot.get(item_id)}
        for item_id in there.keys() | snapshot.keys()
        if there.get(item_id) != snapshot.get(item_id)
    ][:LISTED_MAX]


def _events_never_taken_in(connections: Connections) -> Sequence[Row]:
    """Return published events that a reader has neither taken in nor set aside."""
    return [
        {"reader": reader, "producer": producer, **row}
        for reader in ACCESS
        for producer in producers_for(reader)
        for row in _not_taken_in(connections, reader, producer)
    ][:LISTED_MAX]


def _not_taken_in(connections: Connections, reader: str, producer: str) -> Sequence[Row]:
    subjects = ", ".join(
        f"'{event.subject()}'" for event in ACCESS[reader].events if producer == event.PRODUCER
    )
    young = f"created_at > clock_timestamp() - make_interval(days => {TOLD_DAYS})"
    told = f"FROM outbox WHERE published_at IS NOT NULL AND {young} AND subject IN ({subjects})"
    oldest = rows_of(
        connections[producer], f"SELECT coalesce(min(seq), 0) AS seq FROM outbox WHERE {young}"
    )
    seen = f"FROM inbox WHERE producer = '{producer}' AND seq >= {oldest[0]['seq']}"
    counts = [
        rows_of(connections[owner], f"SELECT count(*) AS events {source}")
        for owner, source in ((producer, told), (reader, seen))
    ]
    if counts[0] == counts[1]:
        return []
    known = {row["msg_id"] for row in rows_of(connections[reader], f"SELECT msg_id::text {seen}")}
    aside = "SELECT headers->>'Nats-Msg-Id' AS msg_id FROM dead_letter"
    known |= {row["msg_id"] for row in rows_of(connections[reader], aside)}
    events = rows_of(connections[producer], f"SELECT seq, subject, msg_id::text {told}")
    return [row for row in events if row["msg_id"] not in known]


ACROSS: tuple[Across, ...] = (
    Across(
        name="every_event_was_taken_in",
        why="What one service tells, every reader acts on, or sets aside with a reason.",
        offenders=_events_never_taken_in,
    ),
    Across(
        name="accepted_volume_is_taken_volume",
        why="Volume accepted = volume taken from kegs + recorded shortfall.",
        offenders=_pours_that_no_keg_lost,
    ),
    Across(
        name="stock_shown_is_stock_there",
        why="Snapshot = sum of the inventory ledger = batches - open shortfalls.",
        offenders=_stock_that_differs,
    ),
    Across(
        name="no_lock_outlives_its_pour",
        why="A guest whose pour is booked may pour again.",
        offenders=_locks_that_outlive_their_pour,
    ),
    Across(
        name="no_hold_without_a_lock",
        why="Money is held only while a pour may come.",
        offenders=_holds_without_a_lock,
    ),
)
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
