"""Keeping alerts quiet for a while, and telling of them when the while is over.

A suppressed cause is an alert like any other: it is listed, acknowledged, resolved. It is only
neither on the topics nor in anybody's mail. What was told before a suppression began stays told;
it is merely not escalated meanwhile.
"""

from typing import Any

from pourline.alerts.domain.kinds import Kind
from pourline.alerts.errors import SuppressionOver, SuppressionTooWide, SuppressionUnknown
from pourline.alerts.handlers.opening import tell_opened
from pourline.alerts.handlers.record import on_record
from pourline.alerts.store import alerts, suppressions
from pourline.contracts import notices
from pourline.contracts.base import Listing
from pourline.contracts.notices import Suppression
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.errors import Malformed
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context

RELEASED_A_ROUND = 200


async def suppress(
    order: notices.SuppressAlerts, unit: UnitOfWork, context: Context
) -> Suppression:
    """Keep alerts quiet; raises `Malformed`, `SuppressionTooWide`, `SuppressionOver`."""
    if order.kind is not None and order.kind not in {kind.value for kind in Kind}:
        raise Malformed("kind: there is no such kind of alert")
    if order.kind is None and order.about is None:
        raise SuppressionTooWide
    if order.until <= unit.clock.now():
        raise SuppressionOver
    fields: dict[str, object] = {
        "kind": order.kind,
        "subject": order.about,
        "until": order.until,
        "reason": order.reason,
        "actor": context.actor,
        "at": unit.clock.now(),
    }
    made = await suppressions.save(unit, suppression_id=new_id(), fields=fields)
    after = order.model_dump(mode="json", exclude={"reason"}, exclude_none=True)
    subject = f"suppression:{made['id']}"
    on_record(
        unit,
        "alerts_suppressed",
        subject,
        actor=context.actor,
        reason=order.reason,
        after=after,
    )
    return _suppression_of(made)


async def list_suppressions(
    query: notices.ListSuppressions, unit: UnitOfWork, context: Context
) -> Listing[Suppression]:
    """Return suppressions that have not ended, newest first."""
    del context
    rows = await suppressions.list_in_force(
        unit,
        at=unit.clock.now(),
        before=int(query.cursor) if query.cursor else None,
        limit=query.limit + 1,
    )
    page = rows[: query.limit]
    more = len(rows) > query.limit
    return Listing[Suppression](
        items=[_suppression_of(row) for row in page],
        next=str(page[-1]["number"]) if more else None,
    )


async def lift(order: notices.LiftSuppression, unit: UnitOfWork, context: Context) -> Suppression:
    """End a suppression now; raises `SuppressionUnknown`, `SuppressionOver`."""
    suppression_id = parse_id(order.suppression_id)
    row = await suppressions.find(unit, suppression_id) if suppression_id else None
    if suppression_id is None or row is None:
        raise SuppressionUnknown
    at = unit.clock.now()
    if row["lifted_at"] is not None or row["until_at"] <= at:
        raise SuppressionOver
    lifted = await suppressions.lift(
        unit, suppression_id=suppression_id, actor=context.actor, at=at
    )
    await release(unit)
    before = {"kind": row["kind"], "about": row["subject"], "until": row["until_at"].isoformat()}
    subject = f"suppression:{suppression_id}"
    on_record(unit, "suppression_lifted", subject, actor=context.actor, before=before)
    return _suppression_of(lifted)


async def release(unit: UnitOfWork) -> int:
    """Tell of alerts whose suppression is over; return how many there were."""
    rows = await alerts.release_suppressed(unit, at=unit.clock.now(), limit=RELEASED_A_ROUND)
    for row in rows:
        await tell_opened(unit, row)
    return len(rows)


async def suppression_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the suppression that a malformed message is about is there."""
    suppression_id = parse_id(str(raw.get("suppression_id", "")))
    return suppression_id is not None and await suppressions.find(unit, suppression_id) is not None


def _suppression_of(row: Row) -> Suppression:
    return Suppression(
        id=str(row["id"]),
        kind=row["kind"],
        subject=row["subject"],
        until=row["until_at"],
        reason=row["reason"],
        created_by=row["created_by"],
        created_at=row["created_at"],
    )
