"""Stock as people count and correct it, and as the inventory ledger shows it.

keg-fifo owns the stock and tells of every movement; the ledger keeps the movements and the
snapshot. Items, receipts and spouts are older and stand in `cellar`.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema

from pourline.contracts.base import (
    Command,
    Event,
    Id,
    IdPage,
    Instant,
    Message,
    Name,
    NumberedPage,
    Quantity,
    QuantitySum,
)
from pourline.contracts.books import Reason
from pourline.contracts.cellar import ConsumedBy, Unit

QUANTITY_MAX = 10**9
"""No single count or correction is larger, in any unit."""

ExactQuantity = Annotated[
    Decimal,
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string"}),
]
"""A quantity between our own services: as text, so that sums stay exact at any size."""


def _not_nothing(quantity: Decimal) -> Decimal:
    if quantity == 0:
        raise ValueError("must not be 0")
    return quantity


class MovementSource(StrEnum):
    """What moved stock; `purchase` is a sale, `system` what was there before the first entry."""

    PURCHASE = "purchase"
    MANUAL_ADJUSTMENT = "manual_adjustment"
    RECONCILIATION = "reconciliation"
    SYSTEM = "system"
    POUR = "pour"
    RECEIPT = "receipt"


class InventoryEntry(Message):
    """One movement of stock: `delta` signed, in the item's unit.

    `at` is when the books took it in; `occurred_at` when it happened, which a late pour knows.
    """

    id: Id
    item_id: Id
    delta: QuantitySum
    source: MovementSource
    reason: str | None = None
    actor: str
    transaction_id: str
    at: Instant
    occurred_at: Instant


class AdjustStock(Command):
    """Correct an item's stock by a signed quantity in its unit.

    What is added settles open shortfalls first, the rest is a batch; what is taken leaves the
    oldest batch first, and may leave the stock below zero.
    """

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "stock.adjust"
    item_id: Id
    delta: Annotated[
        Quantity, Field(ge=-QUANTITY_MAX, le=QUANTITY_MAX), AfterValidator(_not_nothing)
    ]
    reason: Reason


class StockAdjusted(InventoryEntry):
    """The answer to a correction: its entry, and the stock after it."""

    current_stock: QuantitySum


class CountStock(Command):
    """Say how much of an item was counted; the stock becomes that."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "stock.count"
    item_id: Id
    counted: Annotated[Quantity, Field(ge=0, le=QUANTITY_MAX)]
    reason: Reason


class SinceCount(Message):
    """What moved since the last count, by source; `counted_at` is null where there was none.

    `received` and `adjusted` are signed as they moved the stock; `poured` and `sold` say what
    left it.
    """

    counted_at: Instant | None = None
    received: QuantitySum
    poured: QuantitySum
    sold: QuantitySum
    adjusted: QuantitySum


class StockCounted(Message):
    """The answer to a count: `discrepancy` = counted - expected; no entry where nothing differs.

    `delta` is what the entry moved: the same number. `since_last_count` says what the expected
    stock is made of.
    """

    item_id: Id
    counted: Quantity
    expected: QuantitySum
    discrepancy: QuantitySum
    delta: QuantitySum
    entry: InventoryEntry | None = None
    since_last_count: SinceCount


class ChangeItem(Command):
    """Rename an item, set its threshold, or switch its tracking; what is left out stays."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "item.change"
    item_id: Id
    name: Name | None = None
    low_stock_threshold: Annotated[Quantity, Field(ge=0)] | None = None
    tracking_enabled: Annotated[bool, Field(strict=True)] | None = None


class ItemChanged(Event):
    """An item's facts are other ones; `actor` changed them."""

    TYPE: ClassVar[str] = "item.changed"
    PRODUCER: ClassVar[str] = "keg-fifo"
    item_id: Id
    name: str
    unit: Unit
    low_stock_threshold: Quantity | None = None
    tracking_enabled: bool
    consumed_by: ConsumedBy
    actor: str
    at: Instant


class StockMoved(Event):
    """Stock moved, for whatever reason; told once a movement, numbered without gaps an item.

    `transaction_id` names what moved it: a spout's event, a batch, a correction, a sale. It is
    unique for an item.
    """

    TYPE: ClassVar[str] = "stock.moved"
    PRODUCER: ClassVar[str] = "keg-fifo"
    entry_id: Id
    item_id: Id
    delta: ExactQuantity
    stock_after: ExactQuantity
    source: MovementSource
    reason: str | None = None
    actor: str
    transaction_id: str
    at: Instant
    occurred_at: Instant


class StockCorrected(Event):
    """A person corrected or counted an item; for the record.

    `counted` and `expected` are there for a count; `delta` 0 then says that nothing differed.
    """

    TYPE: ClassVar[str] = "stock.corrected"
    PRODUCER: ClassVar[str] = "keg-fifo"
    item_id: Id
    source: MovementSource
    delta: QuantitySum
    stock_after: QuantitySum
    counted: Quantity | None = None
    expected: QuantitySum | None = None
    transaction_id: str
    reason: str
    actor: str
    at: Instant


class StockShort(Event):
    """More left the stock than the batches held; `shortfall` is what no batch could cover."""

    TYPE: ClassVar[str] = "stock.short"
    PRODUCER: ClassVar[str] = "keg-fifo"
    item_id: Id
    shortfall: QuantitySum
    stock_after: QuantitySum
    source: MovementSource
    transaction_id: str
    actor: str
    at: Instant


class InventoryRow(Message):
    """An item's stock as it is.

    `low_stock`: a threshold is set and the stock is at or below it. `tracking_enabled`: whether
    sales and pours move it now, by its own switch and by the one for all. `version` grows with
    every change of the row.
    """

    item_id: Id
    name: str
    unit: Unit
    current_stock: QuantitySum
    low_stock: bool
    negative: bool
    tracking_enabled: bool
    last_activity_at: Instant | None = None
    low_stock_threshold: Quantity | None = None
    version: int


class ListInventory(IdPage):
    """Every item's stock, in order of creation."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "inventory.list"


class ListInventoryEntries(NumberedPage):
    """What moved stock, newest first; of one item with `item_id`."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "inventory.entries"
    item_id: Id | None = None


class StockChanged(Event):
    """An item's row in the snapshot is another one: stock, tracking, threshold or name."""

    TYPE: ClassVar[str] = "stock.changed"
    PRODUCER: ClassVar[str] = "ledger"
    row: InventoryRow
