"""The shift: open it, who works in it, how it goes, and closing it in a few steps."""

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from pourline.console.pages import words
from pourline.console.pages.parts import Part, Words, button, fact, field, icon, set_prop
from pourline.console.pages.shell import Place, Screen, View
from pourline.console.pages.shift_closing import Closing
from pourline.console.pages.shift_team import Team
from pourline.contracts.base import Listing
from pourline.contracts.evening import GetCurrentShift, ListShifts, OpenShift, Shift
from pourline.contracts.shifts import GetPrecheck, GetShiftReport, Precheck, ShiftReport
from pourline.kit.ids import new_id
from pourline.kit.nats.requests import Refused

LEVEL = 2
BESIDE_MAX = 8
"""Two months of one weekday, where there is one shift a day."""
NOT_FOUND = 404


class ShiftView(View):
    """The open shift, or the form that opens one."""

    PLACE = Place(path="/shift", word="Shift", sign="schedule", level=LEVEL)
    NEWS: ClassVar[frozenset[str]] = frozenset(
        {
            "shift.opened",
            "shift.closed",
            "shift.reopened",
            "visit.opened",
            "visit.closed",
            "pour.accepted",
            "pour.held",
            "pour.decided",
            "guest.topped_up",
            "guest.refunded",
            "guest.corrected",
            "tap.state_changed",
            "lock.taken",
            "lock.released",
            "alert.opened",
            "alert.acknowledged",
            "alert.resolved",
        }
    )

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._shift: ShiftReport | None = None
        self._precheck: Precheck | None = None
        self._closed: ShiftReport | None = None
        self._before: list[Shift] = []
        self._beside = ""
        self._is_known = False
        self._shown: object = None
        self._key = str(new_id())
        self._team = Team(screen)
        self._closing = Closing(screen, closed=self._is_closed)

    def build(self) -> None:
        """Lay out the head; the rest depends on whether a shift is open."""
        with Part("div", "view-body"):
            with Part("header", "view-head"):
                self._title = Words("h1", text="Shift")
                self._age = Words("span", "soft")
            self._body = Part("div", "shift")

    async def load(self) -> None:
        """Ask for the open shift and what stands in the way of closing it."""
        try:
            shift = await self.screen.ask(GetCurrentShift(), Shift)
        except Refused as refused:
            if refused.problem.status != NOT_FOUND:
                raise
            self._shift = self._precheck = None
        else:
            precheck = await self.screen.ask(GetPrecheck(shift_id=shift.id), Precheck)
            query = GetShiftReport(shift_id=shift.id)
            self._shift = await self.screen.ask(query, ShiftReport)
            self._precheck = precheck
            await self._load_before(shift)
        self._is_known = True

    async def _load_before(self, shift: Shift) -> None:
        """Ask once for the closed shifts of the same weekday."""
        if self._beside == shift.id or shift.business_day is None:
            return
        query = ListShifts(weekday=shift.business_day.isoweekday(), limit=BESIDE_MAX)
        self._before = (await self.screen.ask(query, Listing[Shift])).items
        self._beside = shift.id

    def show(self) -> None:
        """Show the shift; what is typed in a form stays until the form is another one."""
        if not self._is_known:
            return
        shift, now = self._shift, self.screen.board.now()
        self._title.text = _name(shift) if shift else "Shift"
        self._age.text = f"Opened {words.age(shift.opened_at, now)}" if shift else ""
        which = shift.id if shift else "", self._closed
        if which != self._shown:
            self._shown = which
            self._body.clear()
            with self._body:
                self._lay_out(shift)
        if shift and self._precheck:
            self._show_figures(shift)
            self._team.show(shift)
            self._closing.show(shift, self._precheck)

    def _lay_out(self, shift: ShiftReport | None) -> None:
        if shift is None:
            if self._closed:
                self._farewell(self._closed)
            self._opening()
            return
        with Part("div", "shift-side"):
            with Part("section", "card", aria_label="So far"):
                with Part("header", "view-head"):
                    Words("h2", text="So far")
                self._figures = Part("dl", "facts")
                self._figures_shown: object = None
                if self._before and shift.business_day:
                    Words("h3", text=f"A usual {shift.business_day:%A} shift, whole")
                self._usual = Part("dl", "facts")
                link = Part("a", "button", href=f"/shifts/{shift.id}/report", target="_blank")
                with link:
                    icon("print")
                    Words("span", text="Report")
            self._team.build()
            self._closing.build_alerts()
        self._closing.build(shift)

    def _opening(self) -> None:
        with Part("section", "card form", aria_label="Open a shift"):
            Words("h2", text="Open a shift")
            Words("p", "soft", "Count the till first; who works in it joins afterwards.")
            self._float = field(f"Float in {self.screen.board.currency}", hint="200.00", length=13)
            self._float.props("inputmode=decimal")
            self._float.on("keydown.enter", self._open, args=[])
            self._fault = Words("p", "fault", role="alert")
            with Part("div", "card-actions"):
                self._go = button("Open shift", "primary", self._open, "play_arrow")

    def _farewell(self, report: ShiftReport) -> None:
        board = self.screen.board
        with Part("section", "card", aria_label="Closed", role="status"):
            Words("h2", text=f"{_name(report)} is closed")
            with Part("dl", "facts"):
                fact("Revenue", words.money(report.figures.revenue, board.currency))
                fact("Cash expected", words.money(report.cash_expected, board.currency))
                if report.cash_difference is not None:
                    fact("Cash difference", words.money(report.cash_difference, board.currency))
            with Part("div", "card-actions"):
                link = Part("a", "button", href=f"/shifts/{report.id}/report", target="_blank")
                with link:
                    icon("print")
                    Words("span", text="Print the report")

    def _show_figures(self, shift: ShiftReport) -> None:
        figures, board = shift.figures, self.screen.board
        currency, unit = board.currency, board.volume_unit
        if (figures, currency, unit) == self._figures_shown:
            return
        self._figures_shown = figures, currency, unit
        self._figures.clear()
        with self._figures:
            fact("Pours", f"{figures.pours:,}")
            fact("Volume", words.volume(figures.volume_ml, unit))
            fact("Revenue", words.money(figures.revenue, currency))
            fact("Paid in", words.money(figures.topups, currency))
            fact("Paid back", words.money(figures.refunds, currency))
            fact("Cards refused", f"{figures.denials:,}")
            fact("Float", words.money(shift.opening_float, currency))
        self._usual.clear()
        with self._usual:
            for what, value in usual(self._before, currency, unit):
                fact(what, value)

    async def _open(self) -> None:
        text = str(self._float.value or "").strip()
        amount = words.amount_of(text, self.screen.board.currency) if text else 0
        if amount is None:
            self._fault.text = "Say how much is in the till, like 200 or 200.50."
            return
        self._fault.text = ""
        set_prop(self._go, "disabled", "")
        try:
            order = OpenShift(opening_float=amount)
            await self.screen.order(order, Shift, key=self._key)
        finally:
            set_prop(self._go, "disabled", None)

    def _is_closed(self, report: ShiftReport) -> None:
        self._closed, self._shift, self._key = report, None, str(new_id())
        self.screen.refresh()
        self.show()


def usual(before: Sequence[Shift], currency: str, unit: str) -> list[tuple[str, str]]:
    """Return the mean figures of closed shifts that poured, and of how many."""
    poured = [one.figures for one in before if one.figures.pours]
    if not poured:
        return []
    number = len(poured)
    pours = Decimal(sum(one.pours for one in poured)) / number
    volume_ml = sum((one.volume_ml for one in poured), Decimal(0)) / number
    revenue = Decimal(sum(one.revenue for one in poured)) / number
    return [
        ("Pours", f"{round(pours):,}"),
        ("Volume", words.volume(volume_ml, unit)),
        ("Revenue", words.money(round(revenue), currency)),
        ("Mean of", words.count(number, "shift", "shifts")),
    ]


def _name(shift: Shift) -> str:
    """Name a shift by the day it counts for."""
    day = shift.business_day
    return f"Shift of {day:%A, %d %B}" if day else "Shift"
