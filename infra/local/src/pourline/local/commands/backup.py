"""`pourline backup`: a snapshot of every database, and the secrets, in one folder."""

import argparse
import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg

from pourline.local.environment import WITH_DATABASE, Surroundings, snake
from pourline.local.errors import OK, UnavailableError
from pourline.local.paths import DataDir
from pourline.local.process import Command
from pourline.local.servers.postgres import binary, database_environment
from pourline.local.storage import reachable
from pourline.local.supervisor import run_once

NOTE = "backup.json"
"""In the folder: when it was made, and by which version."""
TOGETHER_WITHIN_S = 0.02
"""An event takes longer from one service's commit over the bus to another's: so close, no
database's snapshot holds the effect of what another's does not hold."""
TRIES_MAX = 50
PAUSE_MAX_S = 0.5
"""Between two tries, longer and longer: a machine that is busy now is not in ten seconds."""


def run(arguments: argparse.Namespace) -> int:
    """Save into a folder that is new or empty; complete or not there at all."""
    folder: Path = arguments.folder.absolute()
    if folder.exists() and any(folder.iterdir()):
        raise UnavailableError(f"{folder} is not empty")
    draft = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    data_dir = DataDir(arguments.data_dir)
    try:
        note = asyncio.run(_save(data_dir, draft))
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _remember(data_dir, note)
    print(f"saved to {folder}")
    return OK


async def _save(data_dir: DataDir, folder: Path) -> dict[str, object]:
    """Dump each database from its snapshot; return what is noted of the backup.

    Dumped as the owner: the runtime role may not read everything a dump needs.
    """
    began_s = time.monotonic()
    async with reachable(data_dir) as surroundings, _snapshots(surroundings) as taken:
        made_at, snapshots, apart_s = taken
        for service in WITH_DATABASE:
            argv = [str(binary("pg_dump")), "--format=custom", "--no-password"]
            argv += [f"--snapshot={snapshots[service]}", f"--file={folder / snake(service)}.dump"]
            await run_once(
                Command(
                    name=f"backup of {service}",
                    argv=argv,
                    environment=database_environment(surroundings.owner_url(service), os.environ),
                    log=data_dir.log("backup"),
                )
            )
    shutil.copy2(data_dir.secrets, folder / data_dir.secrets.name)
    note: dict[str, object] = {
        "made_at": made_at.isoformat(timespec="milliseconds"),
        "made_at_s": made_at.timestamp(),
        "version": version("pourline-kit"),
        "took_s": round(time.monotonic() - began_s, 3),
        "snapshots_apart_ms": round(apart_s * 1000, 1),
    }
    (folder / NOTE).write_text(json.dumps(note, indent=2))
    return note


@asynccontextmanager
async def _snapshots(
    surroundings: Surroundings,
) -> AsyncIterator[tuple[datetime, Mapping[str, str], float]]:
    """Hold a snapshot of every database, all taken at once; yield when, their names, how far apart.

    Taken one after another, a service would know events that their restored producer never told.
    Events bridge the rest: what was told and not yet taken in is asked for again.
    """
    async with AsyncExitStack() as open_ones:
        connections = {
            service: await open_ones.enter_async_context(
                await psycopg.AsyncConnection.connect(
                    surroundings.owner_url(service),
                    autocommit=True,
                    connect_timeout=5,
                    options="-c idle_in_transaction_session_timeout=0",
                )
            )
            for service in WITH_DATABASE
        }
        for number in range(TRIES_MAX):
            made_at, began_s = datetime.now(UTC), time.monotonic()
            names = await asyncio.gather(*(_snapshot(one) for one in connections.values()))
            apart_s = time.monotonic() - began_s
            if apart_s <= TOGETHER_WITHIN_S:
                break
            for one in connections.values():
                await one.execute("ROLLBACK")
            await asyncio.sleep(min(number * TOGETHER_WITHIN_S, PAUSE_MAX_S))
        else:
            raise UnavailableError("the databases are too busy to be read at one moment; try again")
        yield made_at, dict(zip(connections, names, strict=True)), apart_s


async def _snapshot(connection: psycopg.AsyncConnection) -> str:
    """Begin a transaction that keeps what it sees now, and return the snapshot's name."""
    async with connection.pipeline():
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = await (await connection.execute("SELECT pg_export_snapshot()")).fetchone()
    if row is None:
        raise UnavailableError("the database exports no snapshot")
    return str(row[0])


def _remember(data_dir: DataDir, note: Mapping[str, object]) -> None:
    """Leave word of the backup with the bar, where there is a folder of its own."""
    draft = data_dir.backup_note.with_suffix(".new")
    draft.write_text(json.dumps(note))
    draft.replace(data_dir.backup_note)
