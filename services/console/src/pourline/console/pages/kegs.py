"""Kegs and cellar: what is on tap, what waits and what is next, swaps, receipts and cleaning."""

from decimal import Decimal
from typing import ClassVar

from pourline.console.pages import words
from pourline.console.pages.forms import Field, Form, Values, moment, number
from pourline.console.pages.kegs_stock import Cellar, KegStock
from pourline.console.pages.kegs_swap import SwapPanel
from pourline.console.pages.kegs_tile import KegTile, Notes, Orders, outlook_words
from pourline.console.pages.levels import SENIOR
from pourline.console.pages.listing import freshened, rows_of
from pourline.console.pages.parts import Part, Words, bring_into_view, button, icon_button
from pourline.console.pages.shell import Place, Screen, View
from pourline.console.pages.views import RESUMABLE, tap_views
from pourline.contracts.base import Command, Listing
from pourline.contracts.cellar import (
    Beverage,
    Keg,
    KegStatus,
    KegSuggestion,
    ListBeverages,
    ListKegs,
    ReceiveKeg,
    SuggestKeg,
)
from pourline.contracts.losses import Forecast, GetForecast, GetKegYield, KegForecast, KegYield
from pourline.contracts.taps import CleanTap, ResumeTap, Tap

EMPTY_MAX = 40
YIELDS_MAX = 6
"""Kegs taken off last whose yield is told."""
SUGGESTED_MAX = 20
"""Beverages whose next keg is asked for; more are seldom in one cellar."""
SIZES_L = {"50": "50 l", "30": "30 l", "20": "20 l", "": "Another size"}
ML_PER_LITRE = Decimal(1000)


