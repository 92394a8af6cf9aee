"""Taps, devices, staff and configuration: what is asked of auth-lock and what it tells."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AliasChoices, Field, StringConstraints, WithJsonSchema

from pourline.contracts.base import (
    Command,
    Count,
    Event,
    Id,
    IdPage,
    Instant,
    Message,
    Name,
    Page,
    Price,
    Quantity,
    Query,
    StaffId,
    Text,
    Volume,
)
from pourline.contracts.cards import AS_PRINTED, READER_PROFILES
from pourline.contracts.device import TapState


def _known_reader(name: str) -> str:
    if name not in READER_PROFILES:
        raise ValueError(f"must be one of {', '.join(READER_PROFILES)}")
    return name


ReaderProfileName = Annotated[
    str,
    AfterValidator(_known_reader),
    WithJsonSchema({"type": "string", "enum": list(READER_PROFILES)}),
]
"""How a tap's reader writes a card's UID (`contracts.cards`)."""

Level = Annotated[int, Field(strict=True, ge=1, le=5)]
Password = Annotated[str, StringConstraints(min_length=8, max_length=200)]


class Tap(Message):
    """A tap as programs rely on it."""

    id: StaffId
    name: str
    location: StaffId
    beverage_id: Id | None = None
    beverage: str | None = None
    price_per_litre: Price | None = None
    keg_id: Id | None = None
    remaining_ml: Volume | None = None
    volume_ml: Volume | None = None
    state: TapState
    reason: str | None = None
    online: bool
    pending_sync: Count
    valve: str | None = None
    locked_by_visit: Id | None = None
    guest_name: str | None = None
    lock_set_at: Instant | None = None
    reader_profile: str = AS_PRINTED
    gas: bool = False
    cleaned_at: Instant | None = None
    cleaning_due_at: Instant | None = None


class TapWithSecret(Tap):
    """The answer to a new tap: the only time its secret is shown."""

    secret: str


class CreateTap(Command):
    """Register a tap and its controller's credential."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "tap.create"
    id: StaffId
    name: Name
    beverage_id: Id | None = None
    location: StaffId = "main"
    reader_profile: ReaderProfileName = AS_PRINTED


class ListTaps(Page):
    """All taps."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "tap.list"
    cursor: StaffId | None = None


class GetTap(Query):
    """One tap."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "tap.get"
    tap_id: Id


class TapOrder(Command):
    """What staff order a tap to be; each order has its own end point."""

    OWNER: ClassVar[str] = "auth-lock"
    tap_id: Id
    reason: Name


class StopTap(TapOrder):
    """Keep a tap's valve shut until it is resumed."""

    NAME: ClassVar[str] = "tap.stop"


class ResumeTap(TapOrder):
    """Let a stopped, cleaned or maintained tap pour again."""

    NAME: ClassVar[str] = "tap.resume"


class CleanTap(TapOrder):
    """Take a tap out of service for line cleaning."""

    NAME: ClassVar[str] = "tap.clean"


class ResetTapSync(TapOrder):
    """Declare a tap's pending pours settled; stands until a newer status."""

    NAME: ClassVar[str] = "tap.reset_sync"


class ReportFoam(Command):
    """Say, as the guest at a tap, that it pours foam; staff are told."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "tap.report_foam"
    tap_id: Id


class FoamReported(Event):
    """A guest says that a tap pours foam; `visit_id` is the visit that holds it, if one does."""

    TYPE: ClassVar[str] = "tap.foam_reported"
    PRODUCER: ClassVar[str] = "auth-lock"
    tap_id: StaffId
    location: StaffId
    visit_id: Id | None = None
    at: Instant


class TapRegistered(Event):
    """A tap exists."""

    TYPE: ClassVar[str] = "tap.registered"
    PRODUCER: ClassVar[str] = "auth-lock"
    tap_id: StaffId
    name: str
    location: StaffId
    beverage_id: Id | None = None
    reader_profile: str = AS_PRINTED


class TapStateChanged(Event):
    """A tap's state, link or valve is another one."""

    TYPE: ClassVar[str] = "tap.state_changed"
    PRODUCER: ClassVar[str] = "auth-lock"
    tap_id: StaffId
    location: StaffId
    state: TapState
    online: bool
    pending_sync: Count
    valve: str | None = None
    lifetime_pulses: Count | None = None
    reason: str | None = None
    stop_unconfirmed: bool = False
    was_ever_online: bool = True
    at: Instant


class SpoutDevice(Message):
    """A spout's device record, and in the list how it is, as keg-fifo knows it."""

    id: Id
    name: str
    vendor: str
    location: StaffId
    active: bool
    created_at: Instant
    online: bool | None = None
    battery_pct: Quantity | None = None
    rssi_dbm: int | None = None
    firmware: str | None = None
    last_seen_at: Instant | None = None


class SpoutDeviceWithSecret(SpoutDevice):
    """The answer to a new or rotated spout: the only time its secret is shown."""

    secret: str


class RegisterSpout(Command):
    """Register a spout and make its 64 hex characters of secret."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "spout.register"
    name: Name
    vendor: Name
    location: Annotated[
        StaffId,
        Field(
            validation_alias=AliasChoices("branchId", "branch_id", "location"),
            serialization_alias="branchId",
        ),
    ] = "main"


class ListSpouts(IdPage):
    """All spouts."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "spout.list"


class RotateSpoutSecret(Command):
    """Give a spout another secret."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "spout.rotate_secret"
    device_id: Id


class DeactivateSpout(Command):
    """Refuse a spout from now on."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "spout.deactivate"
    device_id: Id


class GetSpoutKeys(Query):
    """The keys that verify a spout's signatures; only keg-fifo may ask."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "spout.keys"
    device_id: Id


class SpoutKeys(Message):
    """A spout's valid secrets, newest first, and whether it may speak at all."""

    device_id: Id
    vendor: str
    location: StaffId
    active: bool
    secrets: list[str]


class SpoutChanged(Event):
    """A spout was registered, rotated or deactivated; its secret is never in an event."""

    TYPE: ClassVar[str] = "spout.changed"
    PRODUCER: ClassVar[str] = "auth-lock"
    device_id: Id
    name: str
    vendor: str
    location: StaffId
    active: bool


class Login(Command):
    """Exchange a name and a password for a token."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "staff.login"
    username: Name
    password: Annotated[str, StringConstraints(max_length=200)]


class Session(Message):
    """A bearer token and what it allows."""

    token: str
    expires_at: Instant
    level: int


class CreateStaff(Command):
    """Give a member of staff an account."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "staff.create"
    username: Name
    password: Password
    level: Level


class Staff(Message):
    """A member of staff."""

    id: Id
    username: str
    level: int
    active: bool = True
    has_pin: bool = False


class ConfigEntry(Message):
    """One configuration value."""

    key: str
    value: Any


class ListConfig(Page):
    """Every configuration key and its value."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "config.list"
    cursor: Text | None = None


class GetConfig(Query):
    """One configuration value."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "config.get"
    key: Text


class PutConfig(Command):
    """Set one configuration value."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "config.put"
    key: Text
    value: Any


class ConfigChanged(Event):
    """A configuration value is another one."""

    TYPE: ClassVar[str] = "config.changed"
    PRODUCER: ClassVar[str] = "auth-lock"
    key: str
    value: Any
