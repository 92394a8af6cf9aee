"""Items and batches: what comes into stock, and what leaves it first in, first out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pourline.contracts import cellar
from pourline.contracts.base import Listing, place, place_of
from pourline.contracts.cellar import Batch, Item, StockConsumed
from pourline.contracts.stock import ChangeItem, ItemChanged
from pourline.keg_fifo import domain
from pourline.keg_fifo.domain import PEOPLE, Drink, Movement, Need, Source
from pourline.keg_fifo.errors import ItemUnknown
from pourline.keg_fifo.handlers.movements import record
from pourline.keg_fifo.handlers.record import on_record
from pourline.keg_fifo.store import stock
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context


async def create_item(order: cellar.CreateItem, unit: UnitOfWork, context: Context) -> Item:
    """Add an item to the stock list."""
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
    after = order.model_dump(mode="json", exclude_none=True)
    on_record(unit, "item_created", f"item:{row['id']}", actor=context.actor, after=after)
    return item_of(row)


async def change_item(order: ChangeItem, unit: UnitOfWork, context: Context) -> Item:
    """Set an item's name, threshold or tracking; what is left out stays. Raises `ItemUnknown`."""
    item = await item_named(unit, order.item_id, for_update=True)
    values = order.model_dump(mode="python", exclude={"item_id"})
    changed = await stock.change_item(unit, item["id"], values)
    if changed is None:
        return item_of(item)
    announce_item(unit, changed, actor=context.actor)
    return item_of(changed)


def announce_item(unit: UnitOfWork, item: Row, *, actor: str) -> None:
    """Tell that an item's facts are other ones."""
    unit.announce(
        ItemChanged(
            item_id=str(item["id"]),
            name=item["name"],
            unit=item["unit"],
            low_stock_threshold=item["low_stock_threshold"],
            tracking_enabled=item["tracking_enabled"],
            consumed_by=item["consumed_by"],
            actor=actor,
            at=unit.clock.now(),
        ),
        aggregate=f"item:{item['id']}",
        version=item["version"],
    )


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
    item = await item_named(unit, order.item_id, for_update=True)
    batch_id = new_id()
    receipt = Movement(
        id=batch_id,
        item_id=item["id"],
        delta=order.quantity,
        source=Source.RECEIPT,
        reason=None,
        actor=context.actor,
        transaction_id=str(batch_id),
        occurred_at=order.received_at or unit.clock.now(),
    )
    await put(unit, receipt)
    await record(unit, [receipt])
    unit.announce(
        cellar.StockReceived(
            item_id=str(item["id"]),
            batch_id=str(batch_id),
            quantity=receipt.delta,
            unit=item["unit"],
            actor=context.actor,
            received_at=receipt.occurred_at,
        ),
        aggregate=f"batch:{batch_id}",
    )
    on_record(
        unit,
        "stock_received",
        f"item:{item['id']}",
        actor=context.actor,
        after={"batch_id": str(batch_id), "quantity": float(receipt.delta), "unit": item["unit"]},
    )
    return batch_of(await stock.find_batch(unit, batch_id))


async def put(unit: UnitOfWork, movement: Movement) -> None:
    """Make what came a batch that first covers what was short before it, oldest first."""
    values = {
        "id": movement.id,
        "item_id": movement.item_id,
        "quantity": movement.delta,
        "received_at": movement.occurred_at,
    }
    await stock.insert_batch(unit, values)
    waiting = await stock.open_shortfalls_for(unit, movement.item_id, movement.delta)
    batch = domain.Batch(id=movement.id, remaining=movement.delta)
    settled = domain.take_first_in_first_out([batch], waiting)
    await stock.settle_shortfalls(unit, settled.takings)


async def take(unit: UnitOfWork, movement: Movement) -> Movement:
    """Take what left from the oldest batches; return the movement with what none covered."""
    need = Need(device_id=PEOPLE, event_id=str(movement.id), quantity=-movement.delta)
    short = await _take(unit, movement.item_id, [need])
    return replace(movement, shortfall=short.get((PEOPLE, need.event_id), Decimal(0)))


async def _take(
    unit: UnitOfWork, item_id: UUID, needs: Sequence[Need]
) -> dict[tuple[UUID, str], Decimal]:
    """Take needs from an item's batches, in the order given; return what each is short of."""
    total = sum((need.quantity for need in needs), Decimal(0))
    batches = await stock.batches_for(unit, item_id, total)
    consumption = domain.take_first_in_first_out(batches, needs)
    await stock.save_consumption(unit, item_id, consumption)
    return {(one.device_id, one.event_id): one.quantity for one in consumption.shortfalls}


async def list_batches(
    query: cellar.ListBatches, unit: UnitOfWork, context: Context
) -> Listing[Batch]:
    """Return an item's batches, oldest first; raises `ItemUnknown`."""
    del context
    item = await item_named(unit, query.item_id)
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
        short |= await _take(unit, item_id, needs)
    movements = [_movement_of(drink, short) for drink in booked]
    for drink, movement in zip(booked, movements, strict=True):
        _announce(unit, drink, items[drink.item_id], movement.shortfall)
    await record(unit, movements)


def _movement_of(drink: Drink, short: Mapping[tuple[UUID, str], Decimal]) -> Movement:
    return Movement(
        id=new_id(),
        item_id=drink.item_id,
        delta=-drink.quantity,
        source=Source.POUR,
        reason=None,
        actor=f"spout-{drink.device_id}",
        transaction_id=f"{drink.device_id}:{drink.event_id}",
        occurred_at=drink.occurred_at,
        shortfall=short.get((drink.device_id, drink.event_id), Decimal(0)),
    )


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


async def item_named(unit: UnitOfWork, text: str, *, for_update: bool = False) -> Row:
    """Return an item, its stock locked until the commit if `for_update`; raises `ItemUnknown`."""
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
