"""Stock and liquor: items with what is there, packages with how many can be sold, spouts."""

from functools import partial
from typing import ClassVar

from pourline.console.pages.levels import MANAGER
from pourline.console.pages.parts import Part, Words, button, icon, pressed
from pourline.console.pages.shell import Place, Screen, View
from pourline.console.pages.stock_items import StockItems
from pourline.console.pages.stock_packages import StockPackages
from pourline.console.pages.stock_spouts import StockSpouts

Tab = StockItems | StockPackages | StockSpouts


class Stock(View):
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

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._tabs: dict[str, Tab] = {}
        self._at = "Items"
        self._is_fresh = False

    def build(self) -> None:
        """Lay out the tabs, the first one shown."""
        with Part("div", "view-body"):
            with Part("header", "view-head"):
                Words("h1", text="Stock")
                with Part("div", "choices", role="group", aria_label="Show"):
                    self._buttons = {
                        name: button(name, "choice", partial(self._turn_to, name))
                        for name in self._names()
                    }
                with Part("a", "button", href="/sheets/inventory.csv", download="inventory.csv"):
                    icon("download")
                    Words("span", text="CSV")
            for name, tab in self._names().items():
                with Part("div", "work") as place:
                    self._tabs[name] = tab(self.screen)
                place.set_visibility(name == self._at)
                self._tabs[name].place = place
        self._mark()

    def _names(self) -> dict[str, type[Tab]]:
        names: dict[str, type[Tab]] = {"Items": StockItems, "Packages": StockPackages}
        if self.screen.staff.level >= MANAGER:
            names["Spouts"] = StockSpouts
        return names

    async def load(self) -> None:
        """Ask for what the tab shows."""
        at = self._at
        await self._tabs[at].load()
        self._is_fresh = at == self._at

    def show(self) -> None:
        """Show what was answered."""
        if self._is_fresh:
            self._tabs[self._at].show()

    def _turn_to(self, name: str) -> None:
        self._at, self._is_fresh = name, False
        for each, tab in self._tabs.items():
            tab.place.set_visibility(each == name)
        self._mark()
        self.screen.refresh()

    def _mark(self) -> None:
        for name, one in self._buttons.items():
            pressed(one, is_on=name == self._at)
