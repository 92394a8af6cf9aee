"""Critical alerts that nobody acknowledges are told of again, a few times."""

from pourline.alerts.domain.notices import (
    ESCALATION_MINUTES,
    ESCALATIONS_MAX,
    Occasion,
    told_before,
)
from pourline.alerts.handlers.opening import write_to_people
from pourline.alerts.store import alerts, known
from pourline.kit.db import UnitOfWork

ESCALATED_A_ROUND = 100


async def escalate(unit: UnitOfWork) -> int:
    """Tell again of what nobody answers; return how many alerts that were."""
    at = unit.clock.now()
    minutes = await known.number(unit, "escalation_minutes", ESCALATION_MINUTES)
    before = told_before(at=at, minutes=minutes)
    if before is None:
        return 0
    rows = await alerts.escalate(
        unit,
        told_before=before,
        at=at,
        times=await known.number(unit, "escalations_max", ESCALATIONS_MAX),
        limit=ESCALATED_A_ROUND,
    )
    for row in rows:
        await write_to_people(unit, row, Occasion.ESCALATION)
    return len(rows)
