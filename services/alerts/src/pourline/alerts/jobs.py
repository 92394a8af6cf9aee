"""Telling alerts on their retained topics."""

from collections.abc import Sequence

from pourline.alerts import store
from pourline.contracts.device import AlertMessage, AlertSubject, Severity
from pourline.contracts.subjects import alert_topic
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.mqtt import Retained

ALERTS_A_ROUND = 200


class AlertTopics:
    """Each alert as its retained topic says it; a resolved one is forgotten there."""

    async def untold(self, unit: UnitOfWork) -> list[Retained]:
        """Return alerts whose newest version was not told yet."""
        rows = await store.untold_alerts(unit, limit=ALERTS_A_ROUND)
        return [
            Retained(
                key=str(row["id"]),
                version=row["version"],
                topic=alert_topic(row["location"], Severity(row["severity"]), str(row["id"])),
                payload=_payload(row),
            )
            for row in rows
        ]

    async def mark_told(self, unit: UnitOfWork, told: Sequence[tuple[str, int]]) -> None:
        """Remember which version of each alert was told."""
        await store.mark_told(unit, told)

    async def tell_all_again(self, unit: UnitOfWork) -> None:
        """Forget what was told of standing alerts."""
        await store.tell_standing_again(unit)


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
