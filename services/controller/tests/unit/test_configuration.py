import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from pourline.controller.__main__ import main
from pourline.controller.configuration import Misconfigured, TapFile
from pourline.controller.domain import Rules
from pourline.controller.trust import Trust

EXAMPLE = Path(__file__).parents[4] / "docs" / "hardware" / "tap.toml"


def read(tmp_path: Path, text: str, name: str = "tap.toml") -> TapFile:
    path = tmp_path / name
    path.write_text(text)
    return TapFile.read(path)


def test_the_documented_example_is_read_in_full() -> None:
    told = TapFile.read(EXAMPLE)
    assert (told.tap, told.location, told.sync_timeout_s) == ("1", "main", 120)
    assert told.secret_file == EXAMPLE.parent / "/etc/pourline/tap-1.secret"
    assert told.rules.ml_per_pulse == Decimal("0.1837")
    assert (told.rules.min_pour_ml, told.rules.open_grace_ms) == (Decimal(5), 5_000)
    assert (told.parts.meter.pin, told.parts.valve_line) == (17, "gpio:27")
    assert (told.parts.reader.kind, told.parts.reader.stays) == ("serial", True)


def test_an_empty_file_is_the_simulated_tap_with_the_usual_rules(tmp_path: Path) -> None:
    told = read(tmp_path, "")
    assert told == TapFile()
    assert told.rules == Rules()


def test_json_is_read_as_well_and_numbers_stay_exact(tmp_path: Path) -> None:
    text = '{"meter": {"ml_per_pulse": 0.1850000000000000000001}, "pour": {"min_pour_ml": "2.5"}}'
    told = read(tmp_path, text, "tap.json")
    assert str(told.rules.ml_per_pulse) == "0.1850000000000000000001"
    assert told.rules.min_pour_ml == Decimal("2.5")


def test_the_files_certificates_go_before_the_environments(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    told = read(tmp_path, "[tls]\nca_file = 'ca.pem'")
    elsewhere = Trust(ca_file="/other.pem", cert_file="/tap.pem", key_file="/tap.key")
    assert told.trust.beside(elsewhere) == Trust(
        ca_file=str(tmp_path / "ca.pem"), cert_file="/tap.pem", key_file="/tap.key"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tap = 1", "tap.toml: tap: wanted a text, not 1"),
        ("tap = 'a b'", "tap.toml: tap: not an id"),
        ("taps = '1'", "tap.toml: taps: nobody knows this"),
        ("sync_timeout_s = 30", "tap.toml: sync_timeout_s: the sync timeout is 60 to 300 s"),
        ("[meter]\nml_per_pulse = 2200", "tap.toml: meter.ml_per_pulse: wanted from 0.1 to 20"),
        ("[meter]\nml_per_pulse = nan", "meter.ml_per_pulse: wanted a number"),
        ("[meter]\nml_per_pulse = true", "meter.ml_per_pulse: wanted a number"),
        ("[meter]\nkind = 'gpio'", "meter.pin: wanted a whole number from 0 to 27"),
        ("[meter]\nkind = 'gpio'\npin = 17", "a real meter wants a real valve"),
        ("[valve]\nkind = 'relay'", "valve.kind: wanted one of simulated, gpio, file"),
        ("[valve]\nkind = 'file'", "valve.path: missing for file"),
        ("[reader]\nkind = 'serial'", "reader.path: missing for serial"),
        ("[tls]\ncert_file = 'tap.pem'", "tls.key_file: missing for cert_file"),
        ("[tls]\nca_file = 'ca.pem'", "tls.ca_file: there is no file"),
        ("[tls]\nverify = false", "tls.verify: nobody knows this"),
        ("[reader]\nbaud = 9600.0", "reader.baud: wanted a whole number"),
        ("[reader]\nlengths = 8", "reader.lengths: wanted a list"),
        ("[reader]\nlengths = [8, 'x']", "reader.lengths: wanted a whole number"),
        ("[pour]\nmin_pour_ml = -1", "pour.min_pour_ml: wanted from 0 to 50"),
        ("[pour]\nidle_end = 3", "pour.idle_end: nobody knows this"),
        ("[pour]\nopen_grace_ms = true", "pour.open_grace_ms: wanted a whole number"),
        ("pour = 5", "pour: wanted a table"),
        ("[display]\nkind = 'device'", "display.path: missing for device"),
        ("[", "tap.toml: "),
    ],
)
def test_what_cannot_be_is_refused_by_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        read(tmp_path, text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tap", "1", "--secret", "x", "--store", "s"], "--mqtt is missing"),
        (["--tap", "1", "--mqtt", "mqtt://h", "--store", "s"], "secret is missing"),
        (["--sync-timeout", "30"], "--sync-timeout"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_the_command_says_what_it_misses(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["run", *arguments])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "part"),
    [
        ("serial", {"reader": {"kind": "serial", "path": "/dev/ttyS0"}}),
        ("gpiozero", {"valve": {"kind": "gpio", "pin": 27}}),
    ],
)
def test_a_part_without_its_library_names_the_extra(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    part: dict[str, object],
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    told = {"tap": "1", "mqtt": "mqtt://127.0.0.1:1", "store": "tap.db", "secret_file": "secret"}
    (tmp_path / "tap.json").write_text(json.dumps(told | part))
    (tmp_path / "secret").write_text("x")
    with pytest.raises(SystemExit):
        main(["run", "--config", str(tmp_path / "tap.json")])
    assert "pourline-controller[pi]" in capsys.readouterr().err
