import os
import socket
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import jwt
import pytest
from pourline.contracts.topology import BRIDGE
from pourline.local import credentials
from pourline.local.__main__ import main
from pourline.local.credentials import Secrets
from pourline.local.environment import Surroundings, foreign_broker
from pourline.local.errors import MisuseError
from pourline.local.paths import DataDir, RunFacts

ANY_PORTS = ["--http-port", "0", "--mqtt-port", "0", "--nats-port", "0"]
FACTS = RunFacts(
    pid=1,
    http_host="127.0.0.1",
    http_port=8080,
    http_url="http://127.0.0.1:8080",
    mqtt_url="mqtt://127.0.0.1:1883",
    nats_url="nats://127.0.0.1:4222",
    postgres_port=20001,
)


def test_secrets_are_made_once_and_readable_by_their_owner_only(data_dir: DataDir) -> None:
    made = credentials.load_or_make(data_dir)
    assert credentials.load_or_make(data_dir) == made
    assert stat.S_IMODE(data_dir.secrets.stat().st_mode) == 0o600


@pytest.mark.parametrize("words", [["controller", "run"], ["controller"], ["simulate"]])
def test_the_other_side_of_the_wire_is_told_its_own_arguments(
    words: list[str], data_dir: DataDir
) -> None:
    command = [sys.executable, "-m", "pourline.local", *words, "--data-dir", str(data_dir.root)]
    run = partial(subprocess.run, capture_output=True, text=True, timeout=60, check=False)

    asked = run([*command, "--help"])
    mistaken = run([*command, "--no-such-thing"])

    assert (asked.returncode, asked.stdout.partition("\n")[0].startswith("usage: ")) == (0, True)
    assert mistaken.stderr.endswith("--no-such-thing\n")


