"""`pourline migrate`: roles, databases and tables as this version needs them.

A process of its own, because what migrates a database is large and the supervisor lives long.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from functools import partial

from pourline.kit.trust import Trust
from pourline.local import databases
from pourline.local.access import OPERATOR
from pourline.local.bar import own_postgres
from pourline.local.bus import Bus
from pourline.local.environment import (
    WITH_DATABASE,
    Surroundings,
    database_setting,
    replicas,
    setting,
)
from pourline.local.errors import MisuseError, TooOldError
from pourline.local.paths import DataDir
from pourline.local.storage import reachable
from pourline.local.topology import apply_topology
from pourline.upkeep.migrations import upgrade
from pourline.upkeep.versions import TooNewError


def run(arguments: argparse.Namespace) -> int:
    """Migrate one service, or all that have a database."""
    service = arguments.service
    if service and service not in WITH_DATABASE:
        raise MisuseError(f"{service} has no database; these do: {', '.join(WITH_DATABASE)}")
    services = [service] if service else WITH_DATABASE
    asyncio.run(_migrate(DataDir(arguments.data_dir), services, declares=not service))
    return 0


async def _declare(url: str, trust: Trust, copies: int) -> None:
    """Declare streams and consumers on a bus that the environment names, once it takes them.

    A cluster that has just started chooses its leaders first.
    """
    async with Bus(url, topology=partial(apply_topology, replicas=copies), trust=trust):
        pass


async def _migrate(data_dir: DataDir, services: Sequence[str], *, declares: bool) -> None:
    async with reachable(data_dir, may_be_new=True) as surroundings:
        for service in services:
            ensure_database(data_dir, surroundings, service)
            bring_up_to_date(service, surroundings.owner_url(service))
        if declares and setting(surroundings.environ, "NATS_URL"):
            copies = replicas(surroundings.environ)
            await _declare(surroundings.nats_url(OPERATOR), surroundings.trust, copies)


def bring_up_to_date(service: str, url: str) -> None:
    """Migrate a service's database, and say in a line when it is newer than this version.

    Raises `TooOldError` when this version may not run on it.
    """
    try:
        newer = upgrade(service, url)
    except TooNewError as error:
        raise TooOldError(str(error)) from error
    if newer:
        print(f"pourline: {newer}", file=sys.stderr)


def ensure_database(data_dir: DataDir, surroundings: Surroundings, service: str) -> None:
    """Make a service's database if it is missing."""
    named = database_setting(surroundings.environ, service)
    if named:
        databases.ensure_named(named)
    elif surroundings.facts and surroundings.facts.postgres_port:
        port = surroundings.facts.postgres_port
        admin = own_postgres(data_dir, surroundings.secrets, port=port).url()
        databases.ensure_own(admin, service, surroundings.secrets)
