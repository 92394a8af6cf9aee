"""Sales: kept as pending, decided by the owner of the stock, recorded; each transaction once.

A sale that nobody finished is finished by a timer: the point of sale has sold it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from pourline.contracts.base import AMOUNT_MAX
from pourline.contracts.packages import (
    RecordSale,
    Sale,
    SaleLine,
    SaleRecorded,
    StockTaken,
    TakeStock,
    Taking,
)
from pourline.contracts.problems import Problem
from pourline.kit.db import Database, Row, UnitOfWork, as_json
from pourline.kit.errors import Retryable
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Caller, Context
from pourline.kit.nats.requests import Refused
from pourline.pos_adapter.domain.sales import NOTHING, needed
from pourline.pos_adapter.errors import PackageUnknown, SaleTooLarge
from pourline.pos_adapter.store import packages, sales

LEFT_AFTER = timedelta(seconds=30)
"""Six times what asking the stock's owner may take."""
LEFT_A_ROUND = 100


@dataclass(frozen=True, kw_only=True)
class Selling:
    """Takes a sale from the stock, ahead of the transaction that records it."""

    database: Database
    caller: Caller

    async def __call__(self, order: RecordSale, context: Context) -> Sequence[str]:
        """Keep the sale as pending and have its stock taken; return what the owner told.

        Raises `PackageUnknown`, the owner's `Refused`, or `Retryable` without it: the sale is then
        finished later, by a repeat or by the timer.
        """
        async with self.database.transaction() as unit:
            sale = await _begin(unit, order, context)
        return [] if sale["recorded_at"] else await self.take(sale)

    async def take(self, sale: Row) -> Sequence[str]:
        """Have a pending sale's stock taken; a refused sale is forgotten. Raises as the call."""
        ask = TakeStock(
            transaction_id=sale["transaction_id"],
            takings=[Taking.model_validate(one) for one in sale["takings"]],
            sold_by=sale["sold_by"],
            sold_at=sale["at"],
        )
        status, body, headers = await self.caller.send(ask.subject(), ask.wire(), headers={})
        if status == Retryable.status:
            raise Retryable(part="keg-fifo")
        async with self.database.transaction() as unit:
            if status != 200:
                await sales.drop_pending(unit, sale["transaction_id"])
            else:
                await _know_taken(unit, StockTaken.model_validate_json(body))
        if status != 200:
            raise Refused(Problem.model_validate_json(body))
        return [one for one in headers.get("Pourline-Events", "").split(",") if one]


async def record_sale(order: RecordSale, unit: UnitOfWork, context: Context) -> Sale:
    """Record a sale whose stock was taken; one that was recorded before is only shown."""
    sale = await _begin(unit, order, context)
    is_repeat = sale["recorded_at"] is not None
    if not is_repeat:
        await record(unit, sale)
    return _shown(sale, is_repeat=is_repeat)


async def _begin(unit: UnitOfWork, order: RecordSale, context: Context) -> Row:
    sale = await sales.find(unit, order.transaction_id)
    if sale is not None:
        return sale
    sold = _packages_in(order.lines)
    rows = {row["id"]: row for row in await packages.find_packages(unit, list(sold))}
    if rows.keys() != sold.keys():
        raise PackageUnknown
    amount = sum(rows[one]["price"] * count for one, count in sold.items())
    if amount > AMOUNT_MAX:
        raise SaleTooLarge
    values = {
        "id": new_id(),
        "transaction_id": order.transaction_id,
        "location": order.location,
        "lines": _json(order.lines),
        "takings": _json(await _takings(unit, order.lines, sold)),
        "amount": amount,
        "sold_by": context.actor,
        "at": unit.clock.now(),
    }
    return await sales.begin(unit, values)


def _packages_in(lines: Sequence[SaleLine]) -> dict[UUID, int]:
    found: dict[UUID, int] = {}
    for line in lines:
        if line.package_id is None:
            continue
        package_id = parse_id(line.package_id)
        if package_id is None:
            raise PackageUnknown
        found[package_id] = found.get(package_id, 0) + int(line.quantity)
    return found


async def _takings(
    unit: UnitOfWork, lines: Sequence[SaleLine], sold: dict[UUID, int]
) -> list[Taking]:
    singles: dict[str, Decimal] = {}
    for line in lines:
        if line.item_id is not None:
            singles[line.item_id] = singles.get(line.item_id, NOTHING) + line.quantity
    parts = await packages.parts_of(unit, list(sold))
    named = {str(package_id): one for package_id, one in parts.items()}
    found = needed(
        {str(package_id): count for package_id, count in sold.items()},
        {one: {str(item): much for item, much in some.items()} for one, some in named.items()},
        singles,
    )
    return [
        Taking(item_id=item_id, whole=one.whole, loose=one.loose) for item_id, one in found.items()
    ]


async def _know_taken(unit: UnitOfWork, taken: StockTaken) -> None:
    """Know the stock that is left at once, ahead of the event that tells it."""
    moved = [one for one in taken.items if one.number is not None]
    if not moved:
        return
    await packages.save_stock(
        unit,
        [{"id": one.item_id, "stock": one.stock_after, "moved": one.number} for one in moved],
    )


async def record(unit: UnitOfWork, sale: Row) -> None:
    """Record a pending sale and tell it."""
    now = unit.clock.now()
    await sales.mark_recorded(unit, sale["id"], at=now)
    unit.announce(
        SaleRecorded(
            sale_id=str(sale["id"]),
            transaction_id=sale["transaction_id"],
            location=sale["location"],
            lines=[SaleLine.model_validate(line) for line in sale["lines"]],
            amount=sale["amount"],
            sold_by=sale["sold_by"],
            at=sale["at"],
        ),
        aggregate=f"sale:{sale['id']}",
    )


async def finish_left(selling: Selling, database: Database) -> int:
    """Finish sales that were left half-way; return how many. Raises `Retryable`."""
    async with database.transaction() as unit:
        before = unit.clock.now() - LEFT_AFTER
        left = await sales.left_pending(unit, before=before, limit=LEFT_A_ROUND)
    for sale in left:
        await _finish(selling, database, sale)
    return len(left)


async def _finish(selling: Selling, database: Database, sale: Row) -> None:
    try:
        await selling.take(sale)
    except Refused:
        return
    async with database.transaction() as unit:
        found = await sales.find(unit, sale["transaction_id"])
        if found and found["recorded_at"] is None:
            await record(unit, found)


async def named_in_it_exist(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether what a malformed sale names is there."""
    lines = raw.get("lines")
    found = [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []
    items = [parse_id(one) for line in found if isinstance(one := line.get("item_id"), str)]
    bundles = [parse_id(one) for line in found if isinstance(one := line.get("package_id"), str)]
    known_items = await packages.known_items(unit, [one for one in items if one])
    rows = await packages.find_packages(unit, [one for one in bundles if one])
    known_packages = {row["id"] for row in rows}
    return known_items.issuperset(items) and known_packages.issuperset(bundles)


def _json(messages: Sequence[SaleLine] | Sequence[Taking]) -> str:
    return as_json([orjson.loads(one.wire()) for one in messages])


def _shown(sale: Row, *, is_repeat: bool) -> Sale:
    return Sale(
        id=str(sale["id"]),
        transaction_id=sale["transaction_id"],
        lines=[SaleLine.model_validate(line) for line in sale["lines"]],
        amount=sale["amount"],
        sold_by=sale["sold_by"],
        at=sale["at"],
        is_repeat=is_repeat,
    )
