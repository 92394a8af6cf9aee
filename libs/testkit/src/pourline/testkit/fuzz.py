"""Every parser that strangers reach, and what it may say to nonsense: no, in its own words.

`python -m pourline.testkit.fuzz --seconds 60` searches with atheris (libFuzzer) and coverage;
without its wheel with `mutations`, which knows no coverage. A finding is printed with its bytes.
"""

import argparse
import csv
import io
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import orjson
from pydantic import ValidationError

from pourline.console.api.bodies import UnreadableBodyError, fields_of, wire
from pourline.console.api.gateway import device_named_in
from pourline.console.api.shapes import FORMULA, sheet
from pourline.contracts import cards
from pourline.contracts.device import AuthorizeRequest, SpoutHealth, TapStatus
from pourline.contracts.limits import LimitProfile
from pourline.contracts.spouts import InstantAt, PulsesAt, SpoutMap, TimeFormat
from pourline.contracts.taps import SpoutKeys
from pourline.controller import payloads
from pourline.keg_fifo.errors import UnreadablePour
from pourline.keg_fifo.handlers import reports
from pourline.keg_fifo.handlers.vendors import generic
from pourline.kit.nats import Message
from pourline.ledger.devices import decode

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DEVICE = "0199c0de-0000-7000-8000-000000000000"
KEYS = SpoutKeys(device_id=DEVICE, vendor="SANDBOX", location="main", active=True, secrets=["s"])
MAP = SpoutMap(
    pulses=PulsesAt(path="d.0.ml", scale=Decimal(1000)),
    event_id="id",
    occurred_at=InstantAt(path="t", format=TimeFormat.EPOCH_MS),
    channel="c",
)
INPUT_BYTES_MAX = 16 * 1024
"""Twice what a device may say."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A parser, what it raises for nonsense, and examples to begin with."""

    read: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...]
    seeds: Sequence[bytes]

    def try_out(self, data: bytes) -> None:
        """Read `data`; raises whatever the parser must not raise."""
        try:
            self.read(data)
        except self.refuses:
            return


def _pour(data: bytes) -> object:
    return decode(_message("bar.main.tap.p1.pour", data))


def _spout(data: bytes) -> object:
    fields = reports.fields_of(data)
    pour = reports.parse(fields)
    reports.signed_text(DEVICE, pour, fields.get("occurred_at", ""))
    return reports.report_of(pour, KEYS, NOON)


def _vendor(data: bytes) -> object:
    reading = generic.normal(reports.fields_of(data), where=MAP)
    return reports.report_of(reports.parse(reading.fields), KEYS, NOON)


def _body(data: bytes) -> object:
    return wire(fields_of(data))


