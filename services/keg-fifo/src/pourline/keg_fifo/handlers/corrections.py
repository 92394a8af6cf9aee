"""What people do to stock: correct it by a quantity, or count it."""

from collections.abc import Mapping
from decimal import Decimal

from pourline.contracts.stock import (
    AdjustStock,
    CountStock,
    InventoryEntry,
    MovementSource,
    SinceCount,
    StockAdjusted,
    StockCorrected,
    StockCounted,
)
from pourline.keg_fifo.domain import Movement, Source
from pourline.keg_fifo.handlers import anomalies, stock
from pourline.keg_fifo.handlers.movements import record
from pourline.keg_fifo.store import movements as store
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id
from pourline.kit.nats import Context

NOTHING = Decimal(0)


async def adjust_stock(order: AdjustStock, unit: UnitOfWork, context: Context) -> StockAdjusted:
    """Move an item's stock by what a person says; raises `ItemUnknown`."""
    item = await stock.item_named(unit, order.item_id, for_update=True)
    correction = _correction(unit, item, order, order.delta, context.actor)
    row = await _carry_out(unit, correction)
    unit.announce(_told(correction, row["stock_after"], unit), aggregate=f"movement:{row['id']}")
    return StockAdjusted(**_entry(row).model_dump(), current_stock=row["stock_after"])


async def count_stock(order: CountStock, unit: UnitOfWork, context: Context) -> StockCounted:
    """Make an item's stock what was counted, and say how far it was off; raises `ItemUnknown`."""
    item = await stock.item_named(unit, order.item_id, for_update=True)
    expected: Decimal = item["stock"]
    moved = await store.moved_since_count(unit, item["id"])
    since = _since(item, moved)
    correction = _correction(unit, item, order, order.counted - expected, context.actor)
    row = await _carry_out(unit, correction) if correction.delta else None
    await anomalies.look_at_count(unit, item, moved, correction.delta)
    await store.begin_anew(unit, item["id"], unit.clock.now())
    told = _told(correction, order.counted, unit)
    unit.announce(
        told.model_copy(update={"counted": order.counted, "expected": expected}),
        aggregate=f"movement:{correction.id}",
    )
    return StockCounted(
        item_id=str(item["id"]),
        counted=order.counted,
        expected=expected,
        discrepancy=correction.delta,
        delta=correction.delta,
        entry=_entry(row) if row else None,
        since_last_count=since,
    )


def _correction(
    unit: UnitOfWork, item: Row, order: AdjustStock | CountStock, delta: Decimal, actor: str
) -> Movement:
    is_count = isinstance(order, CountStock)
    movement_id = new_id()
    return Movement(
        id=movement_id,
        item_id=item["id"],
        delta=delta,
        source=Source.RECONCILIATION if is_count else Source.MANUAL_ADJUSTMENT,
        reason=order.reason,
        actor=actor,
        transaction_id=str(movement_id),
        occurred_at=unit.clock.now(),
    )


async def _carry_out(unit: UnitOfWork, correction: Movement) -> Row:
    if correction.delta > 0:
        await stock.put(unit, correction)
    else:
        correction = await stock.take(unit, correction)
    [row] = await record(unit, [correction])
    return row


def _since(item: Row, moved: Mapping[str, Decimal]) -> SinceCount:
    return SinceCount(
        counted_at=item["counted_at"],
        received=moved.get(Source.RECEIPT, NOTHING),
        poured=-moved.get(Source.POUR, NOTHING),
        sold=-moved.get(Source.PURCHASE, NOTHING),
        adjusted=moved.get(Source.MANUAL_ADJUSTMENT, NOTHING) + moved.get(Source.SYSTEM, NOTHING),
    )


def _told(correction: Movement, stock_after: Decimal, unit: UnitOfWork) -> StockCorrected:
    return StockCorrected(
        item_id=str(correction.item_id),
        source=MovementSource(correction.source),
        delta=correction.delta,
        stock_after=stock_after,
        transaction_id=correction.transaction_id,
        reason=correction.reason or "",
        actor=correction.actor,
        at=unit.clock.now(),
    )


def _entry(row: Row) -> InventoryEntry:
    ids = {"id": str(row["id"]), "item_id": str(row["item_id"])}
    return InventoryEntry(**(row | ids))
