"""The configuration file of one tap: who it is, what hardware it has, how it pours.

TOML, or JSON where the name ends so. Numbers are read exactly; a name that nobody knows is refused,
since it is nearly always a slip in one that matters. docs/hardware.md lists every key.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, Self

from pourline.controller.domain import GasRules, Rules
from pourline.controller.hardware.pins import DEBOUNCE_US
from pourline.controller.settings import checked_id, checked_sync_timeout_s
from pourline.controller.trust import Trust

ML_PER_PULSE: Final = (Decimal("0.1"), Decimal(20))
"""50 to 10,000 pulses a litre: the beer meters there are. Outside, the unit was mistaken."""
LARGEST_MINIMUM_ML: Final = 50
LONGEST_MS: Final = 600_000
PINS: Final = (0, 27)
"""GPIO numbers on the header of a Raspberry Pi."""
BAUD: Final = (1_200, 115_200)


class Misconfigured(ValueError):  # noqa: N818 - named for what it says of the file
    """The file says something that cannot be; the text says where and what could."""


@dataclass(frozen=True, slots=True)
class MeterPart:
    """The flow meter: simulated, or on a pin."""

    pin: int | None = None
    pull: str = "up"
    debounce_us: int = DEBOUNCE_US


@dataclass(frozen=True, slots=True)
class ReaderPart:
    """The card reader."""

    kind: str = "simulated"
    path: Path | None = None
    baud: int = 9600
    frame: str = "lines"
    stays: bool = False
    lengths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """What the tap is made of; `valve_line` is what the guard holds, none: simulated."""

    meter: MeterPart = field(default_factory=MeterPart)
    valve_line: str | None = None
    reader: ReaderPart = field(default_factory=ReaderPart)
    display: Path | None = None


@dataclass(frozen=True, slots=True)
class TapFile:
    """What a file says; the command line goes before it."""

    tap: str | None = None
    location: str | None = None
    mqtt: str | None = None
    secret_file: Path | None = None
    store: Path | None = None
    sync_timeout_s: float | None = None
    trust: Trust = field(default_factory=Trust)
    rules: Rules = field(default_factory=Rules)
    parts: Parts = field(default_factory=Parts)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file. Raises Misconfigured, or OSError where there is none."""
        top = Section(path.name, _parsed(path), folder=path.parent)
        meter = top.section("meter")
        rules = _rules(top.section("pour"), meter.exact("ml_per_pulse", ML_PER_PULSE))
        parts = Parts(
            meter=_meter(meter),
            valve_line=_valve_line(top.section("valve")),
            reader=_reader(top.section("reader")),
            display=_display(top.section("display")),
        )
        if parts.meter.pin is not None and parts.valve_line is None:
            raise Misconfigured(f"{path.name}: meter.kind: a real meter wants a real valve")
        tap = cls(
            tap=top.id("tap"),
            location=top.id("location"),
            mqtt=top.text("mqtt"),
            secret_file=top.path("secret_file"),
            store=top.path("store"),
            sync_timeout_s=top.sync_timeout_s(),
            trust=_trust(top.section("tls")),
            rules=rules,
            parts=parts,
        )
        top.done()
        return tap


def _parsed(path: Path) -> Mapping[str, object]:
    text = path.read_text()
    try:
        if path.suffix == ".json":
            parsed = json.loads(text, parse_float=Decimal)
        else:
            parsed = tomllib.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise Misconfigured(f"{path.name}: {error}") from error
    if not isinstance(parsed, dict):
        raise Misconfigured(f"{path.name}: not an object")
    return parsed


