"""Stock: items' facts, corrections and counts, the snapshot and what moved it."""

from pourline.console.api.routes.table import Route, Shape
from pourline.contracts import cellar, stock
from pourline.contracts.base import Listing

WHO_SHOWS = ("ledger", "pos-adapter")
"""Who shows the stock, and what can be sold of it."""

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/api/items/{item_id}",
        level=4,
        command=stock.ChangeItem,
        answer=cellar.Item,
        settles=WHO_SHOWS,
    ),
    Route(
        method="GET",
        path="/api/inventory",
        level=1,
        command=stock.ListInventory,
        answer=Listing[stock.InventoryRow],
        shape=Shape.INVENTORY,
    ),
    Route(
        method="GET",
        path="/api/inventory/ledger",
        level=1,
        command=stock.ListInventoryEntries,
        answer=Listing[stock.InventoryEntry],
        shape=Shape.INVENTORY_LEDGER,
    ),
    Route(
        method="POST",
        path="/api/inventory/{item_id}/adjust",
        level=3,
        command=stock.AdjustStock,
        answer=stock.StockAdjusted,
        settles=WHO_SHOWS,
    ),
    Route(
        method="POST",
        path="/api/inventory/{item_id}/count",
        level=3,
        command=stock.CountStock,
        answer=stock.StockCounted,
        settles=(*WHO_SHOWS, "shift"),
    ),
)
