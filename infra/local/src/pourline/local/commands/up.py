"""`pourline up`."""

import argparse
import asyncio
import os

from pourline.local.bar import Options
from pourline.local.errors import MisuseError
from pourline.local.paths import DataDir
from pourline.local.ports import LOOPBACK
from pourline.local.up import up

HTTP_PORT = "8080"


def run(arguments: argparse.Namespace) -> int:
    """Run the bar until it is told to stop."""
    http_port = arguments.http_port
    options = Options(
        data_dir=DataDir(arguments.data_dir),
        http_host=os.environ.get("HTTP_HOST") or LOOPBACK,
        http_port=_port(os.environ.get("HTTP_PORT") or HTTP_PORT)
        if http_port is None
        else http_port,
        mqtt_host=os.environ.get("MQTT_HOST") or LOOPBACK,
        mqtt_port=arguments.mqtt_port,
        nats_port=arguments.nats_port,
        demo=arguments.demo,
    )
    return asyncio.run(up(options, dict(os.environ)))


def _port(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise MisuseError(f"{text} is no port") from error
