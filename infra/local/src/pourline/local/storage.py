"""Reaching the databases of a data directory, whether or not its bar runs."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from pourline.local import credentials
from pourline.local.bar import own_postgres
from pourline.local.environment import Surroundings, names_databases
from pourline.local.errors import UnavailableError
from pourline.local.paths import DataDir, RunFacts

NOTHING_RUNS = RunFacts(
    pid=0, http_host="", http_port=0, http_url="", mqtt_url=None, nats_url=None, postgres_port=None
)


@asynccontextmanager
async def reachable(data_dir: DataDir, *, may_be_new: bool = False) -> AsyncIterator[Surroundings]:
    """Give surroundings whose databases answer.

    Those of the environment or of the running bar; else the data directory's own PostgreSQL runs
    for as long as the context is open, and nobody else may start a bar there meanwhile. Raises
    UnavailableError where there was never a bar, unless the directory `may_be_new`.
    """
    is_elsewhere = data_dir.facts() or names_databases(os.environ)
    if not (may_be_new or is_elsewhere or data_dir.postgres.exists()):
        raise UnavailableError(f"there is no bar in {data_dir.root}")
    secrets = credentials.load_or_make(data_dir)
    surroundings = Surroundings(environ=dict(os.environ), secrets=secrets, facts=data_dir.facts())
    if is_elsewhere:
        yield surroundings
        return
    with data_dir.claimed():
        server = own_postgres(data_dir, secrets)
        await server.start()
        try:
            facts = replace(NOTHING_RUNS, postgres_port=server.port)
            yield replace(surroundings, facts=facts)
        finally:
            await server.stop()
