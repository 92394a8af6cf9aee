"""The messages of contract section 2 as a device reads and writes them.

Volumes stay decimal on both ways: written as their own digits, read without a binary float.
Whatever is not what the contract promises is `Unreadable`; the caller logs it and goes on.
"""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

import orjson

from pourline.controller.clock import Clock, age_ms
from pourline.controller.domain import Allowed, Denied, Grant, Pour
from pourline.controller.settings import SYNC_TIMEOUT_S

LARGEST: Final = 8 * 1024
"""Bytes of a message that the contract still takes."""


class Unreadable(Exception):  # noqa: N818 - named for what it says of the message
    """A payload that breaks the contract; the text says where."""


def write(fields: dict[str, object]) -> bytes:
    """Write a message: absent fields left out, decimals by their digits, instants in UTC."""
    known = {name: value for name, value in fields.items() if value is not None}
    return orjson.dumps(known, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(type(value).__name__)


def instant(value: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, to the millisecond."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pour(stored: Pour, clock: Clock) -> bytes:
    """Write a stored pour, its age computed now."""
    age = age_ms(
        clock, boot_id=stored.ended_boot, elapsed_ms=stored.ended_elapsed_ms, wall=stored.ended_at
    )
    return write(
        {
            "client_tx_id": stored.client_tx_id,
            "short_id": stored.short_id,
            "grant_id": stored.grant_id,
            "request_id": stored.request_id,
            "visit_id": stored.visit_id,
            "card_uid": stored.card_uid,
            "volume_ml": stored.volume_ml,
            "pulses": stored.pulses,
            "started_at": instant(stored.started_at),
            "ended_at": instant(stored.ended_at),
            "duration_ms": stored.duration_ms,
            "age_ms": age,
            "offline": stored.offline,
            "price_per_litre": stored.price_per_litre,
            "amount": stored.amount,
        }
    )


def read(payload: bytes) -> dict[str, object]:
    """Read a JSON object with exact numbers. Raises Unreadable."""
    if len(payload) > LARGEST:
        raise Unreadable("too large")
    try:
        body = json.loads(payload, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    if not isinstance(body, dict):
        raise Unreadable("not an object")
    return body


def answer(payload: bytes) -> Allowed | Denied:
    """Read an authorize result. Raises Unreadable, also for an allow that bounds nothing."""
    body = read(payload)
    request_id = _text(body, "request_id")
    match body.get("decision"):
        case "deny":
            reason = body.get("reason")
            words = body.get("message")
            return Denied(request_id, str(reason or "unavailable"), str(words or ""))
        case "allow":
            return Allowed(_grant(body, request_id))
        case _:
            raise Unreadable("decision")


def _grant(body: dict[str, object], request_id: str) -> Grant:
    longest_s = _decimal(body, "max_duration_s")
    price = body.get("price_per_litre")
    visit_id = body.get("visit_id")
    most = _decimal(body, "max_volume_ml")
    if most is None:
        raise Unreadable("max_volume_ml")
    decided_at, expires_at = _instant(body, "at"), _instant(body, "expires_at")
    opens_for_ms = None
    if decided_at is not None and expires_at is not None:
        opens_for_ms = max(0, (expires_at - decided_at) // timedelta(milliseconds=1))
    return Grant(
        grant_id=_text(body, "grant_id"),
        request_id=request_id,
        card_uid="",
        max_volume_ml=most,
        visit_id=visit_id if isinstance(visit_id, str) else None,
        max_duration_ms=None if longest_s is None else int(longest_s * 1000),
        price_per_litre=price if type(price) is int else None,
        expires_at=expires_at,
        opens_for_ms=opens_for_ms,
        sync_timeout_s=_sync_timeout_s(body),
    )


def _sync_timeout_s(body: dict[str, object]) -> float | None:
    told = _decimal(body, "sync_timeout_s")
    least, most = SYNC_TIMEOUT_S
    return None if told is None else min(max(float(told), least), most)


def _text(body: dict[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(name)
    return value


def _decimal(body: dict[str, object], name: str) -> Decimal | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unreadable(name)
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise Unreadable(name) from error
    if not number.is_finite() or number < 0:
        raise Unreadable(name)
    return number


def _instant(body: dict[str, object], name: str) -> datetime | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Unreadable(name)
    try:
        read_at = datetime.fromisoformat(value)
    except ValueError as error:
        raise Unreadable(name) from error
    if read_at.tzinfo is None:
        raise Unreadable(name)
    return read_at
