"""`pourline dlq`: messages that could not be handled, listed, sent again or closed."""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import nats.errors
from nats.js.client import JetStreamContext
from psycopg import Connection

from pourline.kit.nats import connect
from pourline.kit.trust import SYSTEMS, Trust
from pourline.local import databases
from pourline.local.access import OPERATOR
from pourline.local.environment import WITH_DATABASE
from pourline.local.errors import OK, CommandError, MisuseError, UnavailableError
from pourline.local.paths import DataDir
from pourline.local.storage import reachable
from pourline.local.verify import Row, rows_of
from pourline.upkeep.letters import readable

LISTED_MAX = 1000
SHOWN_CHARACTERS = 200

REASON_CHARACTERS_MAX = 120
"""As over HTTP: a page of closed letters must fit a message of the bus."""
ACTOR = "command-line"
WAITING = "closed_at IS NULL"
CLOSED = "closed_at IS NOT NULL"
LETTERS = """
    SELECT id, consumer, subject, payload, headers, reason, deliveries, at,
        closed_at, closed_by, closed_because
    FROM dead_letter WHERE replayed_at IS NULL AND {which} ORDER BY id LIMIT {most}
"""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A dead letter and whose it is."""

    service: str
    row: Row


def run(arguments: argparse.Namespace) -> int:
    """List, replay or close the dead letters that wait, or one by its number."""
    if arguments.id is not None and not arguments.service:
        raise MisuseError("--id needs --service: each service numbers its own")
    if arguments.action == "close" and not (arguments.service and _is_reason(arguments.because)):
        raise MisuseError(
            f"close needs --service, and --because with a reason of 1 to {REASON_CHARACTERS_MAX}"
            " characters"
        )
    if arguments.because is not None and arguments.action != "close":
        raise MisuseError("--because is for close")
    if arguments.closed and arguments.action == "close":
        raise MisuseError("--closed is for list and replay")
    if arguments.service and arguments.service not in WITH_DATABASE:
        raise MisuseError(f"no dead letters of {arguments.service}")
    asyncio.run(_run(arguments))
    return OK


async def _run(arguments: argparse.Namespace) -> None:
    services = [arguments.service] if arguments.service else WITH_DATABASE
    async with reachable(DataDir(arguments.data_dir)) as surroundings:
        urls = {service: surroundings.database_url(service) for service in services}
        with databases.all_connected(urls) as connections:
            if arguments.action == "close":
                close(arguments.service, connections[arguments.service], arguments)
                return
            letters = found(connections, which=_which(arguments))
            if any(
                count >= LISTED_MAX for count in Counter(one.service for one in letters).values()
            ):
                print(f"the first {LISTED_MAX} of a service: there may be more", file=sys.stderr)
            if arguments.action == "list":
                for letter in letters:
                    print(described(letter))
                return
            if arguments.id is not None and not letters:
                raise CommandError(f"{arguments.service} has no letter {arguments.id} to replay")
            await replay(
                letters,
                connections,
                bus_url=surroundings.nats_url(OPERATOR),
                trust=surroundings.trust,
            )


def _is_reason(text: str | None) -> bool:
    return 1 <= len((text or "").strip()) <= REASON_CHARACTERS_MAX


def _which(arguments: argparse.Namespace) -> str:
    """Return which are meant: those that wait, or closed ones; one by its number is either."""
    if arguments.id is not None:
        return f"id = {arguments.id:d}"
    return CLOSED if arguments.closed else WAITING


def found(connections: Mapping[str, Connection], *, which: str) -> Sequence[Letter]:
    """Return the dead letters that were not replayed, oldest first within each service."""
    query = LETTERS.format(which=which, most=LISTED_MAX)
    return [
        Letter(service=service, row=row)
        for service, connection in connections.items()
        for row in rows_of(connection, query)
    ]


def close(service: str, connection: Connection, arguments: argparse.Namespace) -> None:
    """Let a service's letters wait no longer; they are kept, with who closed them and why."""
    closed = connection.execute(
        """
        UPDATE dead_letter
        SET closed_at = clock_timestamp(), closed_by = %(actor)s, closed_because = %(because)s
        WHERE replayed_at IS NULL AND closed_at IS NULL
          AND (%(id)s::numeric IS NULL OR id = %(id)s::numeric)
        RETURNING id
        """,
        {"actor": ACTOR, "because": arguments.because.strip(), "id": arguments.id},
    ).fetchall()
    if arguments.id is not None and not closed:
        raise CommandError(f"{service} has no letter {arguments.id} that waits")
    for (number,) in sorted(closed):
        print(f"closed {service} {number}")


async def replay(
    letters: Sequence[Letter],
    connections: Mapping[str, Connection],
    *,
    bus_url: str,
    trust: Trust = SYSTEMS,
) -> None:
    """Say each letter again on its subject, and note it once the bus has stored it."""
    try:
        bus = await connect(url=bus_url, name=OPERATOR, wait_for_server=False, trust=trust)
    except (OSError, nats.errors.Error) as error:
        raise UnavailableError(f"cannot connect to the bus: {error}") from error
    try:
        for letter in letters:
            await _publish(bus.jetstream(), letter)
            connections[letter.service].execute(
                "UPDATE dead_letter SET replayed_at = now() WHERE id = %s", (letter.row["id"],)
            )
            print(f"replayed {described(letter)}")
    finally:
        await bus.close()


async def _publish(jetstream: JetStreamContext, letter: Letter) -> None:
    """Publish without the bus's own message id, by which it would drop the repeat unseen.

    Who took the message in already knows it by the id in its body.
    """
    kept = letter.row["headers"]
    headers = {name: value for name, value in kept.items() if name != "Nats-Msg-Id"}
    try:
        await jetstream.publish(
            str(letter.row["subject"]), bytes(letter.row["payload"]), headers=headers or None
        )
    except (nats.errors.Error, TimeoutError) as error:
        raise UnavailableError(f"the bus did not take {described(letter)}: {error}") from error


def described(letter: Letter) -> str:
    """Return a letter in one line."""
    row = letter.row
    payload = readable(bytes(row["payload"]), SHOWN_CHARACTERS)
    closed = f"closed_by={row['closed_by']} because={row['closed_because']!r} "
    return (
        f"{letter.service} {row['id']} {row['at']:%Y-%m-%dT%H:%M:%SZ} {row['subject']} "
        f"deliveries={row['deliveries']} reason={row['reason']!r} "
        f"{closed if row['closed_at'] else ''}{payload}"
    )