class Kegs(View):
    """Every tap with its keg, and the cellar behind them."""

    PLACE = Place(path="/kegs", word="Kegs", sign="propane_tank")
    NEWS: ClassVar[frozenset[str]] = frozenset(
        {"keg.connected", "keg.disconnected", "beverage.created", "tap.registered"}
    )

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._tiles: dict[str, KegTile] = {}
        self._cellar = Cellar(beverages={}, in_stock=[], empty=[], suggested={})
        self._forecast: dict[str, KegForecast] = {}

    def build(self) -> None:
        """Lay out the taps, the place of what is being done, and the cellar."""
        may_change = self.screen.staff.level >= SENIOR
        with Part("div", "view-body"):
            with Part("header", "view-head"):
                Words("h1", text="Kegs and cellar")
                if may_change:
                    button("Receive a keg", "", self._open_receipt, "add")
            with Part("div", "work") as self._work:
                self._swap = SwapPanel(self.screen, left=self._done, receive=self._receive_for)
                self._receipt = Part("section", "chosen", aria_label="Receive a keg")
                self._taps = Part("section", "cards", aria_label="On tap")
            self._stock = KegStock(self.screen)

    async def load(self) -> None:
        """Ask what the cellar holds and what is next of each beverage."""
        beverages = await rows_of(self.screen, ListBeverages(), Listing[Beverage])
        in_stock = await rows_of(self.screen, ListKegs(status=KegStatus.IN_STOCK), Listing[Keg])
        query = ListKegs(status=KegStatus.EMPTY, limit=EMPTY_MAX)
        empty = (await self.screen.ask(query, Listing[Keg])).items
        suggested = {}
        for beverage_id in list(dict.fromkeys(one.beverage_id for one in in_stock))[:SUGGESTED_MAX]:
            query_next = SuggestKeg(beverage_id=beverage_id)
            suggested[beverage_id] = await self.screen.ask(query_next, KegSuggestion)
        forecast = (await self.screen.ask(GetForecast(), Forecast)).items
        self._forecast = {one.keg_id: one for one in forecast}
        yields = await self._yields(empty)
        self._cellar = Cellar(
            yields=yields,
            beverages={one.id: one for one in beverages},
            in_stock=in_stock,
            empty=empty,
            suggested=suggested,
        )

    async def _yields(self, empty: list[Keg]) -> list[KegYield]:
        """Ask what became of the kegs that were taken off last."""
        known = {one.keg_id: one for one in self._cellar.yields}
        last = sorted(empty, key=lambda one: one.disconnected_at or one.received_at, reverse=True)
        return [
            known.get(one.id) or await self.screen.ask(GetKegYield(keg_id=one.id), KegYield)
            for one in last[:YIELDS_MAX]
        ]

    def show(self) -> None:
        """Show the taps off the board, and the cellar as it was answered."""
        board = self.screen.board
        views = tap_views(board)
        if [one.tap_id for one in views] != list(self._tiles):
            self._lay_out([one.tap_id for one in views])
        for view in views:
            tap = board.lines[view.tap_id].tap
            outlook = outlook_words(self._forecast.get(tap.keg_id or ""), board.timezone)
            notes = Notes(cleaning=self._cleaning(tap), outlook=outlook)
            self._tiles[view.tap_id].show(view, tap, notes)
        self._swap.show(self._cellar)
        self._stock.show(self._cellar)

    def _lay_out(self, tap_ids: list[str]) -> None:
        orders = Orders(
            swap=self._open_swap, off=self._open_off, clean=self._clean, resume=self._resume
        )
        may_change = self.screen.staff.level >= SENIOR
        self._taps.clear()
        with self._taps:
            self._tiles = {one: KegTile(one, orders if may_change else None) for one in tap_ids}
            if not tap_ids:
                Words("p", "soft", "No taps yet.")

    def _cleaning(self, tap: Tap) -> str:
        """Say when a line was cleaned last or is due, as far as the taps' owner tells it."""
        zone, now = self.screen.board.timezone, self.screen.board.now()
        due = tap.cleaning_due_at
        if due is not None:
            late = "overdue since" if due <= now else "due"
            return f"Line cleaning {late} {words.moment(due, zone)}"
        return f"Line cleaned {words.age(tap.cleaned_at, now)}" if tap.cleaned_at else ""

    def _open_swap(self, tap_id: str) -> None:
        self._receipt.clear()
        self._swap.open(tap_id, self._cellar)

    def _open_off(self, tap_id: str) -> None:
        self._receipt.clear()
        self._swap.open_off(tap_id)

    async def _open_receipt(self) -> None:
        await freshened(self.load)
        self._swap.close()
        self._receipt.clear()
        names = {one.id: one.name for one in self._cellar.beverages.values()}
        with self._receipt, Part("article", "card", aria_label="Receive a keg"):
            with Part("header", "view-head"):
                Words("h2", text="Receive a keg")
                icon_button("Leave", "close", self._done)
            if not names:
                Words("p", "soft", "Add a beverage under Settings first.")
                return
            form = Form(
                self.screen, level=SENIOR, make=self._make_receipt, answer=Keg, done=self._received
            )
            form.build(
                "Receive keg",
                (
                    Field(name="beverage", label="Beverage", options=names),
                    Field(name="size", label="Size", options=SIZES_L),
                    Field(name="litres", label="Litres, if another size", hint="19.5"),
                    Field(name="at", label="Received (empty: now)", kind="datetime-local"),
                ),
                sign="add",
            )
        bring_into_view(self._receipt)

    def _make_receipt(self, values: Values) -> Command:
        litres = number(values["size"] or values["litres"], "Litres")
        return ReceiveKeg(
            beverage_id=values["beverage"],
            volume_ml=litres * ML_PER_LITRE,
            received_at=moment(values["at"], self.screen.board.timezone),
        )

    def _received(self, keg: Keg) -> None:
        name = self._cellar.name_of(keg.beverage_id)
        unit = self.screen.board.volume_unit
        self.screen.tell(f"{name}, {words.volume(keg.volume_ml, unit)}, is in stock.")

    async def _receive_for(self, beverage_id: str, litres: str, key: str) -> Keg | None:
        """Take a keg into stock in the middle of a swap."""
        if self.screen.staff.level < SENIOR:
            return None
        volume_ml = Decimal(litres) * ML_PER_LITRE
        order = ReceiveKeg(beverage_id=beverage_id, volume_ml=volume_ml)
        return await self.screen.order(order, Keg, key=key)

    async def _clean(self, tap_id: str, key: str) -> Tap | None:
        if self.screen.staff.level < SENIOR:
            return None
        return await self.screen.order(
            CleanTap(tap_id=tap_id, reason="Line cleaning"), Tap, key=key
        )

    async def _resume(self, tap_id: str, key: str) -> Tap | None:
        line = self.screen.board.lines.get(tap_id)
        if line is None or self.screen.staff.level < SENIOR:
            return None
        if line.tap.state not in RESUMABLE:
            return None
        reason = "Cleaned" if line.tap.state.value == "cleaning" else "Done"
        return await self.screen.order(ResumeTap(tap_id=tap_id, reason=reason), Tap, key=key)

    def _done(self) -> None:
        self._swap.close()
        self._receipt.clear()
        self.screen.refresh()
