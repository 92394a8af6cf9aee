"""The command line: what may be typed. Each command is loaded only when it is asked for.

A service is started through this module too, so nothing heavy is imported here.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from pourline.local.errors import MisuseError

EPILOG = """\
exit codes: 0 fine; 1 a check failed; 2 wrong use; 69 a part is unavailable (a port in use, a data
directory that is locked or cannot be written, a server that does not start); 78 a newer version
changed a database so that this one may not run on it
"""

DATA_DIR_DEFAULT = Path(".pourline")


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument as argparse takes it."""

    names: tuple[str, ...]
    options: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Subcommand:
    """One command: what it is for, what it takes, and the module that does it."""

    help: str
    module: str
    arguments: tuple[Argument, ...] = ()


def _argument(*names: str, **options: object) -> Argument:
    return Argument(names=names, options=options)


COMMANDS = {
    "up": Subcommand(
        help="run the whole bar on this machine until Ctrl-C",
        module="up",
        arguments=(
            _argument("--demo", action="store_true", help="seed a bar and let guests drink"),
            _argument("--http-port", type=int, help="console and API (HTTP_PORT, else 8080)"),
            _argument("--mqtt-port", type=int, default=1883, help="devices (default 1883)"),
            _argument("--nats-port", type=int, default=4222, help="bus (default 4222)"),
        ),
    ),
    "serve": Subcommand(
        help="run one service in the foreground",
        module="serve",
        arguments=(_argument("service", metavar="SERVICE"),),
    ),
    "migrate": Subcommand(
        help="bring databases up to date",
        module="migrate",
        arguments=(_argument("service", nargs="?", metavar="SERVICE"),),
    ),
    "token": Subcommand(
        help="print a bearer token",
        module="bearer",
        arguments=(
            _argument("--level", type=int, required=True, choices=range(1, 6)),
            _argument("--subject", default="command-line", metavar="NAME"),
        ),
    ),
    "ca": Subcommand(
        help="make a bar's own certificate authority, and certificates signed by it",
        module="authority",
        arguments=(
            _argument("--dir", type=Path, required=True, help="where they lie, ca.key too"),
            _argument("--host", nargs="+", metavar="NAME", help="names and addresses of the bar"),
            _argument("--client", nargs="+", metavar="NAME", help="clients, renewed if known"),
        ),
    ),
    "controller": Subcommand(help="run the reference tap controller", module="devices"),
    "simulate": Subcommand(help="run simulated guests and devices", module="devices"),
    "verify": Subcommand(help="check every invariant on the stored data", module="verify"),
    "dlq": Subcommand(
        help="list dead letters, send them again, or close them",
        module="dead_letters",
        arguments=(
            _argument("action", choices=("list", "replay", "close")),
            _argument("--service", help="those of one service only"),
            _argument("--id", type=int, help="one of them only (with --service)"),
            _argument("--closed", action="store_true", help="those that were closed"),
            _argument("--because", metavar="REASON", help="why nobody handles them (with close)"),
        ),
    ),
    "backup": Subcommand(
        help="save databases and secrets into a new folder",
        module="backup",
        arguments=(_argument("folder", type=Path, metavar="DIR"),),
    ),
    "restore": Subcommand(
        help="fill an empty data directory from a backup",
        module="restore",
        arguments=(_argument("folder", type=Path, metavar="DIR"),),
    ),
}

FORWARDING = frozenset({"controller", "simulate"})
"""Their own arguments are another package's affair."""


def run(argv: Sequence[str]) -> int:
    """Parse the arguments, load the command and run it."""
    arguments, rest = parser().parse_known_args(argv)
    if rest and arguments.command not in FORWARDING:
        raise MisuseError(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    module = import_module(f"pourline.local.commands.{COMMANDS[arguments.command].module}")
    return int(module.run(arguments))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="pourline",
        description="Pourline, the open bar-operations platform.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, subcommand in COMMANDS.items():
        one = commands.add_parser(
            name,
            help=subcommand.help,
            description=subcommand.help,
            allow_abbrev=False,
            add_help=name not in FORWARDING,
        )
        one.add_argument("--data-dir", type=Path, default=_data_dir_default(), metavar="DIR")
        for argument in subcommand.arguments:
            one.add_argument(*argument.names, **argument.options)  # type: ignore[arg-type]
    return whole


def _data_dir_default() -> Path:
    return Path(os.environ.get("POURLINE_DATA_DIR") or DATA_DIR_DEFAULT)
