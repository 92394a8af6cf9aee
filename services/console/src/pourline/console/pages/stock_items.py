"""Items and what is there of each; one of them in full beside them."""

from functools import partial

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.forms import Field, Form, Values, number
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.listing import rows_of
from pourline.console.pages.parts import (
    Part,
    Words,
    bring_into_view,
    button,
    field,
    icon,
    icon_button,
    pressed,
)
from pourline.console.pages.shell import Screen
from pourline.console.pages.stock_item import ItemCard
from pourline.contracts.base import Command, Listing
from pourline.contracts.cellar import CreateItem, Item, ListItems, Unit
from pourline.contracts.stock import InventoryRow, ListInventory

UNITS = {Unit.ML.value: "millilitres", Unit.LTR.value: "litres", Unit.EACH.value: "pieces"}


class StockItems:
    """The list, and the chosen one."""

    place: ui.element

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._rows: list[InventoryRow] = []
        self._items: dict[str, Item] = {}
        self._chosen: str | None = None
        self._shown: object = None
        with Part("div", "view-head"):
            self._q = field("Find an item", kind="search").classes("search")
            self._q.on_value_change(lambda _: self.show())
            if screen.staff.level >= MANAGER:
                button("New item", "", self._open_new, "add")
        self._new = Part("section", "chosen", aria_label="New item")
        with Part("div", "split"):
            self._list = Part("section", "picks", aria_label="Items")
            self._card = ItemCard(screen, left=self._leave)

    async def load(self) -> None:
        """Ask for every item's stock, and everything of the chosen one."""
        rows = await rows_of(self._screen, ListInventory(), Listing[InventoryRow])
        items = await rows_of(self._screen, ListItems(), Listing[Item])
        if self._chosen:
            await self._card.load(self._chosen)
        self._rows, self._items = rows, {one.id: one for one in items}

    def show(self) -> None:
        """Show the rows that fit what is looked for, and the chosen one."""
        wanted = str(self._q.value or "").strip().casefold()
        rows = [one for one in self._rows if wanted in one.name.casefold()]
        shown = rows, self._chosen
        if shown != self._shown:
            self._shown = shown
            self._list.clear()
            with self._list:
                for row in rows:
                    self._row(row)
                if not rows:
                    self._nothing(wanted)
        chosen = next((one for one in self._rows if one.item_id == self._chosen), None)
        self._card.show(chosen, self._items.get(self._chosen or ""))

    def _nothing(self, wanted: str) -> None:
        with Part("div", "empty"):
            icon("inventory_2")
            Words("p", text="No such item." if wanted else "No items yet.")

    def _row(self, row: InventoryRow) -> None:
        pick = Part("button", "pick", type="button", data_item=row.item_id)
        pressed(pick, is_on=row.item_id == self._chosen)
        pick.on("click", partial(self._choose, row.item_id), args=[])
        with pick:
            with Part("span", "pick-main"):
                Words("span", "strong", row.name)
                last = row.last_activity_at
                moved = words.age(last, self._screen.board.now()) if last else "never moved"
                Words("span", "soft", moved if row.tracking_enabled else f"{moved} · not tracked")
            mark(row)
            Words("span", "pick-side", f"{words.quantity(row.current_stock)} {row.unit.value}")

    def _choose(self, item_id: str) -> None:
        self._chosen = item_id
        self._new.clear()
        self._card.clear()
        self._screen.refresh()

    def _leave(self) -> None:
        self._chosen = None
        self._card.clear()
        self._screen.refresh()
        self.show()

    def _open_new(self) -> None:
        self._leave()
        self._new.clear()
        with self._new, Part("article", "card", aria_label="New item"):
            with Part("header", "view-head"):
                Words("h2", text="New item")
                icon_button("Leave", "close", self._new.clear)
            form = Form(
                self._screen, level=MANAGER, make=_make_item, answer=Item, done=self._created
            )
            form.build(
                "Create item",
                (
                    Field(name="name", label="Item's name"),
                    Field(name="unit", label="Counted in", options=UNITS),
                    Field(name="low", label="Low at (empty: never)", hint="700"),
                ),
                sign="add",
            )
        bring_into_view(self._new)

    def _created(self, item: Item) -> None:
        self._new.clear()
        self._screen.tell(f"{item.name} is on the list.")
        self._choose(item.id)


def _make_item(values: Values) -> Command:
    low = number(values["low"], "Low at") if values["low"] else None
    return CreateItem(name=values["name"], unit=Unit(values["unit"]), low_stock_threshold=low)


def mark(row: InventoryRow) -> None:
    """Say that a stock is low or below nothing: word, icon and colour."""
    if not row.negative and not row.low_stock:
        return
    tone, sign, word = (
        ("bad", "trending_down", "Below zero") if row.negative else ("warn", "warning", "Low")
    )
    with Part("span", f"tag tone-{tone}"):
        icon(sign)
        Words("span", text=word)
