"""What reading a vendor's payload gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Fields = Mapping[str, Any]
"""A JSON object's fields, those that are null left out."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A payload as the contract's fields, and its instant as the device sent it.

    The instant is part of what a device signs over MQTT. `is_own` says that the payload is a
    vendor's own, whose other names mean what they like.
    """

    fields: Fields
    sent_at: object = ""
    is_own: bool = False
