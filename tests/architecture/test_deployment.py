"""What others start: validated as far as it can be without a container engine."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pourline.contracts.topology import BRIDGE, SERVICES
from pourline.local.credentials import load_or_make
from pourline.local.manifests import environment_file
from pourline.local.paths import DataDir
from pourline.local.render import CLUSTER, KUBERNETES, NATS, files
from pourline.local.servers.nats_server import executable

ROOT = Path(__file__).parents[2]


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def test_the_generated_server_files_are_up_to_date() -> None:
    for path, text in files().items():
        assert (ROOT / path).read_text() == text, f"{path}: run `make infra`"


@pytest.mark.parametrize("path", [NATS, CLUSTER], ids=["one machine", "three machines"])
def test_the_servers_own_check_takes_the_bus_configuration(path: Path, tmp_path: Path) -> None:
    issuer = load_or_make(DataDir(tmp_path)).callout_issuer
    names = re.findall(r"\$(NATS_\w+)", (ROOT / path).read_text())
    routes = {
        name: f"nats://route:secret@127.0.0.1:{6222 + number}"
        for number, name in enumerate(names)
        if "_ROUTE_" in name
    }
    environment = dict.fromkeys(names, "secret") | routes | {"AUTH_CALLOUT_ISSUER": issuer}

    result = subprocess.run(  # noqa: S603 the wheel's own server
        [executable(), "--config", str(ROOT / path), "-t"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("service", [*SERVICES, BRIDGE])
def test_every_service_is_on_the_compose_page_with_an_image_of_its_own(service: str) -> None:
    part = compose()["services"][service]

    assert part["build"]["args"]["SERVICE"] == service
    assert (ROOT / part["build"]["dockerfile"]).exists()
    assert part["environment"]["NATS_URL"].startswith(f"nats://{service}:")


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|KEY|SEED)\w*)([^}]*)\}", text)

    assert secrets
    assert all(not rest or rest.startswith(":?") for _, rest in secrets)


def manifests() -> list[dict[str, Any]]:
    text = (ROOT / KUBERNETES).read_text()
    return list(yaml.safe_load_all(text))


def test_every_secret_that_a_manifest_names_is_made_or_may_be_absent() -> None:
    made = dict(line.split("=", 1) for line in environment_file().splitlines())
    asked = [
        entry["valueFrom"]["secretKeyRef"]
        for one in manifests()
        if one["kind"] in {"Deployment", "Job"}
        for entry in one["spec"]["template"]["spec"]["containers"][0]["env"]
        if "secretKeyRef" in entry.get("valueFrom", {})
    ]

    needed = {one["key"] for one in asked if not one.get("optional")}
    assert needed - made.keys() == {"DATABASE_HOST"}
    assert {one["metadata"]["name"] for one in manifests()} >= set(SERVICES)


def test_every_secret_of_the_compose_page_is_made_anew_each_time() -> None:
    first, second = environment_file(), environment_file()
    made = dict(line.split("=", 1) for line in first.splitlines())
    text = (ROOT / "docker-compose.yml").read_text()
    named = set(re.findall(r"\$\{(\w*(?:PASSWORD|KEY|SEED|SECRET)\w*)", text))

    assert named <= made.keys()
    assert all(line not in second for line in first.splitlines() if not line.endswith("="))
