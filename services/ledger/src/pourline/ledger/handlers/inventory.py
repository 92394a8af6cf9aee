"""The inventory ledger: what moved stock, and each item's stock as the sum of it."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from pourline.contracts.base import Envelope, Listing
from pourline.contracts.cellar import ItemCreated
from pourline.contracts.stock import (
    InventoryEntry,
    InventoryRow,
    ItemChanged,
    ListInventory,
    ListInventoryEntries,
    StockChanged,
    StockMoved,
)
from pourline.contracts.taps import ConfigChanged
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.errors import NotFound
from pourline.kit.ids import parse_id
from pourline.kit.nats import Context
from pourline.ledger.handlers import copies
from pourline.ledger.store import copies as copies_store
from pourline.ledger.store import inventory


async def book_movements(events: Sequence[Envelope[StockMoved]], unit: UnitOfWork) -> None:
    """Book each movement once and tell of the items that moved."""
    movements = [
        event.data.model_dump(mode="json", exclude={"entry_id", "stock_after"})
        | {"id": event.data.entry_id}
        for event in events
    ]
    rows = await inventory.book_movements(unit, movements)
    _announce(unit, (row for row in rows if row["facts_version"] > 0))


async def know_items(
    events: Sequence[Envelope[ItemCreated | ItemChanged]], unit: UnitOfWork
) -> None:
    """Know items' names, units, thresholds and switches; older words never win."""
    for event in events:
        facts = event.data.model_dump(mode="python")
        facts |= {"item_id": UUID(event.data.item_id), "version": event.version}
        if row := await inventory.save_facts(unit, facts | {"unit": event.data.unit.value}):
            _announce(unit, [row])


async def know_config(events: Sequence[Envelope[ConfigChanged]], unit: UnitOfWork) -> None:
    """Know the settings that the ledger heeds, and tell of items whose tracking they turn."""
    await copies.know_config(events, unit)
    turned = [event for event in events if event.data.key == inventory.TRACKING]
    if not turned:
        return
    before = await inventory.is_tracking(unit)
    for event in turned:
        await copies_store.save_config(
            unit, key=event.data.key, value=event.data.value, version=event.version
        )
    if await inventory.is_tracking(unit) != before:
        _announce(unit, await inventory.touch_tracked(unit))


def _announce(unit: UnitOfWork, rows: Iterable[Row]) -> None:
    for row in rows:
        unit.announce(
            StockChanged(row=_shown(row)),
            aggregate=f"stock:{row['item_id']}",
            version=row["version"],
        )


async def list_inventory(
    query: ListInventory, unit: UnitOfWork, context: Context
) -> Listing[InventoryRow]:
    """Return every item's stock, in order of creation."""
    del context
    after = parse_id(query.cursor) if query.cursor else None
    rows = await inventory.list_items(unit, after=after, limit=query.limit + 1)
    page = [_shown(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[InventoryRow](items=page, next=page[-1].item_id if more else None)


async def list_entries(
    query: ListInventoryEntries, unit: UnitOfWork, context: Context
) -> Listing[InventoryEntry]:
    """Return what moved stock, newest first; raises `NotFound` for an unknown item."""
    del context
    item_id = parse_id(query.item_id) if query.item_id else None
    if query.item_id and (item_id is None or not await inventory.knows_item(unit, item_id)):
        raise NotFound("There is no such item.")
    before = int(query.cursor) if query.cursor else None
    rows = await inventory.list_entries(unit, item_id=item_id, before=before, limit=query.limit + 1)
    page = rows[: query.limit]
    more = len(rows) > query.limit
    return Listing[InventoryEntry](
        items=[_entry(row) for row in page], next=str(page[-1]["number"]) if more else None
    )


async def item_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the item that a malformed question names, if it names one, is there."""
    named = raw.get("item_id")
    if not isinstance(named, str):
        return True
    item_id = parse_id(named)
    return item_id is not None and await inventory.knows_item(unit, item_id)


def _shown(row: Row) -> InventoryRow:
    return InventoryRow(**(row | {"item_id": str(row["item_id"])}))


def _entry(row: Row) -> InventoryEntry:
    return InventoryEntry(**(row | {"id": str(row["id"]), "item_id": str(row["item_id"])}))