def test_a_token_carries_its_level_and_is_signed_with_the_bars_key(
    bar_secrets: Secrets, data_dir: DataDir, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["token", "--level", "3", "--subject", "till", "--data-dir", str(data_dir.root)]
    assert main(words) == 0
    claims = jwt.decode(capsys.readouterr().out.strip(), bar_secrets.token_key, ["HS256"])
    assert (claims["sub"], claims["level"], claims["iss"]) == ("till", 3, "pourline")


def test_a_second_start_in_the_same_directory_is_refused_in_one_line(
    claimed: DataDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--data-dir", str(claimed.root), *ANY_PORTS]) == 69
    assert_one_line(capsys, "another command already runs in")


@pytest.mark.parametrize("purpose", ["http", "mqtt", "nats"])
def test_a_port_in_use_is_told_in_one_line(
    data_dir: DataDir, capsys: pytest.CaptureFixture[str], purpose: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = [*ANY_PORTS, f"--{purpose}-port", str(port)]
        assert main(["up", "--data-dir", str(data_dir.root), *ports]) == 69
    assert_one_line(capsys, f"{purpose} port {port} on 127.0.0.1 is in use")


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_what_is_no_port_is_wrong_use(
    data_dir: DataDir, capsys: pytest.CaptureFixture[str], port: str
) -> None:
    words = ["up", "--data-dir", str(data_dir.root), *ANY_PORTS, f"--mqtt-port={port}"]
    assert main(words) == 2
    assert_one_line(capsys, f"{port} is no port")


@pytest.mark.parametrize("words", [["verify"], ["dlq", "list"], ["backup", "there"]])
def test_where_there_was_never_a_bar_nothing_is_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--data-dir", str(tmp_path / "bar")]) == 69
    assert_one_line(capsys, f"there is no bar in {tmp_path / 'bar'}")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["up", "--data-dir", str(tmp_path / "file" / "bar"), *ANY_PORTS]) == 69
    assert_one_line(capsys, "as data directory: Not a directory")


def test_an_unknown_service_is_wrong_use(
    data_dir: DataDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "brewery", "--data-dir", str(data_dir.root)]) == 2
    assert_one_line(capsys, "no service brewery")


def test_a_restore_refuses_a_directory_that_holds_anything(
    data_dir: DataDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["restore", str(tmp_path), "--data-dir", str(data_dir.root)]) == 69
    assert_one_line(capsys, "is no backup: it lacks")


def test_a_service_is_given_its_own_users_of_the_bars_servers(bar_secrets: Secrets) -> None:
    given = surroundings(bar_secrets).of_service("keg-fifo")
    bus, role = (
        bar_secrets.password("nats", "keg-fifo"),
        bar_secrets.password("postgres", "keg_fifo"),
    )
    assert given == {
        "NATS_URL": f"nats://keg-fifo:{bus}@127.0.0.1:4222",
        "MQTT_URL": f"mqtt://keg-fifo:{bus}@127.0.0.1:1883",
        "DATABASE_URL": f"postgresql://keg_fifo:{role}@127.0.0.1:20001/keg_fifo",
    }


def test_servers_that_the_environment_names_win(bar_secrets: Secrets, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("nats://{service}:secret@bus\n")
    given = surroundings(
        bar_secrets,
        NATS_URL_FILE=str(tmp_path / "url"),
        DATABASE_URL="postgresql://bar@db/{service}",
        DATABASE_URL_LEDGER="postgresql://money@vault/ledger",
    )
    assert given.of_service("ledger")["NATS_URL"] == "nats://ledger:secret@bus"
    assert given.database_url("ledger") == "postgresql://money@vault/ledger"
    assert given.owner_url("keg-fifo") == "postgresql://bar@db/keg_fifo"


def test_databases_for_some_services_only_are_wrong_use(
    data_dir: DataDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL_LEDGER", "postgresql://money@vault/ledger")
    assert main(["verify", "--data-dir", str(data_dir.root)]) == MisuseError.exit_code
    assert_one_line(capsys, "no database for auth-lock")


def test_only_auth_lock_and_console_know_the_key_of_tokens(bar_secrets: Secrets) -> None:
    given = surroundings(bar_secrets)
    assert "TOKEN_KEY" not in given.of_service("ledger")
    assert given.of_service("console")["HTTP_PORT"] == "8080"
    assert "DATABASE_URL" not in given.of_service("console")
    assert given.of_service("auth-lock").keys() >= {"TOKEN_KEY", "AUTH_CALLOUT_SEED"}


def test_a_broker_without_a_bus_is_a_foreign_one_and_services_keep_to_the_inner_one(
    bar_secrets: Secrets,
) -> None:
    found = surroundings(bar_secrets, MQTT_URL="mqtt://u:p@broker.bar")
    bridge = found.of_service(BRIDGE)

    assert bridge["MQTT_BRIDGE_URL"] == "mqtt://u:p@broker.bar"
    assert bridge["MQTT_URL"].endswith("@127.0.0.1:1883")
    assert found.of_service("alerts")["MQTT_URL"].endswith("@127.0.0.1:1883")
    assert found.of_service("console")["MQTT_BRIDGE"] == "true"
    assert "MQTT_BRIDGE_URL" not in found.of_service("console")


def test_a_foreign_broker_may_be_named_beside_a_bus_and_in_a_file(
    bar_secrets: Secrets, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("mqtt://u:p@broker.bar\n")
    found = surroundings(
        bar_secrets,
        NATS_URL="nats://{service}:secret@bus",
        MQTT_URL="mqtt://{service}:secret@bus",
        MQTT_BRIDGE_URL_FILE=str(tmp_path / "url"),
    )
    bridge = found.of_service(BRIDGE)

    assert bridge["MQTT_BRIDGE_URL"] == "mqtt://u:p@broker.bar"
    assert bridge["MQTT_URL"] == "mqtt://mqtt-bridge:secret@bus"


def test_without_a_foreign_broker_there_is_no_bridge(bar_secrets: Secrets) -> None:
    with pytest.raises(MisuseError, match="no foreign broker is named"):
        surroundings(bar_secrets).of_service(BRIDGE)
    assert "MQTT_BRIDGE" not in surroundings(bar_secrets).of_service("console")


def test_two_foreign_brokers_are_one_too_many() -> None:
    environ = {"MQTT_URL": "mqtt://one", "MQTT_BRIDGE_URL": "mqtt://two"}
    with pytest.raises(MisuseError, match="name two brokers"):
        foreign_broker(environ)


def surroundings(bar_secrets: Secrets, **environ: str) -> Surroundings:
    return Surroundings(environ=environ, secrets=bar_secrets, facts=FACTS)


def assert_one_line(capsys: pytest.CaptureFixture[str], expected: str) -> None:
    told = capsys.readouterr()
    assert expected in told.err
    assert told.err.count(os.linesep) == 1
    assert told.out == ""
