"""Spouts beside their pours: how vendors write them, how devices are, what is not as usual.

How a vendor's payload is read is data that staff put under a config key; a misspelt field of it
is refused, never ignored: it would be a drink that is not counted.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, StringConstraints

from pourline.contracts.base import (
    Command,
    Count,
    Event,
    Id,
    Instant,
    Message,
    Quantity,
    QuantitySum,
    Query,
    StaffId,
    TimedPage,
    Volume,
)
from pourline.contracts.device import SpoutStatus

MAP_KEY = r"spout_map\.[A-Za-z0-9_-]{1,64}"
"""The configuration key of a map; its last part is the vendor that devices name."""
MAP_PREFIX = "spout_map."

FieldPath = Annotated[
    str, StringConstraints(pattern=r"^[^.\x00]{1,64}(\.[^.\x00]{1,64}){0,9}$", max_length=200)
]
"""Where a value stands: names from the outside in, dots between; a number is a place in a list."""


class TimeFormat(StrEnum):
    """How a vendor writes an instant."""

    RFC3339 = "rfc3339"
    EPOCH_S = "epoch_s"
    EPOCH_MS = "epoch_ms"


class PulsesAt(Message):
    """Where the count stands, and how many pulses one of its units is.

    A vendor of volumes has `scale` 1000 on millilitres: a pulse is then a microlitre, and the
    calibration says 0.001 ml a pulse.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: FieldPath
    scale: Annotated[Quantity, Field(gt=0, le=10**6)] = Decimal(1)


class InstantAt(Message):
    """Where the instant of a pour stands, and how it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: FieldPath
    format: TimeFormat = TimeFormat.RFC3339


class SpoutMap(Message):
    """Where in a vendor's payload the fields of a spout event stand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pulses: PulsesAt
    event_id: FieldPath | None = None
    occurred_at: InstantAt | None = None
    channel: FieldPath | None = None
    signature: FieldPath | None = None


class IngestSpoutPour(Command):
    """A spout's pour that came by HTTP; the signature was made over the raw body."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "spout.ingest"
    device_id: Id
    body: str
    signature: str | None = None


class ListSpoutEvents(TimedPage):
    """Spout pours, newest first."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "spout.events"
    device_id: Annotated[Id | None, Field(alias="deviceId")] = None
    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None


class SpoutEvent(Message):
    """A spout's pour as kept."""

    event_id: Id
    device_id: Id
    channel: int
    pulses: int
    item_id: Id | None = None
    volume_ml: Volume | None = None
    status: SpoutStatus
    reason: str | None = None
    occurred_at: Instant
    received_at: Instant


class ListSpoutHealth(Query):
    """How some spouts are."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "spout.health"
    device_ids: Annotated[list[Id], Field(max_length=1000)]


class SpoutHealthRow(Message):
    """How a spout is, as far as it told; `online` false after a silence, too."""

    device_id: Id
    online: bool
    battery_pct: Quantity | None = None
    rssi_dbm: int | None = None
    firmware: str | None = None
    last_seen_at: Instant | None = None


class SpoutsHealth(Message):
    """The spouts that were asked for and are known, in order of id."""

    items: list[SpoutHealthRow]


class SpoutHealthChanged(Event):
    """A spout came or went, fell silent, or its battery is low or is not any more.

    `online` is false for a spout that said so, whose will did, or that was silent for too long
    (`silent`). Told on change only.
    """

    TYPE: ClassVar[str] = "spout.health_changed"
    PRODUCER: ClassVar[str] = "keg-fifo"
    device_id: Id
    name: str
    location: StaffId
    online: bool
    silent: bool
    battery_low: bool
    battery_pct: Quantity | None = None
    rssi_dbm: int | None = None
    firmware: str | None = None
    last_seen_at: Instant | None = None
    at: Instant


class SpoutPourMissed(Event):
    """A spout's meter counted more than the spout reported: it ran and no pour told of it.

    `volume_ml` goes by what its pours were worth. Told once for each growth.
    """

    TYPE: ClassVar[str] = "spout.pour_missed"
    PRODUCER: ClassVar[str] = "keg-fifo"
    device_id: Id
    name: str
    location: StaffId
    volume_ml: Volume
    pulses: Count
    lifetime_pulses: Count
    at: Instant


class AnomalyKind(StrEnum):
    """In what way pours are not as usual."""

    UNUSUAL_SIZE = "unusual_size"
    UNUSUAL_HOUR = "unusual_hour"
    NO_SALE = "no_sale"
    CALIBRATION_DRIFT = "calibration_drift"


class PourAnomaly(Event):
    """Pours of a spout, or of an item, are not as usual; `explanation` says it in words.

    `figures` are the numbers behind the words. `occurred_at` is when it happened, or ended.
    Told once for each kind, device or item, and day of business.
    """

    TYPE: ClassVar[str] = "pour.anomaly"
    PRODUCER: ClassVar[str] = "keg-fifo"
    anomaly_id: Id
    kind: AnomalyKind
    device_id: Id | None = None
    channel: int | None = None
    tap_id: StaffId | None = None
    item_id: Id | None = None
    name: str
    location: StaffId = "main"
    explanation: str
    figures: dict[str, QuantitySum]
    occurred_at: Instant
    at: Instant
