"""One item in full: receive, count, correct, track; its batches and what moved it last."""

from collections.abc import Callable
from functools import partial

from pourline.console.pages import words
from pourline.console.pages.forms import Field, Form, Values, moment, number, once
from pourline.console.pages.levels import MANAGER, SENIOR, SUPERVISOR
from pourline.console.pages.parts import Part, Words, button, fact, icon, icon_button, pressed
from pourline.console.pages.shell import Screen
from pourline.contracts.base import Command, Listing
from pourline.contracts.cellar import Batch, Item, ListBatches, ReceiveStock
from pourline.contracts.packages import GetPackageImpact, PackageImpact
from pourline.contracts.stock import (
    AdjustStock,
    ChangeItem,
    CountStock,
    InventoryEntry,
    InventoryRow,
    ListInventoryEntries,
    MovementSource,
    StockAdjusted,
    StockCounted,
)

ROWS = 12
NUMBERS = frozenset({"Came", "Left", "Change"})
"""Columns that stand at the right."""
SOURCES = {
    MovementSource.PURCHASE: "Sale",
    MovementSource.MANUAL_ADJUSTMENT: "Correction",
    MovementSource.RECONCILIATION: "Count",
    MovementSource.SYSTEM: "Before the first entry",
    MovementSource.POUR: "Pour",
    MovementSource.RECEIPT: "Receipt",
}