class Section:
    """One table of the file, read key by key; `done` refuses what nobody read."""

    def __init__(self, name: str, values: Mapping[str, object], *, folder: Path) -> None:
        self._name = name
        self._values = dict(values)
        self._folder = folder

    def section(self, key: str) -> "Section":
        """Return a table in this one, empty where there is none."""
        values = self._values.pop(key, {})
        if not isinstance(values, dict):
            raise self._wrong(key, "a table", values)
        return Section(f"{self._name}: {key}", values, folder=self._folder)

    def text(self, key: str) -> str | None:
        """Return a text."""
        value = self._values.pop(key, None)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "a text", value)
        return value

    def id(self, key: str) -> str | None:
        """Return the id of a tap or location."""
        value = self.text(key)
        try:
            return None if value is None else checked_id(value)
        except ValueError as error:
            raise Misconfigured(f"{self._at(key)}: {error}") from error

    def path(self, key: str) -> Path | None:
        """Return a path, from the file's own folder on."""
        value = self.text(key)
        return None if value is None else self._folder / value

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """Return one of the choices, the first where none is made."""
        value = self._values.pop(key, choices[0])
        if value not in choices:
            raise self._wrong(key, "one of " + ", ".join(choices), value)
        return str(value)

    def flag(self, key: str) -> bool:
        """Return yes or no; no where nothing is said."""
        value = self._values.pop(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def whole(self, key: str, bounds: tuple[int, int], default: int) -> int:
        """Return a whole number within bounds."""
        value = self._values.pop(key, default)
        if type(value) is not int or not bounds[0] <= value <= bounds[1]:
            raise self._wrong(key, f"a whole number from {bounds[0]} to {bounds[1]}", value)
        return value

    def wholes(self, key: str, bounds: tuple[int, int]) -> tuple[int, ...]:
        """Return a list of whole numbers within bounds."""
        values = self._values.pop(key, [])
        if not isinstance(values, list):
            raise self._wrong(key, "a list", values)
        inner = [Section(self._name, {key: value}, folder=self._folder) for value in values]
        return tuple(each.whole(key, bounds, 0) for each in inner)

    def exact(self, key: str, bounds: tuple[Decimal, Decimal]) -> Decimal | None:
        """Return an exact number within bounds, as a number or a text."""
        value = self._values.pop(key, None)
        if value is None:
            return None
        try:
            number = Decimal(value) if isinstance(value, int | str | Decimal) else Decimal("NaN")
        except InvalidOperation:
            number = Decimal("NaN")
        if isinstance(value, bool) or not number.is_finite():
            raise self._wrong(key, "a number", value)
        if not bounds[0] <= number <= bounds[1]:
            raise self._wrong(key, f"from {bounds[0]} to {bounds[1]}", value)
        return number

    def sync_timeout_s(self) -> float | None:
        """Return the seconds after which staff are shown a pour without an answer."""
        seconds = self.exact("sync_timeout_s", (Decimal(0), Decimal(LONGEST_MS)))
        try:
            return None if seconds is None else checked_sync_timeout_s(float(seconds))
        except ValueError as error:
            raise Misconfigured(f"{self._at('sync_timeout_s')}: {error}") from error

    def needed(self, key: str, value: object) -> Misconfigured:
        """Return the error of a key that must be there beside another's value."""
        return Misconfigured(f"{self._at(key)}: missing for {value}")

    def absent(self, key: str, path: Path) -> Misconfigured:
        """Return the error of a file that is not there."""
        return Misconfigured(f"{self._at(key)}: there is no file {path}")

    def done(self) -> None:
        """Refuse what nobody read."""
        if self._values:
            raise Misconfigured(f"{self._at(min(self._values))}: nobody knows this")

    def _at(self, key: str) -> str:
        return f"{self._name}.{key}" if ": " in self._name else f"{self._name}: {key}"

    def _wrong(self, key: str, wanted: str, value: object) -> Misconfigured:
        return Misconfigured(f"{self._at(key)}: wanted {wanted}, not {value!r}")


def _trust(tls: Section) -> Trust:
    files = {key: tls.path(key) for key in ("ca_file", "cert_file", "key_file")}
    for one, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if files[one] and not files[other]:
            raise tls.needed(other, one)
    for key, path in files.items():
        if path and not path.is_file():
            raise tls.absent(key, path)
    tls.done()
    return Trust(**{key: str(path) for key, path in files.items() if path})


def _rules(pour: Section, ml_per_pulse: Decimal | None) -> Rules:
    usual = Rules()
    rules = Rules(
        ml_per_pulse=ml_per_pulse or usual.ml_per_pulse,
        unused_end_ms=pour.whole("unused_end_ms", (1_000, LONGEST_MS), usual.unused_end_ms),
        idle_end_ms=pour.whole("idle_end_ms", (200, LONGEST_MS), usual.idle_end_ms),
        open_grace_ms=pour.whole("open_grace_ms", (0, LONGEST_MS), usual.open_grace_ms),
        min_pour_ml=pour.exact("min_pour_ml", (Decimal(0), Decimal(LARGEST_MINIMUM_ML)))
        or usual.min_pour_ml,
        gas=GasRules(
            multiple=_gas_multiple(pour, usual.gas),
            samples=pour.whole("gas_samples", (1, 20), usual.gas.samples),
            sample_ms=pour.whole("gas_sample_ms", (100, 2_000), usual.gas.sample_ms),
        ),
        settle_ms=pour.whole("settle_ms", (0, 5_000), usual.settle_ms),
        leak_settled_ms=pour.whole("leak_settled_ms", (500, 60_000), usual.leak_settled_ms),
        longest_pour_ms=pour.whole("longest_pour_ms", (1_000, LONGEST_MS), usual.longest_pour_ms),
    )
    pour.done()
    return rules


def _gas_multiple(pour: Section, usual: GasRules) -> Decimal:
    """Return how many times faster than beer is gas; 0 never looks."""
    multiple = pour.exact("gas_multiple", (Decimal(0), Decimal(100)))
    return usual.multiple if multiple is None else multiple


def _meter(meter: Section) -> MeterPart:
    kind = meter.choice("kind", ("simulated", "gpio"))
    pin = meter.whole("pin", PINS, -1) if kind == "gpio" else None
    part = MeterPart(
        pin=pin,
        pull=meter.choice("pull", ("up", "down", "floating")),
        debounce_us=meter.whole("debounce_us", (0, 5_000), DEBOUNCE_US),
    )
    meter.done()
    return part


def _valve_line(valve: Section) -> str | None:
    kind = valve.choice("kind", ("simulated", "gpio", "file"))
    line = None
    if kind == "gpio":
        pin = valve.whole("pin", PINS, -1)
        line = f"gpio:{pin}:low" if valve.flag("active_low") else f"gpio:{pin}"
    elif kind == "file":
        path = valve.path("path")
        if path is None:
            raise valve.needed("path", kind)
        line = f"file:{path.absolute()}"
    valve.done()
    return line


def _reader(reader: Section) -> ReaderPart:
    kind = reader.choice("kind", ("simulated", "wedge", "serial", "lines"))
    part = ReaderPart(
        kind=kind,
        path=reader.path("path"),
        baud=reader.whole("baud", BAUD, 9_600),
        frame=reader.choice("frame", ("lines", "stx")),
        stays=reader.flag("stays"),
        lengths=reader.wholes("lengths", (4, 64)),
    )
    if kind in {"serial", "lines"} and part.path is None:
        raise reader.needed("path", kind)
    reader.done()
    return part


def _display(display: Section) -> Path | None:
    kind = display.choice("kind", ("printed", "device"))
    path = display.path("path")
    if kind == "device" and path is None:
        raise display.needed("path", kind)
    display.done()
    return path if kind == "device" else None
