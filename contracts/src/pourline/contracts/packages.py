"""Packages of items, how many can be sold, and sales as the point of sale tells them.

pos-adapter owns packages and sales; keg-fifo, who owns the stock, decides what a sale may take.
"""

from decimal import Decimal
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from pourline.contracts.base import (
    Command,
    Count,
    Event,
    Id,
    IdPage,
    Instant,
    Message,
    Name,
    Price,
    Quantity,
    QuantitySum,
    Query,
    StaffId,
    Total,
)
from pourline.contracts.stock import QUANTITY_MAX, ExactQuantity

PARTS_MAX = 100
"""No drink or platter is made of more."""
LINES_MAX = 100
"""A point of sale splits a longer bill."""

Portion = Annotated[Quantity, Field(gt=0, le=QUANTITY_MAX)]
"""A quantity that is there, in its item's unit."""
Sellable = Annotated[int, Field(ge=0)]
"""How many packages; a warehouse of a thing that is needed by the drop makes many."""


class PackagePart(Message):
    """How much of an item one package needs, in the item's unit."""

    item_id: Id
    quantity: Portion


def _each_once(parts: list[PackagePart]) -> list[PackagePart]:
    if len({part.item_id for part in parts}) != len(parts):
        raise ValueError("an item stands in it twice")
    return parts


Parts = Annotated[
    list[PackagePart], Field(min_length=1, max_length=PARTS_MAX), AfterValidator(_each_once)
]


class Package(Message):
    """Items that are sold together at one price, in minor units."""

    id: Id
    name: str
    price: Price
    items: list[PackagePart]
    created_at: Instant


class CreatePackage(Command):
    """Offer items together."""

    OWNER: ClassVar[str] = "pos-adapter"
    NAME: ClassVar[str] = "package.create"
    name: Name
    price: Price
    items: Parts


class ListPackages(IdPage):
    """All packages, in order of creation."""

    OWNER: ClassVar[str] = "pos-adapter"
    NAME: ClassVar[str] = "package.list"


class Bottleneck(Message):
    """The part that limits a package: what is there of it, and what one package needs."""

    item_id: Id
    name: str
    available: QuantitySum
    required: Quantity


class PackageAvailability(Message):
    """How many of a package can be sold: the smallest floor(stock / quantity) over its parts.

    Parts that are not tracked limit nothing; where none is tracked, `max_sellable` is absent.
    """

    package_id: Id
    name: str
    max_sellable: Sellable | None
    bottleneck: Bottleneck | None


class ListAvailability(IdPage):
    """How many of each package can be sold, in order of creation."""

    OWNER: ClassVar[str] = "pos-adapter"
    NAME: ClassVar[str] = "package.availabilities"


class GetAvailability(Query):
    """How many of one package can be sold."""

    OWNER: ClassVar[str] = "pos-adapter"
    NAME: ClassVar[str] = "package.availability"
    package_id: Id


class ImpactedPackage(Message):
    """A package that needs an item; `is_bottleneck` says that this item is what limits it."""

    package_id: Id
    name: str
    required: Quantity
    max_sellable: Sellable | None
    is_bottleneck: bool


class PackageImpact(Message):
    """What an item's stock means for the packages that need it."""

    item_id: Id
    name: str
    available: QuantitySum
    tracking_enabled: bool
    items: list[ImpactedPackage]


class GetPackageImpact(Query):
    """Which packages need an item, and which of them it limits."""

    OWNER: ClassVar[str] = "pos-adapter"
    NAME: ClassVar[str] = "package.impact"
    item_id: Id


class PackageChanged(Event):
    """A package is new, or another number of it can be sold."""

    TYPE: ClassVar[str] = "package.changed"
    PRODUCER: ClassVar[str] = "pos-adapter"
    package_id: Id
    name: str
    price: Price
    items: list[PackagePart]
    max_sellable: Sellable | None = None
    bottleneck: Bottleneck | None = None
    at: Instant


class SaleLine(Message):
    """One line of a sale: so many of an item, in its unit, or whole packages."""

    item_id: Id | None = None
    package_id: Id | None = None
    quantity: Portion

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.item_id is None) == (self.package_id is None):
            raise ValueError("needs either item_id or package_id")
        if self.package_id is not None and self.quantity % 1 != 0:
            raise ValueError("packages are sold whole")
        return self


Lines = Annotated[list[SaleLine], Field(min_length=1, max_length=LINES_MAX)]


class RecordSale(Command):
    """Take a sale's lines from the stock, all or none; again with the same id: the first sale.

    A single item may be sold below zero, a package may not.
    """

    OWNER: ClassVar[str] = "pos-adapter"
    NAME: ClassVar[str] = "sale.record"
    lines: Lines
    transaction_id: Id
    location: StaffId = "main"


class Sale(Message):
    """A sale as it was taken; `amount` is what its packages cost, in minor units.

    `is_repeat` says that it had been taken before this request.
    """

    id: Id
    transaction_id: Id
    lines: list[SaleLine]
    amount: Total
    sold_by: str
    at: Instant
    is_repeat: bool = False


class SaleRecorded(Event):
    """The point of sale sold something, and the stock was taken."""

    TYPE: ClassVar[str] = "sale.recorded"
    PRODUCER: ClassVar[str] = "pos-adapter"
    sale_id: Id
    transaction_id: Id
    location: StaffId
    lines: list[SaleLine]
    amount: Total
    sold_by: str
    at: Instant


class Taking(Message):
    """What a sale takes of an item: `whole` for packages' parts, `loose` for single items.

    What is `whole` is there or the sale is refused; what is `loose` may leave the stock below
    zero.
    """

    item_id: Id
    whole: Annotated[Quantity, Field(ge=0)] = Decimal(0)
    loose: Annotated[Quantity, Field(ge=0)] = Decimal(0)


class TakeStock(Command):
    """Take all that a sale needs from the stock, or nothing; once a `transaction_id`.

    Refused with `package_unavailable`, naming the item, where a package's part is not there.
    Items that are not tracked, or whose measured pours move them, are only looked at.
    """

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "stock.take"
    transaction_id: Id
    takings: Annotated[list[Taking], Field(min_length=1, max_length=LINES_MAX * PARTS_MAX)]
    sold_by: str
    sold_at: Instant


class TakenItem(Message):
    """What a sale moved of an item; 0 where the sale was only looked at.

    `stock_after` and `number` are those of its movement, where there is one.
    """

    item_id: Id
    moved: QuantitySum
    stock_after: ExactQuantity | None = None
    number: Count | None = None


class StockTaken(Message):
    """The answer to a sale's taking; the same for a repeat."""

    transaction_id: Id
    items: list[TakenItem]
