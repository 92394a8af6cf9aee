"""A request's body: read with a limit, parsed with each decimal as it was written."""

import json
from decimal import Decimal
from typing import Any

import orjson
from fastapi import Request

from pourline.console.errors import TooLarge
from pourline.contracts.base import LONG_NUMBER, exact

BODY_BYTES_MAX = 64 * 1024
"""No request of the contract needs more; a larger one is refused before it is read."""


class UnreadableBodyError(ValueError):
    """The body is no JSON object; the message says why."""


async def read_body(request: Request) -> bytes:
    """Return the request's body; raises `TooLarge` before reading on."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise TooLarge
    return body


def fields_of(raw: bytes) -> dict[str, Any]:
    """Return a JSON object's fields, those that are null left out.

    Raises `UnreadableBodyError`.
    """
    try:
        body = orjson.loads(raw)
        if LONG_NUMBER.search(raw):
            body = json.loads(raw, parse_float=exact, parse_int=exact)
        wire(body)
    except orjson.JSONDecodeError as error:
        raise UnreadableBodyError("the body is not JSON") from error
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise UnreadableBodyError("the body is nested too deeply") from error
    if not isinstance(body, dict):
        raise UnreadableBodyError("the body is not a JSON object")
    return {name: value for name, value in body.items() if value is not None}


def wire(body: object) -> bytes:
    """Return JSON with decimals digit by digit; raises `orjson.JSONEncodeError`."""
    return orjson.dumps(body, default=_as_written)


def _as_written(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError
