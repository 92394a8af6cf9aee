"""`pourline verify`: every statement that must hold on the stored data, and what breaks it."""

import argparse
import asyncio
import time
from collections.abc import Sequence

from pourline.local import databases
from pourline.local.environment import WITH_DATABASE
from pourline.local.errors import CHECK_FAILED, OK
from pourline.local.paths import DataDir
from pourline.local.storage import reachable
from pourline.local.verify import Broken, broken, count

SETTLE_WITHIN_S = 30.0
"""How long a running bar may take to finish what it has in hand."""

LOOK_AGAIN_S = 1.0
ROWS_SHOWN = 10


def run(arguments: argparse.Namespace) -> int:
    """Print what is broken; 1 if anything is."""
    found = asyncio.run(_verify(DataDir(arguments.data_dir)))
    for finding in found:
        _tell(finding)
    if found:
        return CHECK_FAILED
    print(f"{count()} invariants hold")
    return OK


async def _verify(data_dir: DataDir) -> Sequence[Broken]:
    async with reachable(data_dir) as surroundings:
        urls = {service: surroundings.database_url(service) for service in WITH_DATABASE}
        running = surroundings.facts is not None and surroundings.facts.pid != 0
        deadline = time.monotonic() + (SETTLE_WITHIN_S if running else 0.0)
        while True:
            with databases.all_connected(urls) as connections:
                found = broken(connections)
            if not found or time.monotonic() > deadline:
                return found
            await asyncio.sleep(LOOK_AGAIN_S)


def _tell(finding: Broken) -> None:
    print(f"BROKEN {finding.where}: {finding.name} ({finding.why})")
    for row in finding.rows[:ROWS_SHOWN]:
        print(f"  {row}")
    if len(finding.rows) > ROWS_SHOWN:
        print(f"  and {len(finding.rows) - ROWS_SHOWN} more")
