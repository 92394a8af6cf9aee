"""Items and batches: receiving stock, and what measured drinks take from it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pourline.contracts import cellar
from pourline.contracts.base import Listing, place, place_of
from pourline.contracts.cellar import Batch, Item, StockConsumed
from pourline.keg_fifo import domain
from pourline.keg_fifo.domain import Drink, Need
from pourline.keg_fifo.errors import ItemUnknown
from pourline.keg_fifo.store import stock
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context


async def create_item(order: cellar.CreateItem, unit: UnitOfWork, context: Context) -> Item:
    """Add an item to the stock list."""
    del context
    values = {"id": new_id(), "at": unit.clock.now(), **order.model_dump(mode="python")}
    values |= {"unit": order.unit.value, "consumed_by": order.consumed_by.value}
    row = await stock.insert_item(unit, values)
    unit.announce(
        cellar.ItemCreated(
            item_id=str(row["id"]),
            name=row["name"],
            unit=row["unit"],
            low_stock_threshold=row["low_stock_threshold"],
            tracking_enabled=row["tracking_enabled"],
            consumed_by=row["consumed_by"],
        ),
        aggregate=f"item:{row['id']}",
    )
    return item_of(row)


async def list_items(query: cellar.ListItems, unit: UnitOfWork, context: Context) -> Listing[Item]:
    """Return items in order of creation."""
    del context
    after = parse_id(query.cursor) if query.cursor else None
    rows = await stock.list_items(unit, after=after, limit=query.limit + 1)
    page = [item_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Item](items=page, next=page[-1].id if more else None)


async def receive_stock(order: cellar.ReceiveStock, unit: UnitOfWork, context: Context) -> Batch:
    """Take a batch into stock, settling what was short first; raises `ItemUnknown`."""
    item = await _item(unit, order.item_id, for_update=True)
    values = {
        "id": new_id(),
        "item_id": item["id"],
        "quantity": order.quantity,
        "received_at": order.received_at or unit.clock.now(),
    }
    received = await stock.insert_batch(unit, values)
    await _settle(unit, received)
    unit.announce(
        cellar.StockReceived(
            item_id=str(item["id"]),
            batch_id=str(received["id"]),
            quantity=received["quantity"],
            unit=item["unit"],
            actor=context.actor,
            received_at=received["received_at"],
        ),
        aggregate=f"batch:{received['id']}",
    )
    return batch_of(await stock.find_batch(unit, received["id"]))


async def _settle(unit: UnitOfWork, received: Row) -> None:
    """Let a new batch cover what was poured before it came, oldest first."""
    quantity: Decimal = received["quantity"]
    waiting = await stock.open_shortfalls_for(unit, received["item_id"], quantity)
    batch = domain.Batch(id=received["id"], remaining=quantity)
    settled = domain.take_first_in_first_out([batch], waiting)
    await stock.settle_shortfalls(unit, settled.takings)


async def list_batches(
    query: cellar.ListBatches, unit: UnitOfWork, context: Context
) -> Listing[Batch]:
    """Return an item's batches, oldest first; raises `ItemUnknown`."""
    del context
    item = await _item(unit, query.item_id)
    rows = await stock.list_batches(
        unit, item_id=item["id"], after=_cursor(query.cursor), limit=query.limit + 1
    )
    page = [batch_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    last = place(page[-1].received_at, page[-1].id) if more else None
    return Listing[Batch](items=page, next=last)


async def consume(
    unit: UnitOfWork, drinks: Sequence[Drink], items: Mapping[UUID, domain.Item]
) -> None:
    """Take drinks from their items' batches, in the order given, and announce each.

    `items` are locked by the caller: stock of one item is decided one transaction at a time.
    """
    booked = [drink for drink in drinks if drink.quantity > 0]
    short: dict[tuple[UUID, str], Decimal] = {}
    for item_id in sorted({drink.item_id for drink in booked}):
        needs = [
            Need(device_id=one.device_id, event_id=one.event_id, quantity=one.quantity)
            for one in booked
            if one.item_id == item_id
        ]
        total = sum((need.quantity for need in needs), Decimal(0))
        batches = await stock.batches_for(unit, item_id, total)
        consumption = domain.take_first_in_first_out(batches, needs)
        await stock.save_consumption(unit, item_id, consumption)
        short |= {(one.device_id, one.event_id): one.quantity for one in consumption.shortfalls}
    for drink in booked:
        shortfall = short.get((drink.device_id, drink.event_id), Decimal(0))
        _announce(unit, drink, items[drink.item_id], shortfall)


def _announce(unit: UnitOfWork, drink: Drink, item: domain.Item, shortfall: Decimal) -> None:
    unit.announce(
        StockConsumed(
            item_id=str(drink.item_id),
            event_id=drink.event_id,
            device_id=str(drink.device_id),
            volume_ml=drink.volume_ml,
            quantity=drink.quantity,
            shortfall=shortfall,
            unit=cellar.Unit(item.unit.value),
            occurred_at=drink.occurred_at,
        ),
        aggregate=f"spout_event:{drink.device_id}:{drink.event_id}",
    )


async def item_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the item that a malformed message names, if it names one, is there."""
    named = raw.get("item_id")
    if not isinstance(named, str):
        return True
    item_id = parse_id(named)
    return item_id is not None and await stock.find_item(unit, item_id) is not None


async def _item(unit: UnitOfWork, text: str, *, for_update: bool = False) -> Row:
    item_id = parse_id(text)
    row = await stock.find_item(unit, item_id, for_update=for_update) if item_id else None
    if row is None:
        raise ItemUnknown
    return row


def _cursor(text: str | None) -> tuple[datetime, UUID] | None:
    if text is None:
        return None
    at, batch_id = place_of(text)
    found = parse_id(batch_id)
    return (at, found) if found else None


def item_of(row: Row) -> Item:
    """Return an item's row as the contract shows it."""
    return Item(
        id=str(row["id"]), **{name: row[name] for name in Item.model_fields if name != "id"}
    )


def batch_of(row: Row) -> Batch:
    """Return a batch's row as the contract shows it."""
    return Batch(
        id=str(row["id"]),
        item_id=str(row["item_id"]),
        quantity=row["quantity"],
        remaining=row["remaining"],
        received_at=row["received_at"],
    )
