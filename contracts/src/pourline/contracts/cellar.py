"""Beverages, kegs, items and spouts: what is asked of keg-fifo and what it tells."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import AliasChoices, Field, model_validator

from pourline.contracts.base import (
    Command,
    Event,
    Factor,
    Id,
    IdPage,
    Instant,
    Message,
    Name,
    Price,
    Quantity,
    Query,
    StaffId,
    Text,
    TimedPage,
    Volume,
)

KEG_ML_MAX = 10**9
KegVolume = Annotated[Volume, Field(gt=0, le=KEG_ML_MAX)]
PositiveQuantity = Annotated[Quantity, Field(gt=0, le=10**9)]


class KegStatus(StrEnum):
    """Where a keg is in its life."""

    IN_STOCK = "in_stock"
    CONNECTED = "connected"
    EMPTY = "empty"
    RETURNED = "returned"
    DISCARDED = "discarded"


class Disposition(StrEnum):
    """What a disconnected keg becomes."""

    IN_STOCK = "in_stock"
    EMPTY = "empty"
    RETURNED = "returned"
    DISCARDED = "discarded"


class Unit(StrEnum):
    """What an item is counted in."""

    ML = "ml"
    LTR = "ltr"
    EACH = "each"


class ConsumedBy(StrEnum):
    """What moves an item's stock."""

    SALE = "sale"
    POUR = "pour"


class Beverage(Message):
    """Something a tap can pour."""

    id: Id
    name: str
    kind: str
    price_per_litre: Price
    abv: Quantity | None = None
    created_at: Instant


class CreateBeverage(Command):
    """Add a beverage with its first price."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "beverage.create"
    name: Name
    kind: Name
    price_per_litre: Price
    abv: Annotated[Quantity, Field(ge=0, le=100)] | None = None


class ListBeverages(IdPage):
    """All beverages."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "beverage.list"


class GetBeverage(Query):
    """One beverage."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "beverage.get"
    beverage_id: Id


class BeverageCreated(Event):
    """A beverage exists, at a price from its creation on."""

    TYPE: ClassVar[str] = "beverage.created"
    PRODUCER: ClassVar[str] = "keg-fifo"
    beverage_id: Id
    name: str
    kind: str
    price_per_litre: Price
    abv: Quantity | None = None
    at: Instant


class Keg(Message):
    """A keg as programs rely on it."""

    id: Id
    beverage_id: Id
    volume_ml: Volume
    remaining_ml: Volume
    status: KegStatus
    received_at: Instant
    connected_at: Instant | None = None
    disconnected_at: Instant | None = None
    tap_id: StaffId | None = None


class ReceiveKeg(Command):
    """Take a keg into stock."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "keg.receive"
    beverage_id: Id
    volume_ml: KegVolume
    received_at: Instant | None = None


class ListKegs(TimedPage):
    """Kegs, oldest receipt first."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "keg.list"
    status: KegStatus | None = None
    beverage_id: Id | None = None


class SuggestKeg(Query):
    """Which keg of a beverage to connect next."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "keg.suggest"
    beverage_id: Id


class KegSuggestion(Message):
    """The keg to connect next, why, and what else was in stock."""

    keg: Keg | None
    reason: str
    candidates: list[Keg]


class ConnectKeg(Command):
    """Connect a keg to a tap; over a connected keg it swaps.

    `reason` says why it is another keg than the suggested one. `disposition` is what a swapped-out
    keg becomes, when a person knows better than its level.
    """

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "keg.connect"
    tap_id: Id
    keg_id: Id
    reason: Text | None = None
    disposition: Disposition | None = None


class DisconnectKeg(Command):
    """Take the keg off a tap."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "keg.disconnect"
    tap_id: Id
    disposition: Disposition = Disposition.IN_STOCK


class KegConnected(Event):
    """A keg is on a tap; `suggested_keg_id` was the first in line, `reason` why it is not this."""

    TYPE: ClassVar[str] = "keg.connected"
    PRODUCER: ClassVar[str] = "keg-fifo"
    keg_id: Id
    tap_id: StaffId
    beverage_id: Id
    beverage_name: str
    volume_ml: Volume
    remaining_ml: Volume
    connected_at: Instant
    suggested_keg_id: Id | None = None
    suggestion: str | None = None
    reason: str | None = None
    actor: str = "system"


class KegDisconnected(Event):
    """A keg is off its tap; `swapped` when another one took its place at once."""

    TYPE: ClassVar[str] = "keg.disconnected"
    PRODUCER: ClassVar[str] = "keg-fifo"
    keg_id: Id
    tap_id: StaffId
    status: KegStatus
    swapped: bool
    remaining_ml: Volume
    disconnected_at: Instant
    actor: str = "system"


class KegLevelChanged(Event):
    """A keg holds less; `tap_id` is where it is connected now, if it is."""

    TYPE: ClassVar[str] = "keg.level_changed"
    PRODUCER: ClassVar[str] = "keg-fifo"
    keg_id: Id
    beverage_id: Id
    beverage_name: str
    tap_id: StaffId | None = None
    location: StaffId = "main"
    volume_ml: Volume
    remaining_ml: Volume


class Item(Message):
    """Something kept in stock."""

    id: Id
    name: str
    unit: Unit
    low_stock_threshold: Quantity | None = None
    tracking_enabled: bool
    consumed_by: ConsumedBy
    created_at: Instant


class CreateItem(Command):
    """Add an item to the stock list."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "item.create"
    name: Name
    unit: Unit
    low_stock_threshold: Annotated[Quantity, Field(ge=0)] | None = None
    tracking_enabled: Annotated[bool, Field(strict=True)] = True
    consumed_by: ConsumedBy = ConsumedBy.SALE


