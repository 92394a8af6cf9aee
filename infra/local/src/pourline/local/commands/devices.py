"""`pourline controller` and `pourline simulate`: the other side of the wire, another package."""

import argparse
import os
from importlib import import_module

from pourline.local import credentials
from pourline.local.commands.bearer import mint
from pourline.local.environment import Surroundings
from pourline.local.paths import DataDir
from pourline.local.tls import variables

OWNER_LEVEL = 5
NAMES = {"controller": "run", "simulate": "simulate"}


def run(arguments: argparse.Namespace) -> int:
    """Hand the remaining arguments on, with the way to the bar in the environment.

    `controller run …` is what the package itself is told; here the word may be left out.
    """
    data_dir = DataDir(arguments.data_dir)
    for name, value in _way_to_the_bar(data_dir).items():
        os.environ.setdefault(name, value)
    main = import_module("pourline.controller.__main__").main
    name, rest = NAMES[arguments.command], arguments.rest
    return int(main([name, *(rest[1:] if rest[:1] == [name] else rest)]) or 0)


def _way_to_the_bar(data_dir: DataDir) -> dict[str, str]:
    """Return what a device's program needs; a token only beside a bar of this machine."""
    way = {"POURLINE_DATA_DIR": str(data_dir.root)}
    facts = data_dir.facts()
    if facts is None:
        return way
    surroundings = Surroundings(
        environ=dict(os.environ), secrets=credentials.load_or_make(data_dir), facts=facts
    )
    way["POURLINE_HTTP_URL"] = facts.http_url
    way["POURLINE_TOKEN"] = mint(key=surroundings.token_key, subject="demo", level=OWNER_LEVEL)
    if facts.foreign_mqtt_url or facts.mqtt_url:
        way["POURLINE_MQTT_URL"] = facts.foreign_mqtt_url or facts.mqtt_url or ""
    elif os.environ.get("MQTT_URL"):
        way["POURLINE_MQTT_URL"] = os.environ["MQTT_URL"]
    if not facts.foreign_mqtt_url:
        way |= variables(os.environ, own=surroundings.owns_bus)
    return way
