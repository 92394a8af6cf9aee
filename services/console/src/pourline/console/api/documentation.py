"""The OpenAPI document: bodies and parameters come from the commands behind the end points."""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from pourline.console.api.routes import ROUTES, Route
from pourline.console.api.shapes import SHEETS
from pourline.contracts.base import Query
from pourline.contracts.problems import Problem

REFERENCE = "#/components/schemas/{model}"
OF_TOKEN = ("token_id", "expires_at")
"""What the gateway fills in from the token that is asked with."""
IN_PATH = re.compile(r"{(\w+)}")


def parameters(route: Route) -> dict[str, Any]:
    """Return what FastAPI cannot see: the path, the query or body, who may ask."""
    named = IN_PATH.findall(route.path)
    found = [_parameter(name, {"type": "string"}, place="path", required=True) for name in named]
    extra: dict[str, Any] = {}
    if issubclass(route.command, Query):
        found += _queries(route, named)
    else:
        extra["requestBody"] = {
            "content": {
                "application/json": {
                    "schema": {"$ref": REFERENCE.format(model=route.command.__name__)}
                }
            }
        }
        found.append(_parameter("Idempotency-Key", {"type": "string"}, place="header"))
    if route.shape in SHEETS:
        formats = {"enum": ["csv", "json"], "default": "json"}
        found.append(
            _parameter("format", formats | {"description": "A CSV without `limit` has every row."})
        )
    extra["parameters"] = found
    if route.level is not None:
        extra["security"] = [{"bearer": []}]
        extra["description"] = f"Level {route.level}."
    return extra


def _queries(route: Route, named: list[str]) -> list[dict[str, Any]]:
    schema = route.command.model_json_schema(by_alias=True, ref_template=REFERENCE)
    needed = schema.get("required", [])
    return [
        _parameter(name, one, required=name in needed)
        for name, one in schema["properties"].items()
        if name not in named
    ]


def _parameter(
    name: str, schema: dict[str, Any], *, place: str = "query", required: bool = False
) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema}


INGEST: dict[str, Any] = {
    "parameters": [_parameter("X-Spout-Signature", {"type": "string"}, place="header")],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["deviceId", "pulses"],
                    "properties": {
                        "deviceId": {"type": "string"},
                        "pulses": {"type": "integer", "minimum": 0},
                        "occurredAt": {"type": "string", "format": "date-time"},
                        "eventId": {"type": "string"},
                        "channel": {"type": "integer", "default": 0},
                    },
                }
            }
        },
    },
}
"""The webhook of seed 000; the signature is made over its raw body."""


CRON: dict[str, Any] = {
    "description": "Needs CRON_SECRET, as bearer or as `token`.",
    "parameters": [_parameter("token", {"type": "string"})],
}

WATCH_LEVEL = 1
WATCH: dict[str, Any] = {
    "description": f"Level {WATCH_LEVEL}.",
    "security": [{"bearer": []}],
    "parameters": [_parameter("Last-Event-ID", {"type": "string"}, place="header")],
}
"""Server-sent events: `snapshot`, `stock-updated`, `tracking-toggled`, `threshold-breach`."""


DEAD_LETTERS: dict[str, Any] = {
    "description": "Level 4.",
    "security": [{"bearer": []}],
    "parameters": [
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
        _parameter("cursor", {"type": "string"}),
        _parameter("closed", {"type": "boolean", "default": False}),
    ],
}


def _about_a_letter(fields: dict[str, Any]) -> dict[str, Any]:
    body = {"type": "object"} | ({"properties": fields, "required": [*fields]} if fields else {})
    return {
        "description": "Level 4.",
        "security": [{"bearer": []}],
        "requestBody": {
            "required": bool(fields),
            "content": {"application/json": {"schema": body}},
        },
        "parameters": [
            _parameter("service", {"type": "string"}, place="path", required=True),
            _parameter("letter_id", {"type": "string"}, place="path", required=True),
            _parameter("Idempotency-Key", {"type": "string"}, place="header"),
        ],
    }


REPLAY: dict[str, Any] = _about_a_letter({})
CLOSE: dict[str, Any] = _about_a_letter(
    {"reason": {"type": "string", "minLength": 1, "maxLength": 120}}
)


def describe(app: FastAPI) -> None:
    """Complete the document with the commands' schemas and the bearer scheme."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(_command_schemas())
        schemas["Problem"] = Problem.model_json_schema(ref_template=REFERENCE)
        for operation in _operations(document):
            operation["responses"]["default"] = REFUSED
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        }
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


REFUSED: dict[str, Any] = {
    "description": "A refusal: RFC 9457 problem details with a stable `code`.",
    "content": {
        "application/problem+json": {"schema": {"$ref": REFERENCE.format(model="Problem")}}
    },
}


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def _command_schemas() -> dict[str, Any]:
    commands = {route.command for route in ROUTES}
    _, top = models_json_schema(
        [(one, "validation") for one in sorted(commands, key=lambda one: one.__name__)],
        ref_template=REFERENCE,
        by_alias=True,
    )
    definitions: dict[str, Any] = top["$defs"]
    for route in ROUTES:
        own = OF_TOKEN if route.ends_token else ()
        _without_path(definitions[route.command.__name__], [*IN_PATH.findall(route.path), *own])
    return definitions


def _without_path(schema: dict[str, Any], named: list[str]) -> None:
    """Take the path's parameters out of a body's schema."""
    for name in named:
        schema.get("properties", {}).pop(name, None)
    schema["required"] = [name for name in schema.get("required", []) if name not in named]
    if not schema["required"]:
        del schema["required"]
