"""Closing shifts: what stands in the way, the fence before new visits, and the report."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from pourline.contracts.base import (
    Amount,
    Command,
    Count,
    Event,
    Id,
    Instant,
    Message,
    Name,
    QuantitySum,
    Query,
    StaffId,
    Text,
    Total,
    Volume,
)
from pourline.contracts.evening import Alert, Shift
from pourline.contracts.guests import Visit

BLOCKERS_NAMED = 100
"""So many ids are named of each kind of blocker; `count` says how many there are."""
IDLE_AT_ONCE_MAX = 40
"""Visits closed by one order: their answer fits in one message."""


class BlockerCode(StrEnum):
    """What stands in the way of closing a shift."""

    ACTIVE_VISITS = "active_visits"
    PENDING_SYNC = "pending_sync"
    HELD_POURS = "held_pours"


class Blocker(Message):
    """One kind of thing that stands in the way: visits, taps or pours, by id."""

    code: BlockerCode
    count: Annotated[int, Field(ge=0)]
    ids: list[str]


class FenceVisits(Command):
    """Let no visit open for `for_s` seconds, and say what is open now.

    `attempt_id` names who fences; each lifts its own fence.
    """

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.fence"
    attempt_id: Id
    for_s: Annotated[int, Field(ge=1, le=60)] = 30


class LiftFence(Command):
    """Let visits open again."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.lift_fence"
    attempt_id: Id


class GetBlockers(Query):
    """What stands in the way, as far as auth-lock knows: active visits, taps with pours to sync."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.blockers"


class Blockers(Message):
    """What stands in the way; kinds of which there is none are left out."""

    blockers: list[Blocker]


class Lifted(Message):
    """The answer to a fence that was lifted."""

    attempt_id: Id


class GetHeldPours(Query):
    """Pours that wait for a person, and the newest events that a shift's figures are made of."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "pour.held"


class HeldPours(Message):
    """`newest` are ids of events: who has taken them in knows everything booked so far."""

    blockers: list[Blocker]
    newest: list[Id]


class CloseIdleVisits(Command):
    """Close every visit that holds no tap, the oldest first, so many at a time."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.close_idle"
    reason: Name
    limit: Annotated[int, Field(ge=1, le=IDLE_AT_ONCE_MAX)] = IDLE_AT_ONCE_MAX


class IdleVisitsClosed(Message):
    """The answer: visits that were closed, those that hold a tap, and how many idle ones remain."""

    items: list[Visit]
    left: list[Id]
    remaining: Count


class GetPrecheck(Query):
    """Whether a shift can close, and why not."""

    OWNER: ClassVar[str] = "shift"
    NAME: ClassVar[str] = "shift.precheck"
    shift_id: Id


class Precheck(Message):
    """What stands in the way of closing; alerts are shown and stand in nobody's way."""

    can_close: bool
    blockers: list[Blocker]
    alerts: list[Alert]


class CloseShift(Command):
    """End a shift: who closes has looked at the equipment, and may have counted the cash."""

    OWNER: ClassVar[str] = "shift"
    NAME: ClassVar[str] = "shift.close"
    shift_id: Id
    equipment_checked: Annotated[bool, Field(strict=True)]
    counted_cash: Annotated[Amount, Field(ge=0)] | None = None
    comment: Text | None = None


class GetShiftReport(Query):
    """What happened in a shift."""

    OWNER: ClassVar[str] = "shift"
    NAME: ClassVar[str] = "shift.report"
    shift_id: Id


class ReportLine(Message):
    """One line of a report.

    `bucket`: own or late. `by`: tap, beverage, method of paying, member, item or reason of a
    denial; `what`: pours, topups, refunds, corrections, manual_entries, denials, sales or
    discrepancies; `key` names it. `quantity` is what counts found beside what was expected, in the
    item's unit.
    """

    bucket: str
    by: str
    key: str
    what: str
    count: Count
    volume_ml: Volume
    amount: Total
    quantity: QuantitySum = Decimal(0)


class ShiftReport(Shift):
    """A shift's figures, its own and what came late, line by line; money in minor units.

    `cash_expected` is the opening float and what was paid in less what was paid back in cash.
    """

    closed_by: str | None = None
    comment: str | None = None
    cash_expected: Total
    counted_cash: Total | None = None
    cash_difference: Total | None = None
    alerts_opened: Count = 0
    lines: list[ReportLine]


class ShiftClosed(Event):
    """A shift ended."""

    TYPE: ClassVar[str] = "shift.closed"
    PRODUCER: ClassVar[str] = "shift"
    shift_id: Id
    location: StaffId
    attempt_id: Id
    closed_by: str
    closed_at: Instant


class ShiftReopened(Event):
    """A shift that was to close goes on: something stood in the way, or nobody finished it."""

    TYPE: ClassVar[str] = "shift.reopened"
    PRODUCER: ClassVar[str] = "shift"
    shift_id: Id
    location: StaffId
    why: str
    at: Instant
