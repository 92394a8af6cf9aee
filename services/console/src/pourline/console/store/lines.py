"""One tap on the board, and what each event makes of it: functions of values, no I/O."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import singledispatch

from pourline.contracts.base import Event
from pourline.contracts.cellar import KegConnected, KegDisconnected, KegLevelChanged
from pourline.contracts.device import FlowReport
from pourline.contracts.guests import LockReleased, LockTaken
from pourline.contracts.money import PourAccepted, PourHeld
from pourline.contracts.taps import Tap, TapStateChanged

FLOW_FRESH = timedelta(seconds=3)
"""A pouring tap tells its flow once a second; three missed reports are no pour."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What ran so far, by the tap's own word."""

    volume_ml: Decimal
    grant_id: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class LastPour:
    """The pour that ended last at a tap."""

    volume_ml: Decimal
    amount: int
    ended_at: datetime


@dataclass(frozen=True, kw_only=True)
class TapLine:
    """A tap as its owner tells it, and what is live about it."""

    tap: Tap
    grant_id: str | None = None
    settled_grant_id: str | None = None
    flow: Flow | None = None
    last_pour: LastPour | None = None

    def pours(self, now: datetime) -> bool:
        """Return whether beer runs right now."""
        return self.flow is not None and now - self.flow.at <= FLOW_FRESH

    def shown_flow(self, now: datetime) -> Flow | None:
        """Return the flow worth showing: fresh, or of the guest who still holds the tap."""
        if self.pours(now) or self.tap.locked_by_visit:
            return self.flow
        return None


def with_snapshot(line: TapLine | None, tap: Tap) -> TapLine:
    """Take the owner's word on a tap and keep what only the board knows."""
    if line is None:
        return TapLine(tap=tap)
    if tap.locked_by_visit and tap.locked_by_visit == line.tap.locked_by_visit:
        return replace(line, tap=tap)
    return replace(line, tap=tap, grant_id=None)


def with_flow(line: TapLine, report: FlowReport, now: datetime) -> TapLine:
    """Show what runs; a late report of a pour that is in the books already changes nothing."""
    if report.grant_id and report.grant_id == line.settled_grant_id:
        return line
    flow = Flow(volume_ml=report.volume_ml, grant_id=report.grant_id, at=now)
    return replace(line, flow=flow)


def with_price(line: TapLine, price_per_litre: int) -> TapLine:
    """Show another price."""
    return _changed(line, price_per_litre=price_per_litre)


@singledispatch
def after(event: Event, line: TapLine) -> TapLine:
    """Return the line after an event about its tap; events that mean nothing here change nothing.

    Every rule sets values and counts none, so that an event may be taken in again over a snapshot
    that was made before it.
    """
    del event
    return line


@after.register
def _(event: LockTaken, line: TapLine) -> TapLine:
    same = line.grant_id == event.grant_id
    taken = _changed(
        line,
        locked_by_visit=event.visit_id,
        guest_name=event.guest_name,
        lock_set_at=event.lock_set_at,
    )
    return replace(taken, grant_id=event.grant_id, flow=line.flow if same else None)


@after.register
def _(event: LockReleased, line: TapLine) -> TapLine:
    if line.grant_id not in {None, event.grant_id}:
        return line
    if line.tap.locked_by_visit not in {None, event.visit_id}:
        return line
    freed = _changed(line, locked_by_visit=None, guest_name=None, lock_set_at=None)
    return _settled(replace(freed, grant_id=None), event.grant_id)


@after.register
def _(event: PourAccepted, line: TapLine) -> TapLine:
    poured = LastPour(volume_ml=event.volume_ml, amount=event.amount, ended_at=event.ended_at)
    known = line.last_pour
    if event.volume_ml > 0 and (known is None or known.ended_at <= poured.ended_at):
        line = replace(line, last_pour=poured)
    return _settled(line, event.settles_grant_id)


@after.register
def _(event: PourHeld, line: TapLine) -> TapLine:
    return _settled(line, event.settles_grant_id)


@after.register
def _(event: TapStateChanged, line: TapLine) -> TapLine:
    return _changed(
        line,
        state=event.state,
        online=event.online,
        pending_sync=event.pending_sync,
        valve=event.valve,
        reason=event.reason,
    )


@after.register
def _(event: KegConnected, line: TapLine) -> TapLine:
    return _changed(
        line,
        keg_id=event.keg_id,
        beverage_id=event.beverage_id,
        beverage=event.beverage_name,
        volume_ml=event.volume_ml,
        remaining_ml=event.remaining_ml,
    )


@after.register
def _(event: KegDisconnected, line: TapLine) -> TapLine:
    if line.tap.keg_id not in {None, event.keg_id}:
        return line
    return _changed(line, keg_id=None, volume_ml=None, remaining_ml=None)


@after.register
def _(event: KegLevelChanged, line: TapLine) -> TapLine:
    if line.tap.keg_id not in {None, event.keg_id}:
        return line
    return _changed(
        line,
        keg_id=event.keg_id,
        volume_ml=event.volume_ml,
        remaining_ml=event.remaining_ml,
    )


def _settled(line: TapLine, grant_id: str | None) -> TapLine:
    """Stop showing the flow that a pour or a release ended."""
    if line.flow is not None and line.flow.grant_id == grant_id:
        line = replace(line, flow=None)
    return replace(line, settled_grant_id=grant_id or line.settled_grant_id)


def _changed(line: TapLine, **fields: object) -> TapLine:
    return replace(line, tap=line.tap.model_copy(update=fields))
