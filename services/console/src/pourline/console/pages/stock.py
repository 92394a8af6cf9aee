"""Stock and liquor: items with what is there, packages with how many can be sold, spouts."""

from collections.abc import Callable
from typing import ClassVar

from pourline.console.pages.levels import MANAGER
from pourline.console.pages.parts import Part, Words, icon
from pourline.console.pages.shell import Place, Screen
from pourline.console.pages.stock_items import StockItems
from pourline.console.pages.stock_packages import StockPackages
from pourline.console.pages.stock_spouts import StockSpouts
from pourline.console.pages.tabbed import Tab, TabbedView


class Stock(TabbedView):
    """Three lists behind three buttons; only the one that is seen is asked for."""

    PLACE = Place(path="/stock", word="Stock", sign="inventory_2")
    NEWS: ClassVar[frozenset[str]] = frozenset(
        {
            "stock.changed",
            "item.created",
            "item.changed",
            "package.changed",
            "spout.changed",
            "spout.health_changed",
            "config.changed",
        }
    )

    NEWS_REST_S: ClassVar[float] = 2.0
    """Whole lists are asked for: a burst of sales is shown together."""

    def tabs(self) -> dict[str, Callable[[Screen], Tab]]:
        """Return the tabs; spouts are the manager's."""
        makers: dict[str, Callable[[Screen], Tab]] = {
            "Items": StockItems,
            "Packages": StockPackages,
        }
        if self.screen.staff.level >= MANAGER:
            makers["Spouts"] = StockSpouts
        return makers

    def beside(self) -> None:
        """Lay out the way to the sheet."""
        with Part("a", "button", href="/sheets/inventory.csv", download="inventory.csv"):
            icon("download")
            Words("span", text="CSV")
