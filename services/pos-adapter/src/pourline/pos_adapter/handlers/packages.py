"""Packages, and how many of each can be sold: reckoned from the stock at each reading.

Others are told when it is another number, by a timer that gathers what changed: a sale touches
many packages, and nobody who listens needs each step.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from pourline.contracts import packages as contract
from pourline.contracts.base import Envelope, Listing
from pourline.contracts.cellar import ItemCreated
from pourline.contracts.packages import (
    Bottleneck,
    ImpactedPackage,
    Package,
    PackageAvailability,
    PackageChanged,
    PackageImpact,
    PackagePart,
)
from pourline.contracts.stock import ItemChanged, StockMoved
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context
from pourline.pos_adapter.errors import ItemUnknown, PackageUnknown
from pourline.pos_adapter.handlers.record import on_record
from pourline.pos_adapter.store import packages

ITEMS_A_ROUND = 1000
"""Items whose packages are looked at in one transaction."""


async def create_package(
    order: contract.CreatePackage, unit: UnitOfWork, context: Context
) -> Package:
    """Offer items together; raises `ItemUnknown`."""
    item_ids = await _known(unit, [parse_id(one.item_id) for one in order.items])
    package_id = new_id()
    now = unit.clock.now()
    values = {
        "id": package_id,
        "name": order.name,
        "price": order.price,
        "created_at": now,
        "parts": [
            {"item_id": item_id, "quantity": part.quantity}
            for item_id, part in zip(item_ids, order.items, strict=True)
        ],
    }
    await packages.insert_package(unit, values)
    await _tell(unit, [package_id])
    after = order.model_dump(mode="json", exclude_none=True)
    on_record(unit, "package_created", f"package:{package_id}", actor=context.actor, after=after)
    return Package(
        id=str(package_id), name=order.name, price=order.price, items=order.items, created_at=now
    )


async def _known(unit: UnitOfWork, item_ids: Sequence[UUID | None]) -> list[UUID]:
    wanted = [one for one in item_ids if one]
    if len(wanted) != len(item_ids) or await packages.known_items(unit, wanted) != set(wanted):
        raise ItemUnknown
    return wanted


async def items_exist(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether every item that a malformed package names is there."""
    parts = raw.get("items")
    named = (
        [part.get("item_id") for part in parts if isinstance(part, dict)]
        if (isinstance(parts, list))
        else []
    )
    wanted = [parse_id(one) for one in named if isinstance(one, str)]
    known = await packages.known_items(unit, [one for one in wanted if one])
    return all(one in known for one in wanted)


async def know_items(
    events: Sequence[Envelope[ItemCreated] | Envelope[ItemChanged]], unit: UnitOfWork
) -> None:
    """Know items' names and whether they are tracked."""
    latest = {
        event.data.item_id: {
            "id": event.data.item_id,
            "name": event.data.name,
            "tracking_enabled": event.data.tracking_enabled,
            "version": event.version,
        }
        for event in sorted(events, key=lambda event: event.version)
    }
    await packages.save_items(unit, [latest[one] for one in sorted(latest)])


async def know_stock(events: Sequence[Envelope[StockMoved]], unit: UnitOfWork) -> None:
    """Know items' stock after their latest movement."""
    latest = {
        event.data.item_id: {
            "id": event.data.item_id,
            "stock": event.data.stock_after,
            "moved": event.version,
        }
        for event in sorted(events, key=lambda event: event.version)
    }
    await packages.save_stock(unit, [latest[one] for one in sorted(latest)])


async def tell_changes(unit: UnitOfWork) -> bool:
    """Tell which packages can be sold another number of times; return whether any was."""
    if not await packages.only_one_looks(unit):
        return False
    found = await packages.packages_that_may_differ(unit, ITEMS_A_ROUND)
    await _tell(unit, found)
    return bool(found)


