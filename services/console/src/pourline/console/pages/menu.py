"""The menu on a screen for guests: what runs, what it costs, what is almost gone."""

from typing import ClassVar

from nicegui import ui

from pourline.console.pages.menu_card import Offer, drinks, offers
from pourline.console.pages.panel import Panel
from pourline.console.pages.parts import Part, Words, icon
from pourline.console.pages.shell import Site
from pourline.contracts.cellar import Beverage

KEEP_PAGE_S = 60.0


class Menu(Panel):
    """The screen; it names nobody."""

    NEWS: ClassVar[frozenset[str]] = frozenset({"beverage.created"})

    def __init__(self, site: Site) -> None:
        self._drinks: dict[str, Beverage] = {}
        self._shown: list[Offer] | None = None
        super().__init__(site)

    def build(self) -> None:
        """Lay out the title and the list."""
        with Part("main", "menu", id="main"):
            Words("h1", "panel-title", "On tap")
            self._list = Part("ul", "menu-list")

    async def load(self) -> None:
        """Ask how strong the drinks are; the rest is on the board."""
        self._drinks = await drinks(self.site.caller)

    def show(self) -> None:
        """Show the menu, if something of it changed."""
        found = offers(self.board, self._drinks)
        if found == self._shown:
            return
        self._shown = found
        self._list.clear()
        with self._list:
            for offer in found:
                self._offer(offer)
            if not found:
                Words("li", "soft", "Nothing is on tap yet.")

    @staticmethod
    def _offer(offer: Offer) -> None:
        gone = " gone" if offer.face.tone in {"bad", "rest"} else ""
        with Part("li", f"menu-row tone-{offer.face.tone}{gone}"):
            Words("span", "menu-tap", offer.tap_id)
            with Part("div", "menu-drink"):
                Words("h2", text=offer.drink)
                Words("p", "soft", offer.kind)
            with Part("p", "menu-state"):
                icon(offer.face.icon)
                Words("span", text=offer.face.word)
            Words("p", "menu-price", offer.price)


def mount(site: Site) -> None:
    """Add the menu to the pages, for everybody."""

    @ui.page("/menu", title="On tap", reconnect_timeout=KEEP_PAGE_S)
    def page() -> None:
        Menu(site).start("menu")
