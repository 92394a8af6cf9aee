"""What the stock tells: breaches, what was consumed, and how many of each package can be sold.

What the monitor opens ends here as soon as its cause is gone; it opens in its runs only.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from pourline.alerts.domain.kinds import Findings, Kind
from pourline.alerts.domain.packages import Stand
from pourline.alerts.domain.prediction import business_day
from pourline.alerts.domain.stock import Stock, stock_findings
from pourline.alerts.handlers import monitor
from pourline.alerts.handlers.opening import apply, no_old_news
from pourline.alerts.handlers.stands import limit_of
from pourline.alerts.store import alerts, inventory, known
from pourline.contracts.base import Envelope
from pourline.contracts.packages import PackageChanged
from pourline.contracts.stock import InventoryRow, MovementSource, StockChanged, StockMoved
from pourline.kit.db import UnitOfWork

CONSUMED_BY = (MovementSource.PURCHASE, MovementSource.POUR)
"""Sales and measured pours; a count or a correction is no consumption."""


async def on_stock_changed(events: Sequence[Envelope[StockChanged]], unit: UnitOfWork) -> None:
    """Look at each item's stock, step by step: a breach is told of once until it is over.

    Every word counts, not the newest alone: what was restocked and fell again is a new breach.
    """
    changed = []
    for event in sorted(events, key=lambda one: one.version):
        if not await no_old_news(unit, [event]):
            continue
        row = event.data.row
        await _save_item(unit, row)
        changed.append(row.item_id)
        await _apply_once(unit, stock_findings(_stock(row)))
    if changed:
        await monitor.end_stockouts(unit, sorted(set(changed)))


async def _save_item(unit: UnitOfWork, row: InventoryRow) -> None:
    await inventory.save_item(
        unit,
        item_id=row.item_id,
        name=row.name,
        measure=row.unit.value,
        quantity=row.current_stock,
        tracked=row.tracking_enabled,
    )


def _stock(row: InventoryRow) -> Stock:
    return Stock(
        item_id=row.item_id,
        name=row.name,
        quantity=row.current_stock,
        unit=row.unit.value,
        threshold=row.low_stock_threshold,
        is_low=row.low_stock,
        ever_moved=row.last_activity_at is not None,
    )


async def _apply_once(unit: UnitOfWork, found: Findings) -> None:
    """Apply findings; a breach whose alert staff resolved opens none until it was over."""
    for cause in found.ends:
        await known.end_breach(unit, cause)
    opens = [
        breach
        for breach in found.opens
        if await known.begin_breach(unit, breach.cause)
        or await alerts.standing_alert(unit, breach.cause)
    ]
    await apply(unit, [Findings(opens=tuple(opens), ends=found.ends)])


async def on_stock_moved(events: Sequence[Envelope[StockMoved]], unit: UnitOfWork) -> None:
    """Add what was sold and poured to its day; what is taken back is taken off it."""
    zone = await monitor.bar_zone(unit)
    consumed: dict[tuple[str, date], Decimal] = {}
    for moved in (event.data for event in events):
        if moved.source in CONSUMED_BY:
            key = moved.item_id, business_day(moved.occurred_at, zone)
            consumed[key] = consumed.get(key, Decimal(0)) - moved.delta
    if consumed:
        await inventory.consume(unit, [(*key, one) for key, one in consumed.items()])


async def on_packages_changed(events: Sequence[Envelope[PackageChanged]], unit: UnitOfWork) -> None:
    """Know each package's number, its day's largest, and end what is no breach any more."""
    zone = await monitor.bar_zone(unit)
    changed: set[str] = set()
    for event in sorted(events, key=lambda one: one.version):
        if not await no_old_news(unit, [event]):
            continue
        day = business_day(event.data.at, zone)
        await inventory.save_package(unit, _stand(event.data), day=day)
        changed.add(event.data.package_id)
    for package_id in sorted(changed):
        await monitor.end_package_alerts(unit, package_id)
    if changed and await alerts.standing_subjects(unit, Kind.PACKAGE_BOTTLENECK):
        await monitor.end_bottlenecks(unit)


def _stand(changed: PackageChanged) -> Stand:
    return Stand(
        package_id=changed.package_id,
        name=changed.name,
        sellable=changed.max_sellable,
        limit=limit_of(changed.bottleneck),
    )
