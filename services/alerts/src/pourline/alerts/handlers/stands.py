"""Asking the owner of the packages ahead of a check that somebody waits for.

Its news gathers for half a second; who asks now is told of now. Without the owner the copy counts.
"""

import logging
from dataclasses import dataclass

from pourline.alerts.domain.packages import Limit, Stand
from pourline.alerts.domain.prediction import business_day
from pourline.alerts.handlers import monitor
from pourline.alerts.store import inventory
from pourline.contracts.base import Listing
from pourline.contracts.notices import CheckInventory, RunMonitor
from pourline.contracts.packages import Bottleneck, ListAvailability, PackageAvailability
from pourline.kit.db import Database
from pourline.kit.errors import Retryable
from pourline.kit.nats import Caller, Context

PAGE = 40
"""So many fit in one message of the bus, whatever their names are."""
PAGES_MAX = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FreshStands:
    """Brings the copy of the packages up to this moment."""

    database: Database
    caller: Caller

    async def __call__(self, order: CheckInventory | RunMonitor, context: Context) -> None:
        """Ask for every package's number and know it."""
        del order, context
        try:
            found = await self._ask()
        except Retryable as error:
            log.warning("packages_not_asked", extra={"error": error.detail})
            return
        async with self.database.transaction() as unit:
            day = business_day(unit.clock.now(), await monitor.bar_zone(unit))
            for one in sorted(found, key=lambda one: one.package_id):
                await inventory.save_package(unit, _stand(one), day=day)

    async def _ask(self) -> list[PackageAvailability]:
        found: list[PackageAvailability] = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            query = ListAvailability(limit=PAGE, cursor=cursor)
            page = await self.caller.ask(query, Listing[PackageAvailability])
            found += page.items
            cursor = page.next
            if cursor is None:
                break
        return found


def _stand(found: PackageAvailability) -> Stand:
    return Stand(
        package_id=found.package_id,
        name=found.name,
        sellable=found.max_sellable,
        limit=limit_of(found.bottleneck),
    )


def limit_of(found: Bottleneck | None) -> Limit | None:
    """Return what limits a package."""
    if found is None:
        return None
    return Limit(item_id=found.item_id, name=found.name, available=found.available)
