"""`pourline controller run …` and `pourline simulate …`: the device's command line."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pourline.controller import logs
from pourline.controller.app import run_tap, until_signal
from pourline.controller.configuration import TapFile
from pourline.controller.demo import run_demo
from pourline.controller.hardware import PartMissingError
from pourline.controller.link import Broker
from pourline.controller.settings import (
    BarAddress,
    TapConfig,
    checked_id,
    checked_sync_timeout_s,
)
from pourline.controller.simulator.bar import Refused, Unreachable
from pourline.controller.simulator.evening import Pace
from pourline.controller.simulator.simulation import Simulation, simulate
from pourline.controller.simulator.training import Training, train

POURS = 100
UNAVAILABLE = 69
"""As sysexits(3) has it: a part that is needed is not there."""

T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; 0 done, 1 a pour without a status or a refusal, 2 misuse, 69 no bar."""
    parser = _parser()
    options = parser.parse_args(argv)
    logs.set_up(options.log_level)
    work = _run_tap if options.command == "run" else _simulate
    try:
        return work(options)
    except Refused as error:
        print(f"the bar refused {error}", file=sys.stderr)
        return 1
    except Unreachable as error:
        print(f"the bar {error}", file=sys.stderr)
        return UNAVAILABLE
    except (ValueError, OSError, PartMissingError) as error:
        parser.error(str(error))


def _run_tap(options: argparse.Namespace) -> int:
    """Run a tap; what the command line says goes before what its file says."""
    told = TapFile.read(options.config) if options.config else TapFile()
    tap, mqtt, store = options.tap or told.tap, options.mqtt or told.mqtt, options.store
    secret_file: Path | None = options.secret_file or told.secret_file
    if options.secret is None and secret_file is None:
        raise ValueError("the tap's secret is missing: --secret, --secret-file or the file")
    broker = Broker.parse(_needed(mqtt, "--mqtt"))
    config = TapConfig(
        tap_id=checked_id(_needed(tap, "--tap")),
        secret=options.secret or _needed(secret_file, "--secret-file").read_text().strip(),
        broker=replace(broker, trust=told.trust.beside(broker.trust)),
        location=checked_id(options.location or told.location or "main"),
        rules=told.rules,
        overdue_s=options.sync_timeout or told.sync_timeout_s,
    )
    store_path = _needed(store or told.store, "--store")
    return asyncio.run(until_signal(run_tap(config, store_path=store_path, parts=told.parts)))


def _needed(value: T | None, name: str) -> T:
    if value is None:
        raise ValueError(f"{name} is missing, on the command line and in the file")
    return value


def _simulate(options: argparse.Namespace) -> int:
    address = BarAddress.from_environment()
    address = replace(
        address,
        http_url=options.http or address.http_url,
        mqtt_url=options.mqtt or address.mqtt_url,
        token=options.token or address.token,
    )
    if options.demo:
        return asyncio.run(until_signal(run_demo(address)))
    if options.minutes:
        training = Training(
            seed=options.seed,
            minutes=options.minutes,
            speed=options.speed,
            taps=options.taps or Training.taps,
            guests=options.guests or Training.guests,
        )
        return asyncio.run(until_signal(train(training, address)))
    pours = options.pours if options.pours or options.seconds else POURS
    simulation = Simulation(
        taps=options.taps or Simulation.taps,
        guests=options.guests or Simulation.guests,
        pace=Pace(pours=pours, seconds=options.seconds, per_second=options.rate),
        speed=options.speed,
        seed=options.seed,
    )
    return asyncio.run(until_signal(simulate(simulation, address)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pourline controller", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="the reference controller of one tap")
    run.add_argument("--config", type=Path, help="a file with what this tap is: docs/hardware.md")
    run.add_argument("--tap", help="the tap's id")
    secret = run.add_mutually_exclusive_group()
    secret.add_argument("--secret", help="the tap's secret")
    secret.add_argument("--secret-file", type=Path, help="a file with the secret")
    run.add_argument("--mqtt", help="mqtt://host:port or mqtts://host:port")
    run.add_argument("--store", type=Path, help="the file for grants and pours")
    run.add_argument("--location", help="default main")
    run.add_argument(
        "--sync-timeout",
        type=_sync_timeout,
        metavar="S",
        help="seconds, 60 to 300, until staff are shown a pour without an answer; else the bar's",
    )
    _add_simulate(commands.add_parser("simulate", help="simulated taps and guests"))
    for command in commands.choices.values():
        command.add_argument("--log-level", default="warning")
    return parser


def _add_simulate(command: argparse.ArgumentParser) -> None:
    command.add_argument("--taps", type=_positive)
    command.add_argument("--guests", type=_positive)
    command.add_argument("--pours", type=_positive, help=f"{POURS} unless --seconds is given")
    command.add_argument("--seconds", type=float)
    command.add_argument(
        "--minutes",
        type=_positive,
        help="a planned evening of so many minutes instead: arrivals, groups, foam, a lost card, "
        "a dead link, an empty keg, a leak",
    )
    command.add_argument("--rate", type=float, default=2.0, help="guests served a second")
    command.add_argument(
        "--speed",
        type=_positive,
        default=10,
        help="how fast the beer runs, and a planned evening passes",
    )
    command.add_argument("--seed", type=int, default=1, help="of the guests' choices")
    command.add_argument("--http", help="default POURLINE_HTTP_URL")
    command.add_argument("--mqtt", help="default POURLINE_MQTT_URL")
    command.add_argument("--token", help="default POURLINE_TOKEN")
    command.add_argument("--demo", action="store_true", help="seed a bar and live in it")


def _sync_timeout(text: str) -> float:
    return checked_sync_timeout_s(float(text))


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
