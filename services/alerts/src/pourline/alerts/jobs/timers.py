"""What happens by the clock: escalations, the end of suppressions, the inventory monitor."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from pourline.alerts.handlers import escalation, monitor, suppressions
from pourline.kit.db import Database, UnitOfWork
from pourline.upkeep.timers import every

LOOK_EVERY_S = 2.0
"""A suppression that ended is told of within this, and an escalation is late by no more."""
MONITOR_LOOK_EVERY_S = 5.0

Turn = Callable[[UnitOfWork], Awaitable[object]]


def timers(
    database: Database, after: Callable[[], None]
) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
    """Return every loop of alerts by its name; `after` runs when one has done something.

    Each turn is a transaction of its own, and any instance may take it.
    """

    async def take(turn: Turn) -> None:
        async with database.transaction() as unit:
            done = await turn(unit)
        if done:
            after()

    return {
        "escalation": partial(every, LOOK_EVERY_S, partial(take, escalation.escalate)),
        "suppressions": partial(every, LOOK_EVERY_S, partial(take, suppressions.release)),
        "monitor": partial(every, MONITOR_LOOK_EVERY_S, partial(take, monitor.run_if_due)),
    }
