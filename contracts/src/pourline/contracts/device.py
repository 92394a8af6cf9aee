"""What devices say and hear over MQTT (the outer contract, section 2). Fixed: it only grows."""

import math
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from pourline.contracts.base import (
    VOLUME_ML_MAX,
    Amount,
    Count,
    EchoedId,
    Id,
    Instant,
    Message,
    Price,
    Quantity,
    Ratio,
    ShortId,
    Text,
    Total,
    Volume,
)

PAYLOAD_BYTES_MAX = 8 * 1024
"""A device message beyond this is rejected (contract 1)."""


def _none_waits(value: object) -> object:
    """Return what a null stands for: nothing waits."""
    return 0 if value is None else value


def _whole(value: object) -> object:
    """Return a number without a fraction as an integer, as some languages write none."""
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return int(value)
    return value


def _bounded(value: object) -> object:
    """Return a volume beyond all volumes as the largest there is: a person looks at it anyway."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or value != value:  # noqa: PLR0124 what is not a number is not itself
        return value
    return max(min(value, VOLUME_ML_MAX), -VOLUME_ML_MAX)


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _no_longer_than_a_card(text: str) -> str:
    """Cut what is longer than any card's id, so that it stays none."""
    return text if len(text) <= CARD_CHARACTERS_MAX else f"{text[: CARD_CHARACTERS_MAX - 1]}\u2026"


CARD_CHARACTERS_MAX = 64
CardText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=CARD_CHARACTERS_MAX),
    AfterValidator(_storable),
]
PouredCard = Annotated[str, AfterValidator(_storable), AfterValidator(_no_longer_than_a_card)]
"""The card that a pour names; its volume is taken in whatever the text is."""
PouredVolume = Annotated[Volume, BeforeValidator(_bounded)]
Whole = BeforeValidator(_whole)
ReadCard = Annotated[str, AfterValidator(_storable)]
"""Whatever a reader said; what is no card's UID is answered `unreadable_card`, not refused."""


class Decision(StrEnum):
    """The answer to a card."""

    ALLOW = "allow"
    DENY = "deny"


class DenyReason(StrEnum):
    """Why a card was refused."""

    UNKNOWN_CARD = "unknown_card"
    LOST_CARD = "lost_card"
    NO_ACTIVE_VISIT = "no_active_visit"
    CARD_IN_USE = "card_in_use"
    TAP_IN_USE = "tap_in_use"
    TAP_NOT_ACTIVE = "tap_not_active"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    LIMIT_REACHED = "limit_reached"
    AGE_NOT_VERIFIED = "age_not_verified"
    CUT_OFF = "cut_off"
    UNREADABLE_CARD = "unreadable_card"
    BAD_REQUEST = "bad_request"
    UNAVAILABLE = "unavailable"


class PourStatus(StrEnum):
    """What became of a pour."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    RECONCILED = "reconciled"
    MISMATCH = "mismatch"
    HELD = "held"
    REJECTED = "rejected"


class TapState(StrEnum):
    """Whether a tap may pour, and why not."""

    ACTIVE = "active"
    PROCESSING_SYNC = "processing_sync"
    OUT_OF_KEG = "out_of_keg"
    MAINTENANCE = "maintenance"
    CLEANING = "cleaning"
    STOPPED = "stopped"


class Severity(StrEnum):
    """How much an alert matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AuthorizeRequest(Message):
    """`tap/{tap}/authorize`: a card lies on the reader. `age_ms`: how long ago it was asked."""

    request_id: Id
    card_uid: ReadCard
    at: Instant | None = None
    age_ms: Annotated[int, Field(strict=True, ge=0), Whole] | None = None
    traceparent: str | None = None


class AuthorizeResult(Message):
    """`tap/{tap}/authorize/result`: allow with a grant, or deny with a reason for the guest.

    `at` is when an allow was decided, by the clock that made `expires_at`: a device whose own clock
    is wrong counts the time between the two from its question. `sync_timeout_s` is the bar's own:
    after so long without an answer a device shows its pour for staff to enter.
    """

    request_id: EchoedId
    decision: Decision
    reason: str
    message: str
    grant_id: Id | None = None
    visit_id: Id | None = None
    guest_name: str | None = None
    balance: Total | None = None
    currency: str | None = None
    price_per_litre: Price | None = None
    max_volume_ml: Volume | None = None
    max_duration_s: int | None = None
    expires_at: Instant | None = None
    sync_timeout_s: int | None = None
    at: Instant | None = None


