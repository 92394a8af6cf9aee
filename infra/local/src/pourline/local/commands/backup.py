"""`pourline backup`: a snapshot of every database, and the secrets, in one folder."""

import argparse
import asyncio
import os
import shutil
from pathlib import Path

from pourline.local.environment import WITH_DATABASE, snake
from pourline.local.errors import OK, UnavailableError
from pourline.local.paths import DataDir
from pourline.local.process import Command
from pourline.local.servers.postgres import binary, database_environment
from pourline.local.storage import reachable
from pourline.local.supervisor import run_once


def run(arguments: argparse.Namespace) -> int:
    """Save into a folder that is new or empty; complete or not there at all."""
    folder: Path = arguments.folder.absolute()
    if folder.exists() and any(folder.iterdir()):
        raise UnavailableError(f"{folder} is not empty")
    draft = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    try:
        asyncio.run(_save(DataDir(arguments.data_dir), draft))
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    print(f"saved to {folder}")
    return OK


async def _save(data_dir: DataDir, folder: Path) -> None:
    """Dump each database from one snapshot of it; events bridge the moments between them.

    Dumped as the owner: the runtime role may not read everything a dump needs.
    """
    async with reachable(data_dir) as surroundings:
        for service in WITH_DATABASE:
            argv = [str(binary("pg_dump")), "--format=custom", "--no-password"]
            argv += [f"--file={folder / snake(service)}.dump"]
            await run_once(
                Command(
                    name=f"backup of {service}",
                    argv=argv,
                    environment=database_environment(surroundings.owner_url(service), os.environ),
                    log=data_dir.log("backup"),
                )
            )
    shutil.copy2(data_dir.secrets, folder / data_dir.secrets.name)
