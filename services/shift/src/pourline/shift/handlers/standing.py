"""The alerts that stand while a shift is about to close: all of them, the gravest first."""

import zlib
from collections.abc import Sequence

from pourline.contracts.base import Listing
from pourline.contracts.device import Severity
from pourline.contracts.evening import Alert, AlertState, ListAlerts
from pourline.kit.nats import Caller

ALERTS_MAX = 500
"""More than anybody reads at the end of a night."""
PIECE = 40
"""So many alerts fit in one message of the bus as they are."""
PACKED_BYTES_MAX = 38 * 1024
"""What one message leaves for alerts beside the blockers, once it is packed."""
GRAVEST_LAST = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)
STANDING = (AlertState.OPEN, AlertState.ACKNOWLEDGED)


async def standing_alerts(caller: Caller) -> list[Alert]:
    """Return the unresolved alerts: critical, then warning, then info, each newest first.

    Asked for in the order in which an alert moves, graver and acknowledged: none is missed.
    Raises `Retryable`.
    """
    found: dict[str, Alert] = {}
    for severity in GRAVEST_LAST:
        for state in STANDING:
            for alert in await _all_of(caller, severity, state):
                found[alert.id] = alert
    newest = sorted(found.values(), key=lambda one: (one.opened_at, one.id), reverse=True)
    gravest = sorted(newest, key=lambda one: -GRAVEST_LAST.index(one.severity))
    return _fitting(gravest[:ALERTS_MAX])


async def _all_of(caller: Caller, severity: Severity, state: AlertState) -> list[Alert]:
    alerts: list[Alert] = []
    cursor: str | None = None
    while len(alerts) < ALERTS_MAX:
        query = ListAlerts(severity=severity, state=state, limit=PIECE, cursor=cursor)
        page = await caller.ask(query, Listing[Alert])
        alerts += page.items
        cursor = page.next
        if cursor is None:
            break
    return alerts


def _fitting(alerts: Sequence[Alert]) -> list[Alert]:
    """Return as many as the answer takes; the last ones, the least grave, are left out."""
    kept = list(alerts)
    while len(zlib.compress(Listing[Alert](items=kept).wire(), 1)) > PACKED_BYTES_MAX:
        kept = kept[: len(kept) * 9 // 10]
    return kept
