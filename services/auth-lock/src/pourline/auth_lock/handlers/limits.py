"""Limits: profiles, letting a visit go on, cutting a guest off."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from pourline.auth_lock.domain.limits import rest_of
from pourline.auth_lock.errors import (
    BadConfigValue,
    NotCutOff,
    ReactivationRefused,
    VisitClosed,
    VisitUnknown,
)
from pourline.auth_lock.handlers.facts import standings
from pourline.auth_lock.handlers.visits import visit_of
from pourline.auth_lock.store import audit, guests, limits
from pourline.contracts.guests import CutOff, LiftCutOff, Reactivate, Visit
from pourline.contracts.limits import (
    GetLimitsLeft,
    LimitLeft,
    LimitProfile,
    LimitScope,
    LimitsLeft,
)
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.errors import first_fault
from pourline.kit.ids import parse_id
from pourline.kit.nats import Context

NO_TAP = ""
"""No tap's id: the open grants at all taps are held back."""


async def reactivate(order: Reactivate, unit: UnitOfWork, context: Context) -> Visit:
    """Let a visit that reached its limit go on, on record with who, when and why.

    Raises `VisitUnknown`, `VisitClosed`, `ReactivationRefused` where its profile grants none.
    """
    row = await _open_visit(unit, order.visit_id)
    profile = await _profile_of(unit, row)
    granted = profile.reactivation if profile else None
    if granted is None or not granted.starts_anew:
        raise ReactivationRefused("The visit has no limit that a re-activation would lift.")
    if granted.at_most is not None and row["reactivations"] >= granted.at_most:
        raise ReactivationRefused(f"The visit was re-activated {granted.at_most} times already.")
    times = await limits.reactivate(unit, row["visit_id"], at=unit.clock.now(), actor=context.actor)
    await audit.record(
        unit,
        actor=context.actor,
        action="visit_reactivated",
        subject=f"visit:{row['visit_id']}",
        reason=order.reason,
        after={
            "reactivations": times,
            "limit_profile": row["limit_profile"],
            "starts_anew": [scope.value for scope in granted.starts_anew],
        },
    )
    return await _visit(unit, row["visit_id"])


async def get_limits_left(query: GetLimitsLeft, unit: UnitOfWork, context: Context) -> LimitsLeft:
    """Return what a visit's profile leaves its guest now; raises `VisitUnknown`."""
    del context
    now = unit.clock.now()
    visit_id = parse_id(query.visit_id)
    row = await guests.find_visit(unit, visit_id) if visit_id else None
    if row is None:
        raise VisitUnknown
    profile = await _profile_of(unit, row)
    if profile is None:
        return LimitsLeft(visit_id=query.visit_id, as_of=now)
    used = await limits.find_used(unit, visit_id=row["visit_id"], tap_id=NO_TAP, at=now)
    return LimitsLeft(
        visit_id=query.visit_id,
        as_of=now,
        items=[
            LimitLeft(
                per=LimitScope(one.limit.per.value),
                window_s=one.limit.window_s,
                kind=one.limit.kind,
                **asdict(rest_of(one)),
            )
            for one in standings(profile, row | {"used": used})
        ],
    )


async def cut_off(order: CutOff, unit: UnitOfWork, context: Context) -> Visit:
    """Serve a visit's guest nothing more; raises `VisitUnknown`, `VisitClosed`."""
    row = await _open_visit(unit, order.visit_id)
    await limits.cut_off(
        unit,
        guest_id=row["guest_id"],
        visit_id=row["visit_id"],
        at=unit.clock.now(),
        actor=context.actor,
        reason=order.reason,
    )
    await _on_record(unit, context, "guest_cut_off", row, order.reason)
    return await _visit(unit, row["visit_id"])


async def lift_cut_off(order: LiftCutOff, unit: UnitOfWork, context: Context) -> Visit:
    """Serve a visit's guest again; raises `VisitUnknown`, `NotCutOff`."""
    row = await _visit_row(unit, order.visit_id)
    if row["cut_off_at"] is None:
        raise NotCutOff
    await limits.lift_cut_off(unit, row["guest_id"])
    await _on_record(unit, context, "guest_cut_off_lifted", row, order.reason)
    return await _visit(unit, row["visit_id"])


def profile_value(value: object) -> dict[str, Any]:
    """Return a limit profile as it is kept; raises `BadConfigValue` and says what is wrong."""
    try:
        profile = LimitProfile.model_validate(value)
    except ValidationError as error:
        raise BadConfigValue(first_fault(error)) from error
    return profile.model_dump(mode="json", exclude_none=True)


async def _profile_of(unit: UnitOfWork, row: Row) -> LimitProfile | None:
    name = row["limit_profile"]
    stored = await limits.find_profile(unit, name) if name else None
    return LimitProfile.model_validate(stored["value"]) if stored else None


async def _open_visit(unit: UnitOfWork, visit_id: str) -> Row:
    row = await _visit_row(unit, visit_id)
    if row["status"] == "closed":
        raise VisitClosed
    return row


async def _visit_row(unit: UnitOfWork, text: str) -> Row:
    visit_id = parse_id(text)
    row = await guests.find_visit(unit, visit_id, for_update=True) if visit_id else None
    if row is None:
        raise VisitUnknown
    return row


async def _visit(unit: UnitOfWork, visit_id: UUID) -> Visit:
    return visit_of(await _visit_row(unit, str(visit_id)))


async def _on_record(
    unit: UnitOfWork, context: Context, action: str, row: Row, reason: str
) -> None:
    await audit.record(
        unit,
        actor=context.actor,
        action=action,
        subject=f"visit:{row['visit_id']}",
        reason=reason,
        after={"guest_id": str(row["guest_id"])},
    )
