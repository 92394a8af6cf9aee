"""What a point of sale is told, and when it is told again.

Pure functions of values. Source: requirements PO-1 and PO-2.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

ADAPTER_DEFAULT = "log"
"""Until `pos_adapter` says otherwise (the outer contract, "Config keys")."""
MANUAL = "manual"
"""Nothing is handed over: staff work the queue off and say what they have told."""
TRIES_MAX = 8
"""Tries of one notification before a person must look: about an hour with the waits below."""
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)


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
    """One thing the point of sale is told; `kind` and `reference` together are unique."""

    kind: Kind
    reference: str
    payload: dict[str, object]


def wait_before(next_try: int) -> timedelta:
    """Return how long to wait before a notification's second, third, … try."""
    factor: int = 3 ** max(next_try - 2, 0)
    return min(FIRST_WAIT * factor, LONGEST_WAIT)


def status_after_failure(attempts: int) -> Status:
    """Return what a notification is after so many failed tries."""
    return Status.FAILED if attempts >= TRIES_MAX else Status.QUEUED
