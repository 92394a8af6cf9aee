"""What the system's metrics say of alerts and of what people are told."""

from pourline.contracts.upkeep import Sample
from pourline.kit.db import UnitOfWork

COUNTED_MAX = 100_000


async def figures(unit: UnitOfWork) -> list[Sample]:
    """Return the alerts that stand, notifications that wait or failed, and how late they are."""
    return [*await _alerts(unit), *await _notifications(unit)]


async def _alerts(unit: UnitOfWork) -> list[Sample]:
    rows = await unit.all(
        """
        SELECT kind, severity, count(*) AS alerts FROM alert
        WHERE state <> 'resolved' GROUP BY kind, severity
        """
    )
    return [
        Sample(
            name="pourline_alerts_open",
            labels={"kind": row["kind"], "severity": row["severity"]},
            value=row["alerts"],
        )
        for row in rows
    ]


async def _notifications(unit: UnitOfWork) -> list[Sample]:
    row = await unit.one(
        """
        SELECT (SELECT count(*) FROM notification WHERE status = 'pending') AS pending,
            (SELECT count(*) FROM (
                SELECT FROM notification WHERE status = 'failed' LIMIT %s
            ) AS gone_wrong) AS failed,
            (SELECT extract(epoch FROM %s - min(next_attempt_at))
             FROM notification WHERE status = 'pending') AS late_s
        """,
        (COUNTED_MAX, unit.clock.now()),
    )
    late_s = max(0.0, float(row["late_s"] or 0))
    return [
        *(
            Sample(name="pourline_notifications", labels={"status": status}, value=row[status])
            for status in ("pending", "failed")
        ),
        Sample(name="pourline_notification_overdue_seconds", value=late_s),
    ]
