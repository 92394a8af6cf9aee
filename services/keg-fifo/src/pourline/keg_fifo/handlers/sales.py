"""What a sale takes from the stock: all its items or none, once a transaction."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from pourline.contracts.packages import StockTaken, TakenItem, TakeStock, Taking
from pourline.keg_fifo.domain import Movement, Source
from pourline.keg_fifo.errors import ItemUnknown, PackageUnavailable, TransactionTaken
from pourline.keg_fifo.handlers import stock
from pourline.keg_fifo.handlers.movements import record
from pourline.keg_fifo.store import sales as store
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context


async def take_stock(order: TakeStock, unit: UnitOfWork, context: Context) -> StockTaken:
    """Take what a sale needs, all or none; a repeat gets the first answer.

    Raises `ItemUnknown`, `PackageUnavailable` where packages need more than is there, and
    `TransactionTaken` where something else than a sale bears the transaction's id.
    """
    del context
    takings = _by_item(order.takings)
    if await store.begin(unit, order.transaction_id):
        moved = await _take(unit, order, takings)
        await store.save_answer(
            unit, order.transaction_id, [one.model_dump(mode="json") for one in moved]
        )
    rows = await store.answer_of(unit, order.transaction_id)
    return StockTaken(
        transaction_id=order.transaction_id, items=[TakenItem.model_validate(row) for row in rows]
    )


def _by_item(takings: Sequence[Taking]) -> dict[UUID, Taking]:
    found: dict[UUID, Taking] = {}
    for taking in takings:
        item_id = parse_id(taking.item_id)
        if item_id is None:
            raise ItemUnknown
        if item_id in found:
            before = found[item_id]
            sums = {"whole": before.whole + taking.whole, "loose": before.loose + taking.loose}
            taking = taking.model_copy(update=sums)  # noqa: PLW2901 the item's sum so far
        found[item_id] = taking
    return found


async def _take(
    unit: UnitOfWork, order: TakeStock, takings: Mapping[UUID, Taking]
) -> list[TakenItem]:
    items = {row["id"]: row for row in await store.lock_items(unit, list(takings))}
    if items.keys() != takings.keys():
        raise ItemUnknown
    if await store.moved_otherwise(unit, order.transaction_id, list(takings)):
        raise TransactionTaken
    for item_id, taking in takings.items():
        _check(items[item_id], taking)
    wanted = [_movement(order, one, takings[one]) for one in sorted(takings)]
    moving = [one for one in wanted if one.delta and items[one.item_id]["is_sold"]]
    rows = await record(unit, [await stock.take(unit, one) for one in moving])
    moved = {row["item_id"]: row for row in rows}
    return [_taken(item_id, moved.get(item_id)) for item_id in sorted(takings)]


def _check(item: Row, taking: Taking) -> None:
    if item["is_tracked"] and taking.whole > max(item["stock"], 0):
        raise PackageUnavailable(
            f"There is not enough {item['name']}: the packages need {taking.whole.normalize():f}, "
            f"{item['stock'].normalize():f} is there.",
            item_id=str(item["id"]),
            item_name=item["name"],
            required=float(taking.whole),
            available=float(item["stock"]),
        )


def _movement(order: TakeStock, item_id: UUID, taking: Taking) -> Movement:
    return Movement(
        id=new_id(),
        item_id=item_id,
        delta=-(taking.whole + taking.loose),
        source=Source.PURCHASE,
        reason=None,
        actor=order.sold_by,
        transaction_id=order.transaction_id,
        occurred_at=order.sold_at,
    )


def _taken(item_id: UUID, moved: Row | None) -> TakenItem:
    if moved is None:
        return TakenItem(item_id=str(item_id), moved=Decimal(0))
    return TakenItem(
        item_id=str(item_id),
        moved=-moved["delta"],
        stock_after=moved["stock_after"],
        number=moved["number"],
    )
