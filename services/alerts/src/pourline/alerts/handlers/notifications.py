"""The notification log: what is due, what became of each try, what staff ask for again."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from pourline.alerts.domain.kinds import Kind, breach_of, cause_of
from pourline.alerts.domain.notices import (
    DIGEST_FROM,
    DIGEST_MAX,
    Occasion,
    Outcome,
    Status,
    next_try,
)
from pourline.alerts.errors import NotificationSent, NotificationTravels, NotificationUnknown
from pourline.alerts.handlers.opening import end, open_breach
from pourline.alerts.store import known, notifications
from pourline.contracts import notices
from pourline.contracts.base import Listing
from pourline.contracts.notices import Notification
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context


async def due(unit: UnitOfWork, *, channel: str) -> tuple[list[Row], list[str]]:
    """Return what is to be sent now, and to whom; many fresh ones become one."""
    recipients = await known.recipients(unit)
    rows = await notifications.due(unit, channel=channel, at=unit.clock.now(), limit=DIGEST_MAX)
    fresh = [row for row in rows if row["tries"] == 0 and row["type"] != Occasion.DIGEST]
    if len(fresh) < DIGEST_FROM:
        return rows, recipients
    payload: dict[str, object] = {"alerts": [row["payload"] for row in fresh]}
    digest = await notifications.merge(unit, fresh, digest_id=new_id(), payload=payload)
    merged = {row["id"] for row in fresh}
    return [digest, *(row for row in rows if row["id"] not in merged)], recipients


async def record(
    unit: UnitOfWork, row: Row, outcome: Outcome, *, retry_after: Sequence[timedelta]
) -> Status:
    """Keep what became of a try; one that failed for good is an alert until another succeeds."""
    again = None
    status = Status.LOGGED if outcome.logged else Status.SENT
    if outcome.error and not outcome.logged:
        again = next_try(tries=row["tries"] + 1, at=unit.clock.now(), retry_after=retry_after)
        status = Status.PENDING if again else Status.FAILED
    await notifications.record(unit, row["id"], outcome, status=status, next_attempt_at=again)
    await _tell_of_channel(unit, row, status, outcome.error)
    return status


async def _tell_of_channel(unit: UnitOfWork, row: Row, status: Status, error: str | None) -> None:
    cause = cause_of(Kind.MAIL_FAILING, row["channel"])
    if status is Status.SENT:
        await end(unit, cause)
    if status is Status.FAILED:
        tries = row["tries"] + 1
        words = {"channel": row["channel"], "tries": tries, "reason": error}
        await open_breach(unit, breach_of(cause, **words))


async def list_notifications(
    query: notices.ListNotifications, unit: UnitOfWork, context: Context
) -> Listing[Notification]:
    """Return the notification log, newest first."""
    del context
    rows = await notifications.list_notifications(
        unit,
        status=query.status.value if query.status else None,
        before=int(query.cursor) if query.cursor else None,
        limit=query.limit + 1,
    )
    page = rows[: query.limit]
    more = len(rows) > query.limit
    return Listing[Notification](
        items=[notification_of(row) for row in page],
        next=str(page[-1]["number"]) if more else None,
    )


async def retry_notification(
    order: notices.RetryNotification, unit: UnitOfWork, context: Context
) -> Notification:
    """Try a notification again at once.

    Raises `NotificationUnknown`, `NotificationSent`, `NotificationTravels`.
    """
    del context
    notification_id = parse_id(order.notification_id)
    row = await notifications.find(unit, notification_id) if notification_id else None
    if row is None:
        raise NotificationUnknown
    if row["status"] == Status.SENT:
        raise NotificationSent
    if row["status"] == Status.MERGED:
        raise NotificationTravels
    again = await notifications.try_again(unit, notification_id=row["id"], at=unit.clock.now())
    return notification_of(again)


async def notification_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the notification that a malformed message is about is there."""
    notification_id: UUID | None = parse_id(str(raw.get("notification_id", "")))
    if notification_id is None:
        return False
    return await notifications.find(unit, notification_id) is not None


def notification_of(row: Row) -> Notification:
    """Return a notification's row as the contract shows it."""
    return Notification(
        id=str(row["id"]),
        type=row["type"],
        channel=row["channel"],
        status=row["status"],
        payload=row["payload"],
        attempt_count=row["attempt_count"],
        last_attempt_at=row["last_attempt_at"],
        next_attempt_at=row["next_attempt_at"],
        error_details=row["error_details"],
        recipients=row["recipients"],
        created_at=row["created_at"],
        sent_at=row["sent_at"],
        digest_id=str(row["digest_id"]) if row["digest_id"] else None,
    )
