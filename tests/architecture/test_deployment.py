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
from pourline.local.paths import DataDir
from pourline.local.render import NATS, files
from pourline.local.servers.nats_server import executable

ROOT = Path(__file__).parents[2]


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def test_the_generated_server_files_are_up_to_date() -> None:
    for path, text in files().items():
        assert (ROOT / path).read_text() == text, f"{path}: run `make infra`"


def test_the_servers_own_check_takes_the_bus_configuration(tmp_path: Path) -> None:
    issuer = load_or_make(DataDir(tmp_path)).callout_issuer
    names = re.findall(r"\$(NATS_PASSWORD_\w+)", (ROOT / NATS).read_text())
    environment = dict.fromkeys(names, "secret") | {"AUTH_CALLOUT_ISSUER": issuer}

    result = subprocess.run(  # noqa: S603 the wheel's own server
        [executable(), "--config", str(ROOT / NATS), "-t"],
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
