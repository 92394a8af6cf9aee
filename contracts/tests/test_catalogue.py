"""Messages only grow, and what is generated is what the models say."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pourline.contracts import catalogue, topology
from pourline.contracts.__main__ import check
from pourline.contracts.base import Event
from pourline.contracts.device import PourReport
from pourline.contracts.topology import ACCESS, SERVICES, declared

ROOT = Path(__file__).parents[1]


@pytest.mark.requirement("MG-2")
def test_the_generated_files_are_up_to_date_and_nothing_broke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT.parent)

    assert check() == 0


def a_schema(**changes: object) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "properties": {"amount": {"type": "integer"}, "kind": {"enum": ["a", "b"]}},
        "required": ["amount"],
    }
    return {"evt.x": schema | changes}


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        ({"properties": {"kind": {"enum": ["a", "b"]}}}, "field amount was removed"),
        ({"required": ["amount", "kind"]}, "field kind became required"),
        (
            {"properties": {"amount": {"type": "string"}, "kind": {"enum": ["a", "b"]}}},
            "field amount changed its type",
        ),
        (
            {"properties": {"amount": {"type": "integer"}, "kind": {"enum": ["a"]}}},
            "field kind changed its type",
        ),
    ],
)
@pytest.mark.requirement("MG-2")
def test_a_change_that_breaks_a_reader_is_found(after: dict[str, Any], fault: str) -> None:
    assert catalogue.breaches(a_schema(), a_schema(**after)) == [f"evt.x: {fault}"]


def holding(inner: dict[str, Any], *, in_a_list: bool) -> dict[str, Any]:
    line = {"$ref": "#/$defs/Line"}
    lines = {"anyOf": [{"items": line, "type": "array"}, {"type": "null"}]}
    schema = a_schema(properties={"held": lines if in_a_list else line}, required=[])
    schema["evt.x"]["$defs"] = {"Line": {"type": "object"} | inner}
    return schema


@pytest.mark.parametrize("in_a_list", [True, False])
@pytest.mark.parametrize(
    ("after", "fault"),
    [
        ({"properties": {"ml": {"type": "string"}}}, "field ml changed its type"),
        ({"properties": {"cl": {"type": "integer"}}}, "field ml was removed"),
        (
            {"properties": {"ml": {"type": "integer"}}, "required": ["ml"]},
            "field ml became required",
        ),
    ],
)
@pytest.mark.requirement("MG-2")
def test_a_change_inside_what_a_message_holds_is_found(
    after: dict[str, Any], fault: str, *, in_a_list: bool
) -> None:
    before = holding({"properties": {"ml": {"type": "integer"}}}, in_a_list=in_a_list)

    assert catalogue.breaches(before, before) == []
    assert catalogue.breaches(before, holding(after, in_a_list=in_a_list)) == [
        f"evt.x: in held: {fault}"
    ]


def test_a_list_of_other_things_is_found() -> None:
    before = a_schema(properties={"ids": {"type": "array", "items": {"type": "string"}}})
    after = a_schema(properties={"ids": {"type": "array", "items": {"type": "integer"}}})

    assert "evt.x: field ids changed its type" in catalogue.breaches(before, after)


def test_an_optional_field_may_be_added() -> None:
    grown = a_schema()
    grown["evt.x"]["properties"]["note"] = {"type": "string"}

    assert catalogue.breaches(a_schema(), grown) == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.json")), ids=lambda p: p.stem)
def test_a_golden_example_fits_its_schema(path: Path) -> None:
    schema = json.loads((ROOT / "schemas" / path.name).read_text())

    jsonschema.validate(json.loads(path.read_text()), schema)


def test_an_unknown_field_is_ignored_and_null_means_absent() -> None:
    pour = PourReport.model_validate_json(
        '{"client_tx_id":"a","short_id":"000001","volume_ml":300,"card_uid":null,"mood":"good"}'
    )

    assert pour.card_uid is None


def test_every_event_that_is_read_has_a_producer_and_a_durable_consumer() -> None:
    told = set(declared(Event))
    for service in SERVICES:
        for event in ACCESS[service].events:
            assert event in told
    durable = {consumer.name for consumer in topology.CONSUMERS}
    assert {f"{name}--events" for name in SERVICES if ACCESS[name].events} <= durable


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_say_only_its_own_events(service: str) -> None:
    allowed = topology.permissions(service).publish
    foreign = [event.subject() for event in declared(Event) if service != event.PRODUCER]

    assert not set(allowed) & set(foreign)
    assert ">" not in allowed
