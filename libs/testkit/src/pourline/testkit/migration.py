"""Write a service's next migration from its tables: `python -m pourline.testkit.migration`."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command

from pourline.local.servers import PostgresServer
from pourline.upkeep import migrations


async def _write(service: str, message: str, revision: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder), password="draft", settings={"fsync": "off"})
        await server.start()
        try:
            url = server.url()
            await asyncio.to_thread(migrations.upgrade, service, url)
            config = migrations.configuration(service, url)
            await asyncio.to_thread(
                command.revision, config, message=message, autogenerate=True, rev_id=revision
            )
        finally:
            await server.stop()


def main() -> int:
    """Write the migration; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service")
    parser.add_argument("revision", help="four digits, the next number")
    parser.add_argument("message")
    arguments = parser.parse_args()
    asyncio.run(_write(arguments.service, arguments.message, arguments.revision))
    return 0


if __name__ == "__main__":
    sys.exit(main())
