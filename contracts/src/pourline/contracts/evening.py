"""Alerts, shifts and the POS queue: what is asked of their services and what they tell."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from pourline.contracts.base import (
    Amount,
    Command,
    Count,
    Event,
    Id,
    IdPage,
    Instant,
    Message,
    Name,
    NumberedPage,
    Query,
    StaffId,
    Text,
    Total,
    Volume,
)
from pourline.contracts.device import AlertSubject, Severity


class AlertState(StrEnum):
    """Where an alert is in its life."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Alert(Message):
    """An alert as staff and programs see it."""

    id: Id
    alert_id: Id
    severity: Severity
    kind: str
    title: str
    message: str
    subject: AlertSubject
    state: AlertState
    opened_at: Instant
    acknowledged_by: str | None = None
    resolved_at: Instant | None = None
    resolved_by: str | None = None
    comment: str | None = None
    priority: str | None = None
    suppressed_until: Instant | None = None


class ListAlerts(NumberedPage):
    """Alerts, newest first."""

    OWNER: ClassVar[str] = "alerts"
    NAME: ClassVar[str] = "alert.list"
    severity: Severity | None = None
    state: AlertState | None = None


class AcknowledgeAlert(Command):
    """Say that somebody has seen an alert and deals with it."""

    OWNER: ClassVar[str] = "alerts"
    NAME: ClassVar[str] = "alert.acknowledge"
    alert_id: Id
    comment: Text | None = None


class ResolveAlert(Command):
    """Say that an alert's cause is gone."""

    OWNER: ClassVar[str] = "alerts"
    NAME: ClassVar[str] = "alert.resolve"
    alert_id: Id
    comment: Text | None = None


class AlertChanged(Event):
    """Fields of every event about an alert."""

    PRODUCER: ClassVar[str] = "alerts"
    alert_id: Id
    kind: str
    severity: Severity
    location: StaffId
    actor: str | None = None
    at: Instant


class AlertOpened(AlertChanged):
    """Something needs a person."""

    TYPE: ClassVar[str] = "alert.opened"


class AlertAcknowledged(AlertChanged):
    """A person deals with it."""

    TYPE: ClassVar[str] = "alert.acknowledged"


class AlertResolved(AlertChanged):
    """It is over."""

    TYPE: ClassVar[str] = "alert.resolved"


class AlertRaised(AlertChanged):
    """It has become worse: `severity` is the new one."""

    TYPE: ClassVar[str] = "alert.raised"


class ShiftFigures(Message):
    """What happened in a shift so far."""

    pours: Count
    volume_ml: Volume
    revenue: Total
    topups: Total
    refunds: Total
    denials: Count


class ShiftMember(Message):
    """Somebody who works in a shift, from when, and until when where they have left."""

    name: str
    joined_at: Instant
    left_at: Instant | None = None


class Shift(Message):
    """A shift with its running figures.

    `business_day` is the day it counts for: the local one it opened on, of the day before where
    it opened before the bar's day begins. `members` work in it now, `team` has worked in it.
    """

    id: Id
    location: StaffId
    status: str
    opened_at: Instant
    opened_by: str
    opening_float: Amount
    closed_at: Instant | None = None
    members: list[str]
    figures: ShiftFigures
    late: ShiftFigures
    business_day: date | None = None
    team: list[ShiftMember] = Field(default_factory=list)


class OpenShift(Command):
    """Begin a shift."""

    OWNER: ClassVar[str] = "shift"
    NAME: ClassVar[str] = "shift.open"
    opening_float: Annotated[Amount, Field(ge=0)] = 0
    location: StaffId = "main"


class GetCurrentShift(Query):
    """The open shift."""

    OWNER: ClassVar[str] = "shift"
    NAME: ClassVar[str] = "shift.current"
    location: StaffId = "main"


class ListShifts(IdPage):
    """A location's closed shifts, the newest first; `weekday` 1 (Monday) to 7 keeps those of one.

    A shift is of the weekday of its business day.
    """

    OWNER: ClassVar[str] = "shift"
    NAME: ClassVar[str] = "shift.list"
    location: StaffId = "main"
    weekday: Annotated[int, Field(ge=1, le=7)] | None = None


class AddShiftMember(Command):
    """Have somebody work in a shift."""

    OWNER: ClassVar[str] = "shift"
    NAME: ClassVar[str] = "shift.add_member"
    shift_id: Id
    member: Name


class RemoveShiftMember(Command):
    """Have somebody leave a shift; what they did in it stays theirs."""

    OWNER: ClassVar[str] = "shift"
    NAME: ClassVar[str] = "shift.remove_member"
    shift_id: Id
    member: Name


class ShiftOpened(Event):
    """A shift began."""

    TYPE: ClassVar[str] = "shift.opened"
    PRODUCER: ClassVar[str] = "shift"
    shift_id: Id
    location: StaffId
    opened_by: str
    opened_at: Instant


class PosEvent(Message):
    """What the point of sale was told, or will be."""

    id: Id
    kind: str
    status: str
    adapter: str
    reference: str
    payload: dict[str, object]
    attempts: Count
    error: str | None = None
    created_at: Instant
    sent_at: Instant | None = None


class ListPosEvents(NumberedPage):
    """POS notifications, newest first."""

    OWNER: ClassVar[str] = "pos-adapter"
    NAME: ClassVar[str] = "event.list"
    status: Text | None = None


class MarkPosEventSent(Command):
    """Say that a person has told the point of sale."""

    OWNER: ClassVar[str] = "pos-adapter"
    NAME: ClassVar[str] = "event.sent"
    event_id: Id


class RetryPosEvent(Command):
    """Tell the point of sale again, at once."""

    OWNER: ClassVar[str] = "pos-adapter"
    NAME: ClassVar[str] = "event.retry"
    event_id: Id


class PosEventSent(Event):
    """A person has told the point of sale."""

    TYPE: ClassVar[str] = "pos.sent"
    PRODUCER: ClassVar[str] = "pos-adapter"
    event_id: Id
    kind: str
    adapter: str
    at: Instant


class PosEventsSent(Event):
    """The point of sale was told a batch, in this order."""

    TYPE: ClassVar[str] = "pos.batch_sent"
    PRODUCER: ClassVar[str] = "pos-adapter"
    event_ids: list[Id]
    adapter: str
    at: Instant


class PosEventFailed(Event):
    """The point of sale refused a notification again and again; a person must look."""

    TYPE: ClassVar[str] = "pos.failed"
    PRODUCER: ClassVar[str] = "pos-adapter"
    event_id: Id
    kind: str
    reference: str
    adapter: str
    error: str
    at: Instant


class PosFailing(Event):
    """The point of sale has not answered for a while; `waiting` notifications are queued.

    Of more than a thousand only a thousand are counted.
    """

    TYPE: ClassVar[str] = "pos.failing"
    PRODUCER: ClassVar[str] = "pos-adapter"
    adapter: str
    error: str
    since: Instant
    waiting: Count
    at: Instant


class PosRecovered(Event):
    """The point of sale answers again."""

    TYPE: ClassVar[str] = "pos.recovered"
    PRODUCER: ClassVar[str] = "pos-adapter"
    adapter: str
    since: Instant
    at: Instant
