"""What goes out to people about alerts, what holds it back, and the inventory monitor.

alerts owns all of it. The monitor's answers have the shapes that its callers have always had:
`success` and `data` around everything.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from pourline.contracts.base import Command, Count, Id, Instant, Message, Name, NumberedPage, Query


class NotificationStatus(StrEnum):
    """Where a notification is: `merged` travels in a digest, `logged` had no way out."""

    PENDING = "pending"
    MERGED = "merged"
    SENT = "sent"
    FAILED = "failed"
    LOGGED = "logged"


class Notification(Message):
    """One row of the notification log.

    `recipients` are those of the last try; `next_attempt_at` is there while another one is due.
    """

    id: Id
    type: str
    channel: str
    status: NotificationStatus
    payload: dict[str, object]
    attempt_count: Count
    last_attempt_at: Instant | None = None
    next_attempt_at: Instant | None = None
    error_details: str | None = None
    recipients: list[str]
    created_at: Instant
    sent_at: Instant | None = None
    digest_id: Id | None = None


class ListNotifications(NumberedPage):
    """The notification log, newest first."""

    OWNER: ClassVar[str] = "alerts"
    NAME: ClassVar[str] = "notification.list"
    status: NotificationStatus | None = None


class RetryNotification(Command):
    """Try a notification again at once, with all its retries before it."""

    OWNER: ClassVar[str] = "alerts"
    NAME: ClassVar[str] = "notification.retry"
    notification_id: Id


class Suppression(Message):
    """Which alerts are kept quiet until when; an absent `kind` or `subject` means any."""

    id: Id
    kind: str | None = None
    subject: str | None = None
    until: Instant
    reason: str
    created_by: str
    created_at: Instant


class SuppressAlerts(Command):
    """Keep alerts quiet until an instant: of a kind, about a subject's id, or both."""

    OWNER: ClassVar[str] = "alerts"
    NAME: ClassVar[str] = "suppression.create"
    kind: Name | None = None
    about: Annotated[Id | None, Field(alias="subject")] = None
    until: Instant
    reason: Name


class ListSuppressions(NumberedPage):
    """Suppressions that have not ended, newest first."""

    OWNER: ClassVar[str] = "alerts"
    NAME: ClassVar[str] = "suppression.list"


class LiftSuppression(Command):
    """End a suppression now; what it kept quiet is told at once."""

    OWNER: ClassVar[str] = "alerts"
    NAME: ClassVar[str] = "suppression.lift"
    suppression_id: Id


Choice = Annotated[bool, Field(strict=True)]


class CheckInventory(Command):
    """Look at packages and items now: at one package, at bottlenecks, or (default) at all."""

    OWNER: ClassVar[str] = "alerts"
    NAME: ClassVar[str] = "inventory.check"
    package_id: Id | None = None
    check_bottlenecks: Choice = False
    check_all: Choice = False


class CheckSummary(Message):
    """What a run looked at and told."""

    packages_checked: Count
    notifications_sent: Count
    bottlenecks_detected: Count
    errors: list[str]


class Triggered(Message):
    """What one look came to: told, or why not. `type` is the alert's kind, where there is one."""

    triggered: bool
    type: str | None = None
    reference: str
    notification_id: Id | None = None
    reason: str | None = None


class CheckData(Message):
    """Of a `full_check` the summary, of a `package_check` and `bottleneck_check` each look."""

    type: str
    summary: CheckSummary | None = None
    result: Triggered | None = None
    results: list[Triggered] | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out what this type of check has not: its callers know the shape to the letter."""
        return {name: value for name, value in dump(self).items() if value is not None}


class InventoryCheck(Message):
    """The answer to a check."""

    success: bool = True
    data: CheckData


class GetCooldowns(Query):
    """How many kinds and references are cooling down."""

    OWNER: ClassVar[str] = "alerts"
    NAME: ClassVar[str] = "inventory.cooldowns"


class CooldownData(Message):
    """Cooldowns that run, together and by kind."""

    total_entries: Count
    by_type: dict[str, int]


class Cooldowns(Message):
    """The answer to a question about cooldowns."""

    success: bool = True
    data: CooldownData


class RunMonitor(Command):
    """Run every check as the timetable does."""

    OWNER: ClassVar[str] = "alerts"
    NAME: ClassVar[str] = "inventory.run"


class MonitorResult(Message):
    """How a run went."""

    success: bool
    timestamp: Instant
    duration_ms: Count
    summary: CheckSummary


class MonitorRun(Message):
    """The answer to a run."""

    success: bool = True
    data: MonitorResult