class ListItems(IdPage):
    """All items."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "item.list"


class Batch(Message):
    """A received quantity of an item and what is left of it."""

    id: Id
    item_id: Id
    quantity: Quantity
    remaining: Quantity
    received_at: Instant


class ReceiveStock(Command):
    """Take a quantity of an item into stock, in the item's unit."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "stock.receive"
    item_id: Id
    quantity: PositiveQuantity
    received_at: Instant | None = None


class ListBatches(TimedPage):
    """Batches of an item, oldest first."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "stock.batches"
    item_id: Id


SAMPLES_MAX = 50


class Sample(Message):
    """One measured pour: what the meter counted and what was in the glass."""

    pulses: Annotated[int, Field(strict=True, gt=0, le=10**9)]
    measured_ml: Annotated[
        Volume,
        Field(
            gt=0,
            le=10**6,
            validation_alias=AliasChoices("measured_ml", "measuredMl"),
            serialization_alias="measured_ml",
        ),
    ]


class Calibrate(Command):
    """Set ml per pulse for a spout's channel and the item it pours; an upsert.

    Either `mlPerPulse` or `samples`, from which it is worked out. `effectiveFrom` says from which
    instant on pours count by it; absent: now. What is booked already stays as it is.
    """

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "spout.calibrate"
    device_id: Annotated[Id, Field(alias="deviceId")]
    item_id: Annotated[
        Id,
        Field(
            validation_alias=AliasChoices("inventoryItemId", "inventory_item_id", "item_id"),
            serialization_alias="inventoryItemId",
        ),
    ]
    ml_per_pulse: Annotated[Factor | None, Field(gt=0, le=1000, alias="mlPerPulse")] = None
    channel: Annotated[int, Field(strict=True, ge=0, le=255)] = 0
    samples: Annotated[list[Sample], Field(min_length=1, max_length=SAMPLES_MAX)] | None = None
    effective_from: Annotated[Instant | None, Field(alias="effectiveFrom")] = None

    @model_validator(mode="after")
    def _says_one_factor(self) -> Self:
        if (self.ml_per_pulse is None) == (self.samples is None):
            raise ValueError("mlPerPulse or samples is required, and not both")
        return self


class Calibration(Message):
    """A calibration in force.

    `source` is `given`, or `samples` where it was worked out: `spread` then is the distance between
    the smallest and the largest factor among them, as a share of the factor.
    """

    id: Id
    device_id: Id
    item_id: Id
    channel: int
    ml_per_pulse: Factor
    effective_from: Instant
    source: str = "given"
    samples: int | None = None
    spread: Quantity | None = None


class StockConsumed(Event):
    """A spout's pour left the stock; `shortfall` is what no batch could cover."""

    TYPE: ClassVar[str] = "stock.consumed"
    PRODUCER: ClassVar[str] = "keg-fifo"
    item_id: Id
    event_id: Id
    device_id: Id
    volume_ml: Volume
    quantity: Quantity
    shortfall: Quantity
    unit: Unit
    occurred_at: Instant


class StockReceived(Event):
    """A quantity came into stock."""

    TYPE: ClassVar[str] = "stock.received"
    PRODUCER: ClassVar[str] = "keg-fifo"
    item_id: Id
    batch_id: Id
    quantity: Quantity
    unit: Unit
    actor: Text
    received_at: Instant


class ItemCreated(Event):
    """An item is on the stock list."""

    TYPE: ClassVar[str] = "item.created"
    PRODUCER: ClassVar[str] = "keg-fifo"
    item_id: Id
    name: str
    unit: Unit
    low_stock_threshold: Quantity | None = None
    tracking_enabled: bool
    consumed_by: ConsumedBy
