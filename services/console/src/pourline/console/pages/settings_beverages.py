"""Beverages and what they cost, now and from later on."""

from functools import partial

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.forms import Field, Form, Values, amount, moment, number
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.listing import rows_of
from pourline.console.pages.parts import Part, Words, bring_into_view, button, icon, icon_button
from pourline.console.pages.shell import Screen
from pourline.contracts.base import Command, Listing
from pourline.contracts.cellar import Beverage, CreateBeverage, ListBeverages
from pourline.contracts.money import PriceChanged, SetPrice

KINDS = {
    "beer": "beer",
    "cider": "cider",
    "wine": "wine",
    "spirits": "spirits",
    "mixed": "mixed drinks",
    "soft": "soft drinks",
}
"""Kinds that limit profiles know; any other one comes over REST."""


class SettingsBeverages:
    """A card a beverage."""

    place: ui.element

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._beverages: list[Beverage] = []
        self._shown: object = None
        with Part("div", "view-head"):
            button("New beverage", "primary", self._open_new, "add")
        self._panel = Part("section", "chosen", aria_label="Beverage")
        self._list = Part("section", "cards", aria_label="Beverages")

    async def load(self) -> None:
        """Ask for every beverage with its price."""
        self._beverages = await rows_of(self._screen, ListBeverages(), Listing[Beverage])

    def show(self) -> None:
        """Show the beverages, if they are others."""
        currency = self._screen.board.currency
        shown = self._beverages, currency
        if shown == self._shown:
            return
        self._shown = shown
        self._list.clear()
        with self._list:
            for one in self._beverages:
                with Part("article", "card", aria_label=one.name):
                    with Part("header", "view-head"):
                        Words("h2", text=one.name)
                        price = words.money(one.price_per_litre, currency)
                        Words("span", "strong", f"{price} / litre")
                    strength = f", {words.quantity(one.abv)} %" if one.abv is not None else ""
                    Words("p", "soft", f"{one.kind}{strength}")
                    with Part("div", "card-actions"):
                        button("New price", "", partial(self._open_price, one), "sell")
            if not self._beverages:
                with Part("div", "empty"):
                    icon("local_drink")
                    Words("p", text="No beverages yet.")

    def _open_new(self) -> None:
        self._open("New beverage")
        with self._card:
            form = Form(
                self._screen,
                level=MANAGER,
                make=partial(make_beverage, self._screen),
                answer=Beverage,
                done=self._created,
            )
            form.build("Create beverage", beverage_fields(self._screen), sign="add")

    def _open_price(self, beverage: Beverage) -> None:
        self._open(f"New price of {beverage.name}")
        with self._card:
            form = Form(
                self._screen,
                level=MANAGER,
                make=partial(self._make_price, beverage),
                answer=PriceChanged,
                done=partial(self._priced, beverage),
            )
            fields = (
                Field(name="price", label=price_label(self._screen), hint="6.20"),
                Field(name="from", label="From (empty: now)", kind="datetime-local"),
            )
            form.build("Set price", fields, sign="sell")

    def _open(self, title: str) -> None:
        self._panel.clear()
        with self._panel:
            self._card = Part("article", "card", aria_label=title)
        with self._card, Part("header", "view-head"):
            Words("h2", text=title)
            icon_button("Leave", "close", self._panel.clear)
        bring_into_view(self._panel)

    def _created(self, beverage: Beverage) -> None:
        self._panel.clear()
        self._screen.tell(f"{beverage.name} can be put on tap.")

    def _make_price(self, beverage: Beverage, values: Values) -> Command:
        board = self._screen.board
        from_at = moment(values["from"], board.timezone)
        price = amount(values["price"], board.currency, "Price")
        return SetPrice(beverage_id=beverage.id, price_per_litre=price, from_=from_at)

    def _priced(self, beverage: Beverage, price: PriceChanged) -> None:
        board = self._screen.board
        self._panel.clear()
        shown = words.money(price.price_per_litre, board.currency)
        at = words.moment(price.from_at, board.timezone)
        since = "now on" if price.from_at <= board.now() else at
        self._screen.tell(f"{beverage.name} costs {shown} / litre from {since}.")


def price_label(screen: Screen) -> str:
    """Return the label of a price."""
    return f"Price per litre in {screen.board.currency}"


def beverage_fields(screen: Screen) -> tuple[Field, ...]:
    """Return what is asked about a new beverage."""
    return (
        Field(name="name", label="Beverage's name", hint="House Pils"),
        Field(name="kind", label="Kind", options=KINDS),
        Field(name="price", label=price_label(screen), hint="6.20"),
        Field(name="abv", label="Alcohol in % (empty: not known)", hint="4.8"),
    )


def make_beverage(screen: Screen, values: Values) -> Command:
    """Return the order for a new beverage; raises `ValueError`."""
    return CreateBeverage(
        name=values["name"],
        kind=values["kind"],
        price_per_litre=amount(values["price"], screen.board.currency, "Price"),
        abv=number(values["abv"], "Alcohol") if values["abv"] else None,
    )
