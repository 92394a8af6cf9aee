"""`pourline dlq`: messages that could not be handled, listed and sent again."""

import argparse
import asyncio
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
from pourline.local.errors import OK, MisuseError, UnavailableError
from pourline.local.paths import DataDir
from pourline.local.storage import reachable
from pourline.local.verify import Row, rows_of
from pourline.upkeep.letters import readable

LISTED_MAX = 1000
SHOWN_CHARACTERS = 200

WAITING = f"""
    SELECT id, consumer, subject, payload, headers, reason, deliveries, at
    FROM dead_letter WHERE replayed_at IS NULL ORDER BY id LIMIT {LISTED_MAX}
"""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A dead letter and whose it is."""

    service: str
    row: Row


def run(arguments: argparse.Namespace) -> int:
    """List or replay the dead letters that were not replayed yet."""
    if arguments.id is not None and not arguments.service:
        raise MisuseError("--id needs --service: each service numbers its own")
    if arguments.service and arguments.service not in WITH_DATABASE:
        raise MisuseError(f"no dead letters of {arguments.service}")
    asyncio.run(_run(arguments))
    return OK


async def _run(arguments: argparse.Namespace) -> None:
    services = [arguments.service] if arguments.service else WITH_DATABASE
    async with reachable(DataDir(arguments.data_dir)) as surroundings:
        urls = {service: surroundings.database_url(service) for service in services}
        with databases.all_connected(urls) as connections:
            letters = waiting(connections, only=arguments.id)
            if arguments.action == "list":
                for letter in letters:
                    print(described(letter))
                return
            await replay(
                letters,
                connections,
                bus_url=surroundings.nats_url(OPERATOR),
                trust=surroundings.trust,
            )


def waiting(connections: Mapping[str, Connection], *, only: int | None) -> Sequence[Letter]:
    """Return the dead letters that were not replayed, oldest first within each service."""
    return [
        Letter(service=service, row=row)
        for service, connection in connections.items()
        for row in rows_of(connection, WAITING)
        if only in (None, row["id"])
    ]


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
    return (
        f"{letter.service} {row['id']} {row['at']:%Y-%m-%dT%H:%M:%SZ} {row['subject']} "
        f"deliveries={row['deliveries']} reason={row['reason']!r} {payload}"
    )
