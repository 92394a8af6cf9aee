"""What a spout's message says: its fields checked, what was signed, its id and its instant."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from pourline.contracts.device import SpoutPour
from pourline.contracts.taps import SpoutKeys
from pourline.keg_fifo import domain
from pourline.keg_fifo.domain import SpoutReport
from pourline.keg_fifo.errors import UnreadablePour
from pourline.kit.errors import first_fault

NOT_CONTENT = {"age_ms", "signature", "event_id"}
"""What may differ between sendings of the same pour; its id tells which one it is."""


def fields_of(payload: bytes) -> dict[str, Any]:
    """Return a JSON object's fields, those that are null left out; raises `UnreadablePour`."""
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise UnreadablePour("message is no JSON") from error
    if not isinstance(found, dict):
        raise UnreadablePour("message is no JSON object")
    return {name: value for name, value in found.items() if value is not None}


def parse(fields: Mapping[str, Any]) -> SpoutPour:
    """Return the pour that a message's fields are; raises `UnreadablePour`."""
    try:
        pour = SpoutPour.model_validate_json(orjson.dumps(fields))
    except ValidationError as error:
        raise UnreadablePour(first_fault(error)) from error
    except orjson.JSONEncodeError as error:
        raise UnreadablePour("message is nested too deeply") from error
    if pour.event_id is None and pour.occurred_at is None:
        raise UnreadablePour("event_id: is required when occurred_at is absent")
    if "\0" in (pour.event_id or ""):
        raise UnreadablePour("event_id: is no text")
    return pour


def signed_text(device: str, pour: SpoutPour, sent_at: object) -> bytes:
    """Return what a spout signs (contract, "Spouts"); the instant is taken as it was sent."""
    parts = ("v1", device, pour.event_id or "", pour.channel, pour.pulses, sent_at)
    return ":".join(str(part) for part in parts).encode()


def report_of(pour: SpoutPour, keys: SpoutKeys, received_at: datetime) -> SpoutReport:
    """Return an admitted device's pour, with its id and its instant.

    `age_ms` wins over the device's clock, as for taps; without either it happened at receipt.
    """
    device_id = UUID(keys.device_id)
    event_id = pour.event_id
    if event_id is None and pour.occurred_at:
        event_id = domain.default_event_id(device_id, pour.occurred_at, pour.channel, pour.pulses)
    return SpoutReport(
        device_id=device_id,
        vendor=keys.vendor,
        location=keys.location,
        event_id=event_id or "",
        channel=pour.channel,
        pulses=pour.pulses,
        occurred_at=_occurred_at(pour, received_at),
        received_at=received_at,
        digest=hashlib.sha256(
            pour.model_dump_json(exclude=NOT_CONTENT, exclude_none=True).encode()
        ).digest(),
    )


def _occurred_at(pour: SpoutPour, received_at: datetime) -> datetime:
    if pour.age_ms is None:
        return pour.occurred_at or received_at
    try:
        return received_at - timedelta(milliseconds=pour.age_ms)
    except OverflowError as error:
        raise UnreadablePour("age_ms: is before all time") from error
