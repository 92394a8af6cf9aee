"""`pourline migrate`: roles, databases and tables as this version needs them.

A process of its own, because what migrates a database is large and the supervisor lives long.
"""

import argparse
import asyncio
from collections.abc import Sequence

from pourline.kit.migrations import upgrade
from pourline.kit.nats import connect
from pourline.local import databases
from pourline.local.access import OPERATOR
from pourline.local.bar import own_postgres
from pourline.local.environment import (
    WITH_DATABASE,
    Surroundings,
    database_setting,
    setting,
)
from pourline.local.errors import MisuseError
from pourline.local.paths import DataDir
from pourline.local.storage import reachable
from pourline.local.topology import apply_topology


def run(arguments: argparse.Namespace) -> int:
    """Migrate one service, or all that have a database."""
    service = arguments.service
    if service and service not in WITH_DATABASE:
        raise MisuseError(f"{service} has no database; these do: {', '.join(WITH_DATABASE)}")
    services = [service] if service else WITH_DATABASE
    asyncio.run(_migrate(DataDir(arguments.data_dir), services, declares=not service))
    return 0


async def _declare(url: str) -> None:
    """Declare streams and consumers on a bus that the environment names."""
    bus = await connect(url=url, name=OPERATOR, wait_for_server=False)
    await apply_topology(bus)
    await bus.close()


async def _migrate(data_dir: DataDir, services: Sequence[str], *, declares: bool) -> None:
    async with reachable(data_dir) as surroundings:
        for service in services:
            ensure_database(data_dir, surroundings, service)
            upgrade(service, surroundings.owner_url(service))
        if declares and setting(surroundings.environ, "NATS_URL"):
            await _declare(surroundings.nats_url(OPERATOR))


def ensure_database(data_dir: DataDir, surroundings: Surroundings, service: str) -> None:
    """Make a service's database if it is missing."""
    named = database_setting(surroundings.environ, service)
    if named:
        databases.ensure_named(named)
    elif surroundings.facts and surroundings.facts.postgres_port:
        port = surroundings.facts.postgres_port
        admin = own_postgres(data_dir, surroundings.secrets, port=port).url()
        databases.ensure_own(admin, service, surroundings.secrets)
