"""What the point of sale says was sold, item by item: what ran without a sale shows against it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from pourline.contracts.base import Envelope
from pourline.contracts.packages import PackageChanged, SaleLine, SaleRecorded
from pourline.keg_fifo.store import sold as store
from pourline.kit.db import UnitOfWork
from pourline.kit.ids import parse_id


async def know_packages(events: Sequence[Envelope[PackageChanged]], unit: UnitOfWork) -> None:
    """Know what packages are made of."""
    for event in events:
        parts = {UUID(part.item_id): part.quantity for part in event.data.items}
        await store.save_package(unit, event.data.package_id, parts, version=event.version)


async def know_sales(events: Sequence[Envelope[SaleRecorded]], unit: UnitOfWork) -> None:
    """Know what was sold of each item, packages by their parts."""
    for event in events:
        quantities = await _by_item(unit, event.data.lines)
        if quantities:
            await store.save_sale(unit, event.data.sale_id, quantities, at=event.data.at)


async def _by_item(unit: UnitOfWork, lines: Sequence[SaleLine]) -> Mapping[UUID, Decimal]:
    found: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for line in lines:
        if line.package_id:
            for item_id, quantity in (await store.parts_of(unit, line.package_id)).items():
                found[item_id] += quantity * line.quantity
        elif item := parse_id(line.item_id or ""):
            found[item] += line.quantity
    return found
