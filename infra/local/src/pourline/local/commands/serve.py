"""`pourline serve`: one service in this process, with the environment of its data directory."""

import argparse
import os
import sys
from collections.abc import Mapping
from importlib import import_module

from pourline.contracts.topology import BRIDGE, SERVICES
from pourline.local import credentials
from pourline.local.environment import Surroundings, snake
from pourline.local.errors import MisuseError, TooOldError
from pourline.local.paths import DataDir
from pourline.local.strength import require_strong
from pourline.upkeep.versions import newer


def run(arguments: argparse.Namespace) -> int:
    """Become the service; what the environment says already is left as it is."""
    service = arguments.service
    known = (*SERVICES, BRIDGE)
    if service not in known:
        raise MisuseError(f"no service {service}; there are {', '.join(known)}")
    data_dir = DataDir(arguments.data_dir)
    surroundings = Surroundings(
        environ=dict(os.environ),
        secrets=credentials.load_or_make(data_dir),
        facts=data_dir.facts(),
    )
    if surroundings.facts is None:  # else `up` has looked already, or is a demo
        require_strong(os.environ)
    given = surroundings.of_service(service)
    if "DATABASE_URL" in given:
        _require_fit(service, given["DATABASE_URL"])
    _forget_other_databases(given)
    os.environ.update(given)
    os.environ.setdefault("BACKUP_NOTE", str(data_dir.backup_note))
    return int(import_module(f"pourline.{snake(service)}.__main__").main())


def _require_fit(service: str, url: str) -> None:
    """Say when the database is newer than this version; raises `TooOldError` if too new for it."""
    if found := newer(service, url):
        if not found.is_fit:
            raise TooOldError(str(found))
        print(f"pourline: {found}", file=sys.stderr)


def _forget_other_databases(given: Mapping[str, str]) -> None:
    """Take every database address out of the environment that this service was not given."""
    for name in tuple(os.environ):
        if name.startswith("DATABASE_URL") and name not in given:
            del os.environ[name]
