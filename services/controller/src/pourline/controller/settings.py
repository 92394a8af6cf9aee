"""What the controller and the simulator are told from outside: arguments and environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pourline.controller.domain import Backoff, Rules
from pourline.controller.link import Broker

SYNC_TIMEOUT_S: Final = (60, 300)
"""Least and most seconds after which staff are shown a pour without an answer (SY-4)."""
TAP_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
POUR_BACKOFF: Final = Backoff(first_s=2.0, cap_s=30.0)


@dataclass(frozen=True, slots=True)
class TapConfig:
    """Which tap this is, how it pours and whom it tells.

    `overdue_s` is its own sync timeout; where it has none the bar's counts, once it was told.
    """

    tap_id: str
    secret: str = field(repr=False)
    broker: Broker
    location: str = "main"
    rules: Rules = field(default_factory=Rules)
    overdue_s: float | None = None
    backoff: Backoff = POUR_BACKOFF

    def topic(self, name: str) -> str:
        """Return the name of one of this tap's topics."""
        return f"bar/{self.location}/tap/{self.tap_id}/{name}"


def checked_id(value: str) -> str:
    """Return the id of a tap or location. Raises ValueError: a space in a topic loops for ever."""
    if not TAP_ID.fullmatch(value):
        raise ValueError(f"not an id of letters, digits, _ and -: {value!r}")
    return value


def checked_sync_timeout_s(seconds: float) -> float:
    """Return a sync timeout in seconds. Raises ValueError outside one to five minutes."""
    least, most = SYNC_TIMEOUT_S
    if not least <= seconds <= most:
        raise ValueError(f"the sync timeout is {least} to {most} s, not {seconds}")
    return seconds


@dataclass(frozen=True, slots=True)
class BarAddress:
    """Where the bar answers; the `pourline` command sets these from its data directory."""

    http_url: str
    mqtt_url: str
    token: str = field(repr=False)
    data_dir: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "BarAddress":
        """Read POURLINE_HTTP_URL, POURLINE_MQTT_URL, POURLINE_TOKEN and POURLINE_DATA_DIR."""
        return cls(
            http_url=environment.get("POURLINE_HTTP_URL", "http://127.0.0.1:8080"),
            mqtt_url=environment.get("POURLINE_MQTT_URL", "mqtt://127.0.0.1:1883"),
            token=environment.get("POURLINE_TOKEN", ""),
            data_dir=Path(environment.get("POURLINE_DATA_DIR", ".")),
        )
