"""What an item's stock says."""

from dataclasses import dataclass
from decimal import Decimal

from pourline.alerts.domain.kinds import Findings, Kind, breach_of, cause_of
from pourline.alerts.domain.quantities import plain


@dataclass(frozen=True, kw_only=True)
class Stock:
    """An item's stock, in its unit; `is_low` by its threshold, `ever_moved` since it exists."""

    item_id: str
    name: str
    quantity: Decimal
    unit: str
    threshold: Decimal | None
    is_low: bool
    ever_moved: bool


def stock_findings(stock: Stock) -> Findings:
    """Return what an item's stock says: below zero, low, both or neither.

    An item that was never in stock is no breach: nothing fell below anything.
    """
    negative, low = (
        cause_of(kind, stock.item_id) for kind in (Kind.NEGATIVE_STOCK, Kind.LOW_STOCK)
    )
    words = {"name": stock.name, "left": f"{plain(stock.quantity)} {stock.unit}"}
    opens, ends = [], []
    if stock.quantity < 0:
        opens.append(breach_of(negative, **words))
    else:
        ends.append(negative)
    if stock.is_low and stock.ever_moved:
        threshold = plain(stock.threshold or Decimal(0))
        opens.append(breach_of(low, **words, threshold=threshold))
    else:
        ends.append(low)
    return Findings(opens=tuple(opens), ends=tuple(ends))
