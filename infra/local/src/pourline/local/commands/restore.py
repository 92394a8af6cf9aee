"""`pourline restore`: an empty data directory becomes the bar that was backed up.

The bus starts empty: what was announced and not yet taken in is asked for again from the outboxes.
"""

import argparse
import asyncio
import os
import shutil
from pathlib import Path

from pourline.local import credentials
from pourline.local.commands.migrate import ensure_database
from pourline.local.environment import WITH_DATABASE, names_databases, snake
from pourline.local.errors import OK, MisuseError, UnavailableError
from pourline.local.paths import DataDir
from pourline.local.process import Command
from pourline.local.servers.postgres import binary, database_environment
from pourline.local.storage import reachable
from pourline.local.supervisor import run_once


def run(arguments: argparse.Namespace) -> int:
    """Refuse a folder that holds anything, then fill it; a failed restore leaves nothing."""
    source: Path = arguments.folder
    data_dir = DataDir(arguments.data_dir)
    _require_backup(source)
    if names_databases(os.environ):
        raise MisuseError("restore fills a data directory; unset DATABASE_URL")
    if data_dir.root.exists() and any(data_dir.root.iterdir()):
        raise UnavailableError(f"{data_dir.root} is not empty")
    data_dir.create()
    try:
        shutil.copy2(source / data_dir.secrets.name, data_dir.secrets)
        data_dir.secrets.chmod(0o600)
        asyncio.run(_restore(data_dir, source))
    except BaseException:
        shutil.rmtree(data_dir.root, ignore_errors=True)
        raise
    print(f"restored to {data_dir.root}")
    return OK


def _require_backup(source: Path) -> None:
    needed = ["secrets.json", *(f"{snake(service)}.dump" for service in WITH_DATABASE)]
    missing = [name for name in needed if not (source / name).is_file()]
    if missing:
        raise UnavailableError(f"{source} is no backup: it lacks {', '.join(missing)}")


async def _restore(data_dir: DataDir, source: Path) -> None:
    credentials.load_or_make(data_dir)
    async with reachable(data_dir, may_be_new=True) as surroundings:
        for service in WITH_DATABASE:
            ensure_database(data_dir, surroundings, service)
            argv = [str(binary("pg_restore")), "--no-password", "--exit-on-error"]
            argv += ["--single-transaction", f"--dbname={snake(service)}"]
            argv += [str((source / snake(service)).absolute()) + ".dump"]
            await run_once(
                Command(
                    name=f"restore of {service}",
                    argv=argv,
                    environment=database_environment(surroundings.owner_url(service), os.environ),
                    log=data_dir.log("restore"),
                )
            )
