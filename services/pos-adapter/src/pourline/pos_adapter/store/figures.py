"""What the system's metrics say of the point of sale's queue."""

from pourline.contracts.upkeep import Sample
from pourline.kit.db import UnitOfWork

COUNTED_MAX = 100_000


async def figures(unit: UnitOfWork) -> list[Sample]:
    """Return how many notifications are queued or failed, and the age of the first that waits."""
    row = await unit.one(
        """
        SELECT (SELECT count(*) FROM (
                SELECT FROM pos_event WHERE status = 'queued' LIMIT %(most)s
            ) AS waiting) AS queued,
            (SELECT count(*) FROM (
                SELECT FROM pos_event WHERE status = 'failed' LIMIT %(most)s
            ) AS refused) AS failed,
            (SELECT extract(epoch FROM %(now)s - created_at) FROM pos_event
             WHERE status = 'queued' ORDER BY number LIMIT 1) AS oldest_s
        """,
        {"most": COUNTED_MAX, "now": unit.clock.now()},
    )
    return [
        *(
            Sample(name="pourline_pos_queue", labels={"status": status}, value=row[status])
            for status in ("queued", "failed")
        ),
        Sample(name="pourline_pos_oldest_seconds", value=max(0.0, float(row["oldest_s"] or 0))),
    ]
