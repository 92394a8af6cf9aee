"""What staff ask of alerts, and what they say to them."""

from typing import Any
from uuid import UUID

from pourline.alerts.errors import AlertOver, AlertUnknown
from pourline.alerts.handlers.opening import announce, announce_end
from pourline.alerts.handlers.record import on_record
from pourline.alerts.store import alerts
from pourline.contracts import evening
from pourline.contracts.base import Listing
from pourline.contracts.device import AlertSubject
from pourline.contracts.evening import Alert
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import parse_id
from pourline.kit.nats import Context


async def list_alerts(
    query: evening.ListAlerts, unit: UnitOfWork, context: Context
) -> Listing[Alert]:
    """Return alerts, newest first."""
    del context
    rows = await alerts.list_alerts(
        unit,
        severity=query.severity.value if query.severity else None,
        state=query.state.value if query.state else None,
        before=int(query.cursor) if query.cursor and query.cursor.isdecimal() else None,
        limit=query.limit + 1,
    )
    page = rows[: query.limit]
    more = len(rows) > query.limit
    return Listing[Alert](
        items=[alert_of(row) for row in page], next=str(page[-1]["number"]) if more else None
    )


async def acknowledge_alert(
    order: evening.AcknowledgeAlert, unit: UnitOfWork, context: Context
) -> Alert:
    """Record who deals with an alert; raises `AlertUnknown`, `AlertOver`."""
    alert_id = await _standing(unit, order.alert_id)
    row = await alerts.acknowledge(
        unit, alert_id=alert_id, actor=context.actor, comment=order.comment
    )
    announce(unit, row, evening.AlertAcknowledged, actor=context.actor)
    _put_on_record(unit, "alert_acknowledged", row, actor=context.actor, comment=order.comment)
    return alert_of(row)


async def resolve_alert(order: evening.ResolveAlert, unit: UnitOfWork, context: Context) -> Alert:
    """Record who ended an alert; raises `AlertUnknown`, `AlertOver`."""
    alert_id = await _standing(unit, order.alert_id)
    row = await alerts.resolve(unit, alert_id=alert_id, actor=context.actor, comment=order.comment)
    announce_end(unit, row, actor=context.actor)
    _put_on_record(unit, "alert_resolved", row, actor=context.actor, comment=order.comment)
    return alert_of(row)


def _put_on_record(
    unit: UnitOfWork, action: str, row: Row, *, actor: str, comment: str | None
) -> None:
    about = {name: row[name] for name in ("kind", "severity", "title")}
    on_record(unit, action, f"alert:{row['id']}", actor=actor, reason=comment, after=about)


async def _standing(unit: UnitOfWork, text: str) -> UUID:
    alert_id = parse_id(text)
    row = await alerts.find_alert(unit, alert_id) if alert_id else None
    if alert_id is None or row is None:
        raise AlertUnknown
    if row["state"] == evening.AlertState.RESOLVED:
        raise AlertOver
    return alert_id


async def alert_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the alert that a malformed message is about is there."""
    alert_id = parse_id(str(raw.get("alert_id", "")))
    return alert_id is not None and await alerts.find_alert(unit, alert_id) is not None


def alert_of(row: Row) -> Alert:
    """Return an alert's row as the contract shows it."""
    return Alert(
        id=str(row["id"]),
        alert_id=str(row["id"]),
        severity=row["severity"],
        kind=row["kind"],
        title=row["title"],
        message=row["message"],
        subject=AlertSubject(type=row["subject_type"], id=row["subject_id"]),
        state=row["state"],
        opened_at=row["opened_at"],
        acknowledged_by=row["acknowledged_by"],
        resolved_at=row["resolved_at"],
        resolved_by=row["resolved_by"],
        comment=row["comment"],
        priority=row["priority"],
        suppressed_until=row["suppressed_until"],
    )
