"""`pourline serve`: one service in this process, with the environment of its data directory."""

import argparse
import os
from importlib import import_module

from pourline.contracts.topology import SERVICES
from pourline.local import credentials
from pourline.local.environment import Surroundings, snake
from pourline.local.errors import MisuseError
from pourline.local.paths import DataDir


def run(arguments: argparse.Namespace) -> int:
    """Become the service; what the environment says already is left as it is."""
    service = arguments.service
    if service not in SERVICES:
        raise MisuseError(f"no service {service}; there are {', '.join(SERVICES)}")
    data_dir = DataDir(arguments.data_dir)
    surroundings = Surroundings(
        environ=dict(os.environ),
        secrets=credentials.load_or_make(data_dir),
        facts=data_dir.facts(),
    )
    os.environ.update(surroundings.of_service(service))
    return int(import_module(f"pourline.{snake(service)}.__main__").main())
