"""What the system's metrics say of taps."""

from pourline.contracts.upkeep import Sample
from pourline.kit.db import UnitOfWork


async def figures(unit: UnitOfWork) -> list[Sample]:
    """Return how many taps are in which state, connected, and have pours to send."""
    rows = await unit.all(
        """
        SELECT state, count(*) AS taps, count(*) FILTER (WHERE online) AS online,
            sum(pending_sync) AS pending
        FROM tap GROUP BY state
        """
    )
    taps, online = sum(row["taps"] for row in rows), sum(row["online"] for row in rows)
    return [
        *(
            Sample(name="pourline_taps", labels={"state": row["state"]}, value=row["taps"])
            for row in rows
        ),
        Sample(name="pourline_taps_online", value=online),
        Sample(name="pourline_taps_offline", value=taps - online),
        Sample(name="pourline_taps_pending_pours", value=sum(int(row["pending"]) for row in rows)),
    ]
