"""When a notification is tried again, when several become one, and when one is repeated.

Sources: requirements AL-4 and AL-11; seed 003, "Notification Delivery & Retry".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

RETRY_AFTER_MINUTES = (1, 5, 15)
"""One try and three retries (AL-4), unless `NOTIFICATION_RETRY_MINUTES` says otherwise."""
DIGEST_FROM = 10
"""So many notifications due at one moment go out as one: nobody reads ten mails of a minute."""
DIGEST_MAX = 200
"""Alerts in one digest; the rest follows in the next."""
ESCALATION_MINUTES = 15
ESCALATIONS_MAX = 3


class Occasion(StrEnum):
    """Why people are written to."""

    ALERT = "alert"
    RAISED = "raised"
    REMINDER = "reminder"
    ESCALATION = "escalation"
    DIGEST = "digest"


class Status(StrEnum):
    """Where a notification is."""

    PENDING = "pending"
    MERGED = "merged"
    SENT = "sent"
    FAILED = "failed"
    LOGGED = "logged"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a try: `error` None where all is well, `logged` where there was no way out.

    `recipients` were written to; `delivered_to` have it, now or from an earlier try.
    """

    error: str | None = None
    logged: bool = False
    recipients: Sequence[str] = ()
    delivered_to: Sequence[str] = ()


def next_try(*, tries: int, at: datetime, retry_after: Sequence[timedelta]) -> datetime | None:
    """Return when to try again after `tries` that failed, the last one at `at`; None: never."""
    if tries > len(retry_after):
        return None
    return at + retry_after[tries - 1]


def told_before(*, at: datetime, minutes: int) -> datetime | None:
    """Return before when an alert must have been told of to be told again; None: never (AL-11)."""
    return at - timedelta(minutes=minutes) if minutes > 0 else None
