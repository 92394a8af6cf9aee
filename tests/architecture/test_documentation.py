"""What exists is documented: settings, make targets, messages, alerts, rooms."""

import importlib
import re
from pathlib import Path

import pytest
from pourline.contracts.topology import BRIDGE, SERVICES
from pourline.kit.settings import ServiceSettings

ROOT = Path(__file__).parents[2]


def settings_of(service: str) -> type[ServiceSettings]:
    module = importlib.import_module(f"pourline.{service.replace('-', '_')}.settings")
    found: type[ServiceSettings] = module.Settings
    return found


@pytest.mark.parametrize("service", [*SERVICES, BRIDGE])
def test_every_setting_is_described_and_listed(service: str) -> None:
    listed = (ROOT / "docs/operations.md").read_text()
    for name, field in settings_of(service).model_fields.items():
        if name == "service":
            continue
        assert field.description, f"{service}.{name} has no description"
        assert f"`{name.upper()}`" in listed, f"{name.upper()} is not in docs/operations.md"


def test_every_make_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    described = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))

    assert targets == described


def test_every_service_has_a_page() -> None:
    for service in (*SERVICES, BRIDGE):
        assert (ROOT / "services" / service / "README.md").exists(), service


def test_the_readme_is_short_and_shows_how_to_run_and_test() -> None:
    readme = (ROOT / "README.md").read_text()

    assert len(readme.splitlines()) <= 150
    assert "make run" in readme
    assert "make test" in readme