def _card(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    for profile in cards.READER_PROFILES:
        with_uid = cards.canonical_uid(text, profile)
        cards.aliases(with_uid)
    return text


def _sheet(data: bytes) -> object:
    text = data.decode("utf-8", "replace").replace("\0", "")
    written = sheet(orjson.dumps({"items": [{"name": text}, {"name": [text]}]}), ("name",))
    for row in csv.reader(io.StringIO(written, newline="")):
        if any(cell.startswith(FORMULA) for cell in row):
            raise AssertionError(f"a formula: {row}")
    return written


def _message(subject: str, data: bytes) -> Message:
    return Message(
        subject=subject, data=data, headers={}, received_at=NOON, sequence=1, deliveries=1
    )


POUR = b'{"client_tx_id":"a","short_id":"000001","volume_ml":300.5,"duration_ms":1,"age_ms":0}'
SPOUT = b'{"pulses":12,"occurred_at":"2026-05-04T12:00:00Z","channel":1,"age_ms":5,"signature":"0"}'
NASTY = (
    b"",
    b"null",
    b"[" * 100_000,
    b'{"x":' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"event_id":"a","pulses":1,"x":' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"volume_ml":1.00000000000000000e99999999999999999999}',
    POUR[:-1] + b',"x":1.00000000000000000e99999999999999999999}',
    POUR[:-1] + b',"x":1.00000000000000000e-99999999999999999999}',
    POUR[:-1] + b',"x":' + b"9" * 5000 + b"}",
    b'{"volume_ml":NaN,"pulses":-Infinity}',
    b'{"client_tx_id":"\xff\xfe"}',
    b'{"client_tx_id":"\\ud800","event_id":"\\udfff"}',
    b'{"client_tx_id":"a","client_tx_id":"b"}',
    b'{"client_tx_id":"a\\u0000"}',
    POUR[:40],
)
TARGETS = {
    "pour": Target(read=_pour, refuses=(), seeds=[POUR, POUR[:-1] + b',"started_at":"x"}']),
    "spout": Target(read=_spout, refuses=(UnreadablePour,), seeds=[SPOUT]),
    "vendor": Target(
        read=_vendor, refuses=(UnreadablePour,), seeds=[b'{"d":[{"ml":30.1}],"id":"a","t":1}']
    ),
    "status": Target(
        read=TapStatus.model_validate_json,
        refuses=(ValidationError,),
        seeds=[b'{"online":true,"pending_sync":0,"valve":"closed","temperature_c":4.5}'],
    ),
    "health": Target(
        read=SpoutHealth.model_validate_json,
        refuses=(ValidationError,),
        seeds=[b'{"online":true,"battery_pct":80,"rssi_dbm":-70}'],
    ),
    "authorize": Target(
        read=AuthorizeRequest.read,
        refuses=(ValidationError,),
        seeds=[b'{"request_id":"r1","card_uid":"04a1b2c3","age_ms":0}'],
    ),
    "card": Target(
        read=_card,
        refuses=(cards.UnreadableCardError,),
        seeds=[b"04:A1:B2:C3", b"0419eeb2757181", b"0x04a1b2c3", b"3283265540"],
    ),
    "body": Target(
        read=_body, refuses=(UnreadableBodyError,), seeds=[b'{"amount":1,"volume_ml":0.123}', POUR]
    ),
    "webhook": Target(read=device_named_in, refuses=(), seeds=[b'{"deviceId":"a"}']),
    "limits": Target(
        read=LimitProfile.read,
        refuses=(ValidationError,),
        seeds=[b'{"limits":[{"per":"window","window_s":3600,"volume_ml":500}]}'],
    ),
    "answer": Target(
        read=payloads.answer,
        refuses=(payloads.Unreadable,),
        seeds=[b'{"request_id":"r","decision":"allow","grant_id":"g","max_volume_ml":1.5}'],
    ),
    "sheet": Target(read=_sheet, refuses=(), seeds=[b"=1+1", b"plain", b'"\n=x', b"\t@x,-1"]),
}


def mutations(seeds: Sequence[bytes], *, seed: int) -> Iterator[bytes]:
    """Yield for ever what comes of examples when bytes are changed, doubled, cut and spliced."""
    chance = random.Random(seed)  # noqa: S311 nothing secret
    known = [one for one in seeds if one] or [b"{}"]
    while True:
        data = bytearray(chance.choice(known))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(4):
                case 0:
                    data[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    data[at:at] = chance.choice(WORDS)
                case 2:
                    del data[at : at + chance.randint(1, 8)]
                case _:
                    other = chance.choice(known)
                    data[at:] = other[chance.randrange(len(other) + 1) :]
        yield bytes(data[:INPUT_BYTES_MAX])


WITH_COVERAGE = """
import atheris, sys
with atheris.instrument_imports(include=["pourline", "json"]):
    from pourline.testkit.fuzz import search_with_coverage
search_with_coverage(sys.argv[1], float(sys.argv[2]))
"""
"""A process of its own: what is to be covered is imported under atheris."""

WORDS = (
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"-", b".", b"e", b"0", b"9", b"="),
    *(
        b"1e999",
        b"-0",
        b"NaN",
        b"Infinity",
        b"true",
        b"null",
        b"\\u0000",
        b"\\ud800",
        b"\xff",
        b"\0",
    ),
    *(b"9" * 30, b"[" * 300, b"1.0000000000000000e9999999999999999999"),
)


def search(name: str, *, seconds: float, seed: int = 1) -> int:
    """Try a parser out without coverage; return how many inputs it took."""
    target, ends, tried = TARGETS[name], time.monotonic() + seconds, 0
    for data in mutations([*target.seeds, *NASTY], seed=seed):
        target.try_out(data)
        tried += 1
        if time.monotonic() > ends:
            break
    return tried


def search_with_coverage(name: str, seconds: float) -> None:
    """Let libFuzzer search in this process, which ends with it."""
    import atheris  # noqa: PLC0415 not everywhere

    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate([*target.seeds, *NASTY]):
            (Path(folder) / str(number)).write_bytes(data)
        options = [f"-max_total_time={int(seconds)}", f"-max_len={INPUT_BYTES_MAX}", "-verbosity=0"]
        options += ["-print_final_stats=1", f"-artifact_prefix={tempfile.gettempdir()}/{name}-"]
        atheris.Setup([sys.argv[0], *options, folder], target.try_out)
        atheris.Fuzz()


def main() -> int:
    """Search each parser for its share of the time; 1 where one said what it must not."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--target", choices=sorted(TARGETS))
    options = parser.parse_args()
    names = [options.target] if options.target else list(TARGETS)
    share = options.seconds / len(names)
    failed = [name for name in names if not _searched(name, share)]
    print(f"findings: {', '.join(failed)}" if failed else "no findings")  # noqa: T201 it prints
    return 1 if failed else 0


def _searched(name: str, seconds: float) -> bool:
    """Return whether a parser stood a search of so many seconds; print what it tells."""
    if not find_spec("atheris"):
        print(f"{name}: {search(name, seconds=seconds)} inputs, without coverage")  # noqa: T201
        return True
    own = [sys.executable, "-c", WITH_COVERAGE, name, str(seconds)]
    done = subprocess.run(own, capture_output=True, text=True, check=False)  # noqa: S603 our own
    runs = [line for line in done.stderr.splitlines() if "number_of_executed_units" in line]
    print(f"{name}: {runs[0].split()[-1] if runs else '?'} inputs")  # noqa: T201
    if done.returncode:
        print(done.stdout, done.stderr)  # noqa: T201
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
