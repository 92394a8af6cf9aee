"""`pourline serve`: one service in this process, with the environment of its data directory."""

import argparse
import os
from collections.abc import Mapping
from importlib import import_module

from pourline.contracts.topology import BRIDGE, SERVICES
from pourline.local import credentials
from pourline.local.environment import Surroundings, snake
from pourline.local.errors import MisuseError
from pourline.local.paths import DataDir


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
    given = surroundings.of_service(service)
    _forget_other_databases(given)
    os.environ.update(given)
    return int(import_module(f"pourline.{snake(service)}.__main__").main())


def _forget_other_databases(given: Mapping[str, str]) -> None:
    """Take every database address out of the environment that this service was not given."""
    for name in tuple(os.environ):
        if name.startswith("DATABASE_URL") and name not in given:
            del os.environ[name]
