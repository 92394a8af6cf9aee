"""Reports: a day by its hours and beverages, beside the same weekdays, kegs' levels, losses."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import ClassVar
from urllib.parse import urlencode

from nicegui import ui

from pourline.console.pages import plots, words
from pourline.console.pages.levels import SENIOR
from pourline.console.pages.listing import rows_of
from pourline.console.pages.parts import Part, Words, button, icon, set_prop
from pourline.console.pages.reports_figures import (
    AHEAD,
    BACK,
    WEEK,
    KegHistory,
    Look,
    beverage_rows,
    compared,
    hour_bars,
    keg_line,
    same_weekday,
    variance,
    weekday_bars,
)
from pourline.console.pages.shell import Place, Screen, View
from pourline.contracts.base import Listing, Query, place
from pourline.contracts.cellar import Beverage, Keg, KegStatus, ListBeverages, ListKegs
from pourline.contracts.losses import Forecast, GetForecast, GetLosses, Losses, LossSum
from pourline.contracts.money import ListPours, Pour
from pourline.contracts.reports import GetPourReport, PourReport, ReportBy

KEGS_MAX = 6
"""More lines than this cannot be told from each other."""
POURS_A_KEG = 120
DAYS_GOOD_FOR = timedelta(minutes=1)
"""The sums of eight weeks take the ledger longest, and change least."""
HALF = Decimal("0.5")
FIRST_ID = "00000000-0000-0000-0000-000000000000"
Rows = Sequence[Sequence[str]]


class Reports(View):
    """Plots, each with its table."""

    PLACE = Place(path="/reports", word="Reports", sign="bar_chart", level=SENIOR)
    NEWS: ClassVar[frozenset[str]] = frozenset(
        {
            "pour.accepted",
            "pour.held",
            "pour.decided",
            "pour.reconciled",
            "keg.level_changed",  # the cellar books a loss after the ledger took the pour
            "config.changed",
        }
    )

    NEWS_REST_S: ClassVar[float] = 10.0
    """A busy evening's pours are shown together."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._day: date | None = None
        self._today = date.max
        self._days_at = screen.board.now()
        self._answers: dict[ReportBy, PourReport] = {}
        self._beverages: dict[str, str] = {}
        self._received: list[Keg] = []
        self._lost: list[LossSum] = []
        self._kegs: list[KegHistory] = []
        self._shown: object = None

    def build(self) -> None:
        """Lay out the day's name and the plots' places."""
        with Part("div", "view-body"):
            with Part("header", "view-head"):
                Words("h1", text="Reports")
                button("Day before", "", partial(self._move, -1), "chevron_left")
                self._title = Words("span", "strong")
                self._after = button("Day after", "", partial(self._move, 1), "chevron_right")
                with Part("a", "button", href="/sheets/pours.csv", download="pours.csv"):
                    icon("download")
                    Words("span", text="Pours")
            self._plots = Part("section", "cards plots", aria_label="Plots")

    async def load(self) -> None:
        """Ask for the day's sums, the days before, and what the kegs' taps poured last."""
        day, answers = self._day, {}
        for by in (ReportBy.HOUR, ReportBy.BEVERAGE):
            answers[by] = await self.screen.ask(self._query(by, day), PourReport)
        answers[ReportBy.DAY] = await self._load_days(answers[ReportBy.HOUR].day)
        beverages = await rows_of(self.screen, ListBeverages(), Listing[Beverage])
        week = answers[ReportBy.DAY].items[-WEEK:]
        since = ListKegs(cursor=place(week[0].begins_at, FIRST_ID))
        received = await rows_of(self.screen, since, Listing[Keg])
        names = {one.id: one.name for one in beverages}
        span = GetLosses(from_=week[0].begins_at, to=week[-1].ends_at)
        lost = (await self.screen.ask(span, Losses)).items
        kegs = await self._load_kegs(names)
        if day is None:
            self._today = answers[ReportBy.HOUR].day
        if day == self._day:
            set_prop(self._after, "disabled", "" if day is None else None)
            self._answers, self._beverages = answers, names
            self._received, self._lost, self._kegs = received, lost, kegs

    async def _load_days(self, day: date) -> PourReport:
        """Ask for eight weeks, or take what was answered less than a minute ago."""
        known, now = self._answers.get(ReportBy.DAY), self.screen.board.now()
        if known and known.day == day and now - self._days_at < DAYS_GOOD_FOR:
            return known
        found = await self.screen.ask(self._query(ReportBy.DAY, day), PourReport)
        self._days_at = now
        return found

    def _query(self, by: ReportBy, day: date | None) -> GetPourReport:
        board = self.screen.board
        begins = f"{board.day_begins:%H:%M}"
        return GetPourReport(by=by, day=day, timezone=str(board.timezone), day_begins=begins)

    async def _load_kegs(self, names: dict[str, str]) -> list[KegHistory]:
        query = ListKegs(status=KegStatus.CONNECTED)
        connected = (await rows_of(self.screen, query, Listing[Keg]))[:KEGS_MAX]
        forecast = (await self.screen.ask(GetForecast(), Forecast)).items
        rates = {one.keg_id: one.rate_ml_day for one in forecast}
        found = []
        for keg in connected:
            pours = await rows_of(
                self.screen, ListPours(tap_id=keg.tap_id), Listing[Pour], most=POURS_A_KEG
            )
            name = f"{keg.tap_id} {names.get(keg.beverage_id, '')}"
            rate = rates.get(keg.id)
            found.append(KegHistory(name=name, keg=keg, pours=pours, rate_ml_day=rate))
        return found

    def show(self) -> None:
        """Show the plots, if what they are of is different."""
        if not self._answers:
            return
        board = self.screen.board
        look = Look(currency=board.currency, zone=board.timezone, unit=board.volume_unit)
        shown = self._answers, self._beverages, self._received, self._lost, self._kegs, look
        if shown == self._shown:
            return
        self._shown = shown
        day = self._answers[ReportBy.HOUR].day
        self._title.text = day.strftime("%a %d %b")
        self._plots.clear()
        with self._plots:
            self._hours(look)
            self._weekdays(look)
            self._drinks(look)
            self._levels()
            self._variance(look)

    def _hours(self, look: Look) -> None:
        found = hour_bars(self._answers[ReportBy.HOUR].items, look)
        rows = [
            (bar.label, f"{sums.pours:,}", bar.shown, look.money(sums.amount))
            for bar, sums in zip(found, self._answers[ReportBy.HOUR].items, strict=True)
        ]
        picture = plots.bars("Poured by hour", found)
        with _plot("Poured by hour", picture, ("Hour", "Pours", "Volume", "Charged"), rows):
            self._sheet(ReportBy.HOUR)

    def _weekdays(self, look: Look) -> None:
        days = same_weekday(self._answers[ReportBy.DAY].items)
        title = f"Beside the {days[-1].day:%A}s before" if days[-1].day else "Days"
        found = weekday_bars(days, look)
        rows = [
            (bar.label, f"{one.pours:,}", look.volume(one.volume_ml), bar.shown)
            for bar, one in zip(found, days, strict=True)
        ]
        heads = ("Day", "Pours", "Volume", "Charged")
        card = _plot(title, plots.bars(title, found), heads, rows)
        with card, Part("table", "table"):
            _row("th", ("", "This day", "Usual"))
            for figures in compared(days, look):
                _row("td", figures)
        with card:
            self._sheet(ReportBy.DAY)

    def _drinks(self, look: Look) -> None:
        rows = beverage_rows(self._answers[ReportBy.BEVERAGE].items, self._beverages, look)
        with Part("article", "card", aria_label="By beverage"):
            Words("h2", text="By beverage")
            if not rows:
                Words("p", "soft", "Nothing was poured.")
            with Part("table", "table"):
                _row("th", ("Beverage", "Pours", "Volume", "Charged"))
                for row in rows:
                    _row("td", row)
            self._sheet(ReportBy.BEVERAGE)

    def _sheet(self, by: ReportBy) -> None:
        """Link to the figures as CSV."""
        query = self._query(by, self._answers[by].day)
        self._link("pour-report", query, f"pours-by-{by.value}.csv")

    @staticmethod
    def _link(sheet: str, query: Query, name: str) -> None:
        asked = query.model_dump(mode="json", by_alias=True)
        with (
            Part("div", "card-actions"),
            Part("a", "button", href=f"/sheets/{sheet}.csv?{urlencode(asked)}", download=name),
        ):
            icon("download")
            Words("span", text="CSV")

    def _levels(self) -> None:
        now = self.screen.board.now()
        found = [(one, keg_line(one, now)) for one in self._kegs]
        drawn = [line for _, line in found if line]
        zone = self.screen.board.timezone
        ends = words.moment(now - BACK, zone), words.moment(now + AHEAD, zone)
        picture = plots.lines("Keg levels", drawn, now=HALF, ends=ends) if drawn else ""
        rows = [
            (one.name, f"{words.percent(one.keg.remaining_ml, one.keg.volume_ml)} %", _ahead(line))
            for one, line in found
            if line
        ]
        _plot("Keg levels, dotted as they are foreseen", picture, ("Keg", "Now", "In a day"), rows)

    def _variance(self, look: Look) -> None:
        days = self._answers[ReportBy.DAY].items
        rows = variance(days, self._received, self._lost, look)
        table = [(label, one.name, one.shown) for label, slices in rows for one in slices]
        title = "Seven days: received, poured, lost"
        with _plot(title, plots.stacked(title, rows), ("", "What", "Volume"), table):
            for _, name, shown in table:
                Words("p", "soft", f"{name}: {shown}")
            span = GetLosses(from_=days[-WEEK:][0].begins_at, to=days[-1].ends_at)
            self._link("losses", span, "losses.csv")

    def _move(self, days: int) -> None:
        if not self._answers:
            return
        day = self._answers[ReportBy.HOUR].day + timedelta(days=days)
        self._day = day if day < self._today else None
        self.screen.refresh()


def _ahead(line: plots.Line) -> str:
    """Say how full a keg will be where the plot ends."""
    if not line.foreseen:
        return "too little poured to say"
    level = int(line.foreseen[-1][1] * 100)
    return f"{level} %" if level else "empty"


def _plot(title: str, picture: str, heads: Sequence[str], rows: Rows) -> ui.element:
    """Lay out a plot with its table; what is added to what is returned stands below it."""
    card = Part("article", "card", aria_label=title)
    with card:
        Words("h2", text=title)
        if picture:
            ui.html(picture, sanitize=False)
        else:
            Words("p", "soft", "Nothing to show.")
        with Part("details"):
            Words("summary", text="As a table")
            with Part("table", "table"):
                Words("caption", "sr-only", title)
                _row("th", heads)
                for row in rows:
                    _row("td", row)
    return card


def _row(tag: str, cells: Sequence[str]) -> None:
    with Part("tr"):
        for number, cell in enumerate(cells):
            Words(tag, "num" if number else "", cell)
