"""The OpenAPI document: bodies and parameters come from the commands behind the end points."""

import re
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from pourline.console.api.routes import ROUTES, Route
from pourline.contracts.base import Query

REFERENCE = "#/components/schemas/{model}"
IN_PATH = re.compile(r"{(\w+)}")


def parameters(route: Route) -> dict[str, Any]:
    """Return what FastAPI cannot see: the path, the query or body, who may ask."""
    named = IN_PATH.findall(route.path)
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in named
    ]
    extra: dict[str, Any] = {}
    if issubclass(route.command, Query):
        found += [_query(name, schema) for name, schema in _rest(route, named)]
    else:
        extra["requestBody"] = {
            "content": {
                "application/json": {
                    "schema": {"$ref": REFERENCE.format(model=route.command.__name__)}
                }
            }
        }
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
            }
        )
    extra["parameters"] = found
    if route.level is not None:
        extra["security"] = [{"bearer": []}]
        extra["description"] = f"Level {route.level}."
    return extra


def _rest(route: Route, named: list[str]) -> list[tuple[str, dict[str, Any]]]:
    schema = route.command.model_json_schema(by_alias=True, ref_template=REFERENCE)
    return [(name, one) for name, one in schema["properties"].items() if name not in named]


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def describe(app: FastAPI) -> None:
    """Complete the document with the commands' schemas and the bearer scheme."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(_command_schemas())
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        }
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _command_schemas() -> dict[str, Any]:
    commands = {route.command for route in ROUTES}
    _, top = models_json_schema(
        [(one, "validation") for one in sorted(commands, key=lambda one: one.__name__)],
        ref_template=REFERENCE,
        by_alias=True,
    )
    definitions: dict[str, Any] = top["$defs"]
    for route in ROUTES:
        _without_path(definitions[route.command.__name__], IN_PATH.findall(route.path))
    return definitions


def _without_path(schema: dict[str, Any], named: list[str]) -> None:
    """Take the path's parameters out of a body's schema."""
    for name in named:
        schema.get("properties", {}).pop(name, None)
    schema["required"] = [name for name in schema.get("required", []) if name not in named]
    if not schema["required"]:
        del schema["required"]