class FlowReport(Message):
    """`tap/{tap}/flow`: what ran so far; best effort, never a record."""

    grant_id: Id | None = None
    volume_ml: Volume
    pulses: Count
    rate_ml_s: Volume


class PourReport(Message):
    """`tap/{tap}/pour`: one ended pour, the device's word on volume and time.

    `age_ms` counts from the pour's end and is made anew at each sending; `duration_ms` is the
    time the beer ran.
    """

    client_tx_id: Id
    short_id: ShortId
    grant_id: Id | None = None
    request_id: Id | None = None
    visit_id: Id | None = None
    card_uid: PouredCard | None = None
    volume_ml: PouredVolume
    pulses: Annotated[int, Field(strict=True), Whole] | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    duration_ms: Annotated[int, Field(strict=True, le=2**53), Whole] | None = None
    age_ms: Annotated[int, Field(strict=True, le=2**53), Whole] | None = None
    offline: Annotated[bool, Field(strict=True)] | None = None
    price_per_litre: Price | None = None
    amount: Amount | None = None
    traceparent: str | None = None


class PourResult(Message):
    """`tap/{tap}/pour/result`: the ledger's word; any status lets the device forget the pour."""

    client_tx_id: EchoedId | None
    status: PourStatus
    amount: Amount | None = None
    balance: Total | None = None
    reason: str | None = None


class TapStatus(Message):
    """`tap/{tap}/status` (retained, last will): how the device is.

    `gas`: the meter ran as it does when the keg has blown empty; the valve was shut for it.
    """

    online: Annotated[bool, Field(strict=True)]
    at: Instant | None = None
    firmware: Text | None = None
    pending_sync: Annotated[Count, BeforeValidator(_none_waits)] = 0
    valve: Annotated[str, StringConstraints(pattern="^(open|closed)$")] | None = None
    temperature_c: Quantity | None = None
    lifetime_pulses: Count | None = None
    gas: Annotated[bool, Field(strict=True)] | None = None


class TapStateReport(Message):
    """`tap/{tap}/state` (retained): whether this tap may pour."""

    state: TapState
    beverage: str | None = None
    price_per_litre: Price | None = None
    keg_id: Id | None = None
    remaining_ml: Volume | None = None
    reason: str | None = None


class TapCommand(Message):
    """`tap/{tap}/command`: what the tap must do now."""

    command_id: Id
    command: str
    text: str | None = None
    volume_ml: Volume | None = None
    amount: Amount | None = None


class SpoutPour(Message):
    """`spout/{device}/pour`: pulses of one measured drink."""

    pulses: Annotated[int, Field(strict=True, ge=0, le=10**9), Whole]
    occurred_at: Instant | None = None
    age_ms: Annotated[int, Field(strict=True, ge=0, le=2**53), Whole] | None = None
    event_id: Id | None = None
    channel: Annotated[int, Field(strict=True, ge=0, le=255), Whole] = 0
    signature: Text | None = None


class SpoutStatus(StrEnum):
    """What became of a spout's pour."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    UNCALIBRATED = "uncalibrated"
    REJECTED = "rejected"


class SpoutPourResult(Message):
    """`spout/{device}/pour/result`."""

    event_id: EchoedId | None
    status: SpoutStatus
    volume_ml: Volume | None = None
    reason: str | None = None


class SpoutHealth(Message):
    """`spout/{device}/health` (retained, last will)."""

    online: Annotated[bool, Field(strict=True)]
    battery_pct: Ratio | Annotated[int, Field(ge=0, le=100)] | None = None
    rssi_dbm: int | None = None
    firmware: Text | None = None
    lifetime_pulses: Count | None = None
    at: Instant | None = None


class AlertSubject(Message):
    """What an alert is about."""

    type: str
    id: str


class AlertMessage(Message):
    """`alerts/{severity}/{alert_id}` (retained until resolved)."""

    alert_id: Id
    severity: Severity
    kind: str
    title: str
    message: str
    subject: AlertSubject
    state: str
    opened_at: Instant
    acknowledged_by: str | None = None
    comment: str | None = None
    priority: str | None = None