class ItemCard:
    """The chosen item; empty until one is chosen."""

    def __init__(self, screen: Screen, *, left: Callable[[], None]) -> None:
        self._screen = screen
        self._left = left
        self._root = Part("section", "chosen", aria_label="Item")
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self._root.clear()
        self._item_id = ""
        self._batches: list[Batch] = []
        self._entries: list[InventoryEntry] = []
        self._impact: PackageImpact | None = None
        self._facts: Part | None = None
        self._shown: object = None
        self._unit = ""

    async def load(self, item_id: str) -> None:
        """Ask for its batches, what moved it last and which packages need it."""
        ask = self._screen.ask
        self._batches = (await ask(ListBatches(item_id=item_id, limit=40), Listing[Batch])).items
        query = ListInventoryEntries(item_id=item_id, limit=ROWS)
        self._entries = (await ask(query, Listing[InventoryEntry])).items
        self._impact = await ask(GetPackageImpact(item_id=item_id), PackageImpact)

    def show(self, row: InventoryRow | None, item: Item | None) -> None:
        """Show an item; what is filled in stays while its figures move."""
        if row is None:
            return
        if row.item_id != self._item_id:
            self._root.clear()
            self._item_id, self._unit = row.item_id, row.unit.value
            with self._root:
                self._lay_out(row)
        shown = row, item, self._batches, self._entries, self._impact
        if shown == self._shown or self._facts is None:
            return
        self._shown = shown
        self._facts.clear()
        with self._facts:
            self._say(row, item)

    def _lay_out(self, row: InventoryRow) -> None:
        with Part("article", "card", aria_label=row.name):
            with Part("header", "view-head"):
                Words("h2", text=row.name)
                icon_button("Back to the list", "close", self._left)
            self._doing = Part("div", "choices", role="group", aria_label="Do")
            self._form = Part("div", "doing")
            self._note = Words("p", "strong", role="status")
            self._facts = Part("div", "work")
        self._offer()

    def _offer(self) -> None:
        level = self._screen.staff.level
        verbs = {"Receive": (SENIOR, self._receive), "Count": (SUPERVISOR, self._count)}
        verbs |= {"Correct": (SUPERVISOR, self._adjust), "Change": (MANAGER, self._change)}
        with self._doing:
            self._verbs = {
                verb: button(verb, "choice", partial(self._do, verb, build))
                for verb, (needed, build) in verbs.items()
                if level >= needed
            }

    def _do(self, verb: str, build: Callable[[], None]) -> None:
        for name, one in self._verbs.items():
            pressed(one, is_on=name == verb)
        self._form.clear()
        self._note.text = ""
        with self._form:
            build()

    def _receive(self) -> None:
        form = Form(
            self._screen, level=SENIOR, make=self._make_receipt, answer=Batch, done=self._received
        )
        fields = (
            Field(name="quantity", label=f"Received, in {self._unit}", kind="text", hint="700"),
            Field(name="at", label="When (empty: now)", kind="datetime-local"),
        )
        form.build("Receive", fields, sign="add")

    def _make_receipt(self, values: Values) -> Command:
        return ReceiveStock(
            item_id=self._item_id,
            quantity=number(values["quantity"], "Received"),
            received_at=moment(values["at"], self._screen.board.timezone),
        )

    def _received(self, batch: Batch) -> None:
        self._note.text = f"{words.quantity(batch.quantity)} {self._unit} received."

    def _count(self) -> None:
        form = Form(
            self._screen,
            level=SUPERVISOR,
            make=self._make_count,
            answer=StockCounted,
            done=self._counted,
        )
        fields = (
            Field(name="counted", label=f"Counted, in {self._unit}", hint="650"),
            Field(name="reason", label="Reason", value="Stocktaking"),
        )
        form.build("Save count", fields, sign="fact_check")

    def _make_count(self, values: Values) -> Command:
        counted = number(values["counted"], "Counted")
        return CountStock(item_id=self._item_id, counted=counted, reason=values["reason"])

    def _counted(self, count: StockCounted) -> None:
        unit, since = self._unit, count.since_last_count
        said = [
            f"Expected {words.quantity(count.expected)} {unit}",
            f"counted {words.quantity(count.counted)}",
            f"discrepancy {count.discrepancy.normalize():+f} {unit}",
        ]
        moved = [
            f"received {words.quantity(since.received)}",
            f"poured {words.quantity(since.poured)}",
            f"sold {words.quantity(since.sold)}",
            f"corrected {words.quantity(since.adjusted)}",
        ]
        self._note.text = f"{', '.join(said)}. Since the last count: {', '.join(moved)}."

    def _adjust(self) -> None:
        form = Form(
            self._screen,
            level=SUPERVISOR,
            make=self._make_adjustment,
            answer=StockAdjusted,
            done=self._adjusted,
        )
        fields = (
            Field(name="delta", label=f"Change by, in {self._unit}", hint="-70"),
            Field(name="reason", label="Reason", hint="Broken bottle"),
        )
        form.build("Correct stock", fields, sign="edit")

    def _make_adjustment(self, values: Values) -> Command:
        delta = number(values["delta"], "Change by")
        return AdjustStock(item_id=self._item_id, delta=delta, reason=values["reason"])

    def _adjusted(self, entry: StockAdjusted) -> None:
        stock = words.quantity(entry.current_stock)
        self._note.text = f"Changed by {entry.delta.normalize():+f}: now {stock} {self._unit}."

    def _change(self) -> None:
        form = Form(
            self._screen, level=MANAGER, make=self._make_change, answer=Item, done=self._changed
        )
        fields = (
            Field(name="name", label="Name (empty: as it is)"),
            Field(name="low", label="Low at (empty: as it is)"),
        )
        form.build("Change item", fields, sign="edit")

    def _make_change(self, values: Values) -> Command:
        low = number(values["low"], "Low at") if values["low"] else None
        return ChangeItem(
            item_id=self._item_id, name=values["name"] or None, low_stock_threshold=low
        )

    def _changed(self, item: Item) -> None:
        self._note.text = f"{item.name} is changed."

    def _say(self, row: InventoryRow, item: Item | None) -> None:
        with Part("dl", "facts"):
            fact("Stock", f"{words.quantity(row.current_stock)} {self._unit}")
            if row.low_stock_threshold is not None:
                fact("Low at", f"{words.quantity(row.low_stock_threshold)} {self._unit}")
            fact("Sales and pours move it", "yes" if row.tracking_enabled else "no")
            if item:
                fact("Moved by", "pours of its spout" if item.consumed_by == "pour" else "sales")
            if self._impact and self._impact.items:
                fact("Needed by", ", ".join(one.name for one in self._impact.items))
        if item and self._screen.staff.level >= MANAGER:
            self._tracking(item)
        self._say_batches()
        self._say_entries()

    def _tracking(self, item: Item) -> None:
        verb = "Stop tracking" if item.tracking_enabled else "Track again"
        with Part("div", "card-actions"):
            once(verb, "", partial(self._track, item), "toggle_on")

    async def _track(self, item: Item, key: str) -> Item | None:
        if self._screen.staff.level < MANAGER:
            return None
        order = ChangeItem(item_id=item.id, tracking_enabled=not item.tracking_enabled)
        return await self._screen.order(order, Item, key=key)

    def _say_batches(self) -> None:
        open_ones = [one for one in self._batches if one.remaining > 0]
        if not open_ones:
            return
        Words("h3", "strong", "Batches, the oldest leaves first")
        with Part("table", "table"):
            _header("Received", "Came", "Left")
            for batch in open_ones[:ROWS]:
                with Part("tr"):
                    at = words.moment(batch.received_at, self._screen.board.timezone)
                    Words("td", text=at)
                    Words("td", "num", words.quantity(batch.quantity))
                    Words("td", "num", words.quantity(batch.remaining))

    def _say_entries(self) -> None:
        with Part("header", "view-head"):
            Words("h3", "strong", "What moved it last")
            path = f"/sheets/inventory-ledger.csv?item_id={self._item_id}"
            with Part("a", "button", href=path, download="ledger.csv"):
                icon("download")
                Words("span", text="All as CSV")
        with Part("table", "table"):
            _header("When", "What", "Change")
            for entry in self._entries:
                with Part("tr"):
                    Words("td", "soft", words.moment(entry.at, self._screen.board.timezone))
                    why = f": {entry.reason}" if entry.reason else ""
                    Words("td", text=f"{SOURCES[entry.source]}{why} ({entry.actor})")
                    Words("td", "num", f"{entry.delta.normalize():+f}")


def _header(*names: str) -> None:
    with Part("tr"):
        for name in names:
            Words("th", "num" if name in NUMBERS else "", name, scope="col")
