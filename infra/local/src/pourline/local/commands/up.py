"""`pourline up`."""

import argparse
import asyncio
import os

from pourline.local.bar import Options
from pourline.local.errors import MisuseError
from pourline.local.paths import DataDir
from pourline.local.ports import LOOPBACK
from pourline.local.strength import require_strong
from pourline.local.up import up

HTTP_PORT = "8080"
PORT_MAX = 65_535


def run(arguments: argparse.Namespace) -> int:
    """Run the bar until it is told to stop."""
    if not arguments.demo:
        require_strong(os.environ)
    http_port = arguments.http_port
    options = Options(
        data_dir=DataDir(arguments.data_dir),
        http_host=os.environ.get("HTTP_HOST") or LOOPBACK,
        http_port=_port(http_port if http_port is not None else os.environ.get("HTTP_PORT")),
        mqtt_host=os.environ.get("MQTT_HOST") or LOOPBACK,
        mqtt_port=_port(arguments.mqtt_port),
        nats_port=_port(arguments.nats_port),
        demo=arguments.demo,
    )
    return asyncio.run(up(options, dict(os.environ)))


def _port(told: int | str | None) -> int:
    """Return the port that somebody told, 0 for any free one; raises MisuseError."""
    text = str(told or HTTP_PORT) if told != 0 else "0"
    if not text.isascii() or not text.isdecimal() or int(text) > PORT_MAX:
        raise MisuseError(f"{text} is no port")
    return int(text)
