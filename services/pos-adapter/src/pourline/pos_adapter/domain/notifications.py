"""What a point of sale is told, and when it is told again.

Source: requirements PO-1 and PO-2.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

ADAPTER_DEFAULT = "log"
"""Until `pos_adapter` says otherwise (the outer contract, "Config keys")."""
MANUAL = "manual"
"""Nothing is handed over: staff work the queue off and say what they have told."""
TRIES_MAX = 8
"""Refusals of one notification before a person must look: an hour and a half of them."""
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=1)
"""A point of sale that is back is told what waited within a minute."""
TROUBLE_TOLD_AFTER = timedelta(minutes=1)
"""A restart of the point of sale is over by then and is nobody's concern."""


class Kind(StrEnum):
    """What a notification is about."""

    POUR = "notify_pour"
    TOPUP = "notify_topup"
    REFUND = "notify_refund"


class Status(StrEnum):
    """Where a notification is in its life."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One thing the point of sale is told; `kind` and `reference` together are unique.

    Those of one guest are told in the order in which they were queued.
    """

    kind: Kind
    reference: str
    payload: dict[str, object]
    guest: str | None = None


def wait_before(next_try: int) -> timedelta:
    """Return how long to wait before a refused notification's second, third, … try."""
    factor: int = 3 ** max(next_try - 2, 0)
    return min(FIRST_WAIT * factor, LONGEST_WAIT)


def status_after_refusal(attempts: int) -> Status:
    """Return what a notification is after so many refused tries."""
    return Status.FAILED if attempts >= TRIES_MAX else Status.QUEUED


def pause_after(failures: int) -> timedelta:
    """Return how long nothing is handed over after so many rounds without the point of sale."""
    factor: int = 2 ** min(max(failures - 1, 0), 10)
    return min(FIRST_PAUSE * factor, LONGEST_PAUSE)
