"""Every message is frozen: what one of them may never become again is found, whichever it is."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from pourline.contracts import catalogue

BASELINE = Path(__file__).parents[2] / "contracts" / "baseline.json"

pytestmark = pytest.mark.requirement("MG-2")


FROZEN: dict[str, dict[str, Any]] = json.loads(BASELINE.read_text())
PRESENT = catalogue.schemas()


def test_every_message_stands_in_the_baseline_with_all_its_fields() -> None:
    """`make contracts-freeze` takes in what only grew."""
    assert FROZEN == PRESENT


@pytest.mark.parametrize("name", sorted(PRESENT))
def test_a_field_of_any_message_that_changes_its_type_is_found(name: str) -> None:
    for field in FROZEN.get(name, {}).get("properties", {}):
        retyped = copy.deepcopy(PRESENT[name])
        retyped["properties"][field] = {"type": "retyped"}

        found = catalogue.breaches({name: FROZEN[name]}, {name: retyped})

        assert found == [f"{name}: field {field} changed its type"]
