"""The screen beside a tap: for whoever stands there, so it knows no more than a first name."""

from datetime import datetime, timedelta
from typing import ClassVar

from nicegui import ui

from pourline.console.pages.menu_card import drinks
from pourline.console.pages.panel import Panel
from pourline.console.pages.parts import (
    Part,
    Words,
    button,
    icon,
    set_classes,
    set_icon,
    set_prop,
)
from pourline.console.pages.shell import Site
from pourline.console.pages.tap_screen_view import Means, Phase, TapScreenView, tap_screen_view
from pourline.contracts.cellar import Beverage
from pourline.contracts.guests import GetVisit, Visit
from pourline.contracts.limits import GetLimitsLeft, LimitsLeft
from pourline.contracts.money import GetVisitMoney, VisitMoney
from pourline.contracts.taps import ReportFoam, Tap
from pourline.kit.errors import TROUBLE, Refusal

KEEP_PAGE_S = 60.0
FOAM_EVERY = timedelta(seconds=60)
"""A child at the screen must not fill the record: one report a tap a minute."""
TONES = {
    Phase.FREE: "good",
    Phase.CARD: "held",
    Phase.POURING: "live",
    Phase.DONE: "good",
    Phase.DENIED: "bad",
    Phase.CLOSED: "rest",
}


class FoamReports:
    """When each tap's foam was reported last; shared by all screens of this console."""

    def __init__(self) -> None:
        self._last: dict[str, datetime] = {}

    def take(self, tap_id: str, now: datetime) -> bool:
        """Return whether a report may be sent now, and count it."""
        last = self._last.get(tap_id)
        if last is not None and now - last < FOAM_EVERY:
            return False
        self._last[tap_id] = now
        return True

    def give_back(self, tap_id: str) -> None:
        """Forget a report that did not get through."""
        self._last.pop(tap_id, None)


class TapScreen(Panel):
    """One tap's screen."""

    NEWS: ClassVar[frozenset[str]] = frozenset(
        {"lock.taken", "lock.released", "beverage.created", "guest.topped_up"}
    )

    def __init__(self, site: Site, tap_id: str, foam: FoamReports) -> None:
        self._tap_id = tap_id
        self._foam = foam
        self._drinks: dict[str, Beverage] = {}
        self._means: tuple[str, Means] | None = None
        self._shown: object = None
        super().__init__(site)

    def build(self) -> None:
        """Lay the screen out."""
        with Part("main", "tap-screen", id="main") as self._root:
            with Part("header", "tap-screen-head"):
                with Part("div"):
                    self._drink = Words("h1", "tap-screen-drink")
                    self._kind = Words("p", "soft")
                with Part("div", "tap-screen-price"):
                    self._price = Words("p", "strong")
                    Words("p", "soft", f"Tap {self._tap_id}")
            with Part("section", "tap-screen-now", role="status", aria_live="polite"):
                self._sign = icon("contactless")
                self._head = Words("h2")
                with Part("p", "tap-screen-figures"):
                    self._big = Words("span", "tap-screen-big")
                    self._beside = Words("span", "tap-screen-cost")
                self._note = Words("p", "tap-screen-note")
            with Part("footer", "tap-screen-foot"):
                self._report = button("Foam problem?", "", self._foams, "bubble_chart")
                self._told = Words("p", "soft", role="status")

    async def load(self) -> None:
        """Ask what the guest at this tap has, and how strong the drinks are."""
        line = self.board.lines.get(self._tap_id)
        visit_id = line.tap.locked_by_visit if line else None
        if visit_id is None:
            self._means = None
        else:
            self._means = visit_id, await self._means_of(visit_id)
        if line and line.tap.beverage_id not in self._drinks:
            self._drinks = await drinks(self.site.caller)

    async def _means_of(self, visit_id: str) -> Means:
        visit = await self.ask(GetVisit(visit_id=visit_id), Visit)
        query = GetVisitMoney(visit_id=visit_id, guest_id=visit.guest.id)
        money = await self.ask(query, VisitMoney)
        if visit.limit_profile is None:
            return Means(money=money)
        return Means(
            money=money, limits=await self.ask(GetLimitsLeft(visit_id=visit_id), LimitsLeft)
        )

    def show(self) -> None:
        """Show what happens at the tap."""
        line = self.board.lines.get(self._tap_id)
        if line is None:
            self._unknown()
            return
        means = None
        if self._means and self._means[0] == line.tap.locked_by_visit:
            means = self._means[1]
        drink = self._drinks.get(line.tap.beverage_id or "")
        view = tap_screen_view(self.board, line, drink, means)
        if view == self._shown:
            return
        self._shown = view
        self._write(view)

    def _write(self, view: TapScreenView) -> None:
        set_classes(self._root, f"tap-screen tone-{TONES[view.phase]} phase-{view.phase.value}")
        self._drink.text, self._kind.text = view.drink, view.kind
        self._price.text = view.price
        set_icon(self._sign, view.icon)
        self._head.text = view.head
        self._big.text, self._beside.text = view.big, view.beside
        self._note.text = view.note
        self._report.set_visibility(view.may_report)
        if not view.may_report:
            self._told.text = ""

    def _unknown(self) -> None:
        known = self.board.snapshot_at is not None
        self._report.set_visibility(visible=False)
        self._head.text = "There is no such tap" if known else "One moment"
        self._note.text = "Ask at the bar." if known else ""

    async def _foams(self) -> None:
        set_prop(self._report, "disabled", "")
        try:
            self._told.text = await self._tell()
        finally:
            set_prop(self._report, "disabled", None)

    async def _tell(self) -> str:
        told = "Thank you: the staff know."
        if self._tap_id not in self.board.lines:
            return ""
        if not self._foam.take(self._tap_id, self.board.now()):
            return told
        try:
            await self.ask(ReportFoam(tap_id=self._tap_id), Tap, actor="guest")
        except (Refusal, *TROUBLE):
            self._foam.give_back(self._tap_id)
            return "That did not get through. Please tell the staff."
        return told


def mount(site: Site) -> None:
    """Add the taps' screens to the pages, for everybody."""
    foam = FoamReports()

    @ui.page("/tap/{tap_id}", title="Tap", reconnect_timeout=KEEP_PAGE_S)
    def page(tap_id: str) -> None:
        TapScreen(site, tap_id[:32], foam).start("tap screen")
