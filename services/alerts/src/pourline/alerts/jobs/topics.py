"""Telling alerts on their retained topics."""

from collections.abc import Sequence
from datetime import timedelta

from pourline.alerts.store import alerts
from pourline.contracts.device import AlertMessage, AlertSubject, Severity
from pourline.contracts.subjects import alert_topic
from pourline.kit.db import Row, UnitOfWork
from pourline.upkeep.telling import Retained

ALERTS_A_ROUND = 200
CLEARED_AGAIN = timedelta(days=1)
"""A nats-server that is killed may remember again what it was told to forget just before."""


class AlertTopics:
    """Each alert as its retained topic says it; a resolved one is forgotten there."""

    async def untold(self, unit: UnitOfWork) -> list[Retained]:
        """Return alerts whose newest version was not told yet."""
        rows = await alerts.untold_alerts(unit, limit=ALERTS_A_ROUND)
        return [word for row in rows for word in _words(row)]

    async def mark_told(self, unit: UnitOfWork, told: Sequence[tuple[str, int]]) -> None:
        """Remember which version of each alert was told."""
        await alerts.mark_told(unit, told)

    async def tell_all_again(self, unit: UnitOfWork) -> None:
        """Forget what was told of alerts that stand, or ended not long ago."""
        await alerts.tell_again(unit, ended_within=CLEARED_AGAIN)


def _words(row: Row) -> list[Retained]:
    """Return what is to be said: of one that became graver also that it is not where it was."""
    now = Severity(row["severity"])
    left = [one for one in Severity if one is not now] if row["was_raised"] else []
    return [*(_word(row, one, b"") for one in left), _word(row, now, _payload(row))]


def _word(row: Row, severity: Severity, payload: bytes) -> Retained:
    return Retained(
        key=str(row["id"]),
        version=row["version"],
        topic=alert_topic(row["location"], severity, str(row["id"])),
        payload=payload,
    )


def _payload(row: Row) -> bytes:
    if row["state"] == "resolved":
        return b""
    return AlertMessage(
        alert_id=str(row["id"]),
        severity=row["severity"],
        kind=row["kind"],
        title=row["title"],
        message=row["message"],
        subject=AlertSubject(type=row["subject_type"], id=row["subject_id"]),
        state=row["state"],
        opened_at=row["opened_at"],
        acknowledged_by=row["acknowledged_by"],
        comment=row["comment"],
        priority=row["priority"],
    ).wire()