async def _tell(unit: UnitOfWork, package_ids: Sequence[UUID]) -> None:
    if not package_ids:
        return
    changed = await packages.save_told(unit, package_ids)
    ids = [row["id"] for row in changed]
    parts, limits = await packages.parts_of(unit, ids), await packages.limits_of(unit, ids)
    for row in changed:
        unit.announce(
            PackageChanged(
                package_id=str(row["id"]),
                name=row["name"],
                price=row["price"],
                items=_parts(parts[row["id"]]),
                max_sellable=row["told_sellable"],
                bottleneck=_bottleneck(limits.get(row["id"])),
                at=unit.clock.now(),
            ),
            aggregate=f"package:{row['id']}",
            version=row["version"],
        )


async def list_packages(
    query: contract.ListPackages, unit: UnitOfWork, context: Context
) -> Listing[Package]:
    """Return packages in order of creation."""
    del context
    rows, following = await _page(unit, query)
    parts = await packages.parts_of(unit, [row["id"] for row in rows])
    return Listing[Package](
        items=[
            Package(
                id=str(row["id"]),
                name=row["name"],
                price=row["price"],
                items=_parts(parts[row["id"]]),
                created_at=row["created_at"],
            )
            for row in rows
        ],
        next=following,
    )


async def list_availability(
    query: contract.ListAvailability, unit: UnitOfWork, context: Context
) -> Listing[PackageAvailability]:
    """Return how many of each package can be sold, in order of creation."""
    del context
    rows, following = await _page(unit, query)
    return Listing[PackageAvailability](items=await _available(unit, rows), next=following)


async def _page(
    unit: UnitOfWork, query: contract.ListPackages | contract.ListAvailability
) -> tuple[list[Row], str | None]:
    after = parse_id(query.cursor) if query.cursor else None
    rows = await packages.list_packages(unit, after=after, limit=query.limit + 1)
    page = rows[: query.limit]
    return page, str(page[-1]["id"]) if len(rows) > query.limit else None


async def get_availability(
    query: contract.GetAvailability, unit: UnitOfWork, context: Context
) -> PackageAvailability:
    """Return how many of a package can be sold; raises `PackageUnknown`."""
    del context
    package_id = parse_id(query.package_id)
    rows = await packages.find_packages(unit, [package_id]) if package_id else []
    if not rows:
        raise PackageUnknown
    [found] = await _available(unit, rows)
    return found


async def get_impact(
    query: contract.GetPackageImpact, unit: UnitOfWork, context: Context
) -> PackageImpact:
    """Return what an item's stock means for packages; raises `ItemUnknown`."""
    del context
    item_id = parse_id(query.item_id)
    item = await packages.find_item(unit, item_id) if item_id else None
    if item is None:
        raise ItemUnknown
    rows = await packages.packages_with(unit, item["id"])
    limits = await packages.limits_of(unit, [row["id"] for row in rows])
    return PackageImpact(
        item_id=str(item["id"]),
        name=item["name"],
        available=item["stock"],
        tracking_enabled=item["is_tracked"],
        items=[_impacted(row, limits.get(row["id"]), item["id"]) for row in rows],
    )


def _impacted(row: Row, limit: Row | None, item_id: UUID) -> ImpactedPackage:
    return ImpactedPackage(
        package_id=str(row["id"]),
        name=row["name"],
        required=row["quantity"],
        max_sellable=limit["max_sellable"] if limit else None,
        is_bottleneck=limit is not None and limit["bottleneck_id"] == item_id,
    )


async def _available(unit: UnitOfWork, rows: Sequence[Row]) -> list[PackageAvailability]:
    limits = await packages.limits_of(unit, [row["id"] for row in rows])
    return [
        PackageAvailability(
            package_id=str(row["id"]),
            name=row["name"],
            max_sellable=limits[row["id"]]["max_sellable"] if row["id"] in limits else None,
            bottleneck=_bottleneck(limits.get(row["id"])),
        )
        for row in rows
    ]


def _bottleneck(limit: Row | None) -> Bottleneck | None:
    if limit is None:
        return None
    return Bottleneck(
        item_id=str(limit["bottleneck_id"]),
        name=limit["bottleneck_name"],
        available=limit["available"],
        required=limit["required"],
    )


def _parts(parts: Mapping[UUID, Decimal]) -> list[PackagePart]:
    return [PackagePart(item_id=str(one), quantity=much) for one, much in parts.items()]
