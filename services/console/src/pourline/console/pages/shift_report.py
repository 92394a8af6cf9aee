"""A shift's report on paper: what was poured and paid, by what and by whom, and the till."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pourline.console.pages import paper, words
from pourline.console.pages.staff import Badges
from pourline.console.store import Board
from pourline.contracts.base import Listing
from pourline.contracts.cellar import Item, ListItems
from pourline.contracts.evening import ShiftFigures
from pourline.contracts.shifts import GetShiftReport, ReportLine, ShiftReport
from pourline.kit.errors import TROUBLE, NotFound, Refusal
from pourline.kit.nats import Caller

LEVEL = 2
"""Whoever may read the report over HTTP may print it."""
TEMPLATE = paper.template("shift_report.html")
SECTIONS = (
    ("By tap", "tap", ("pours",)),
    ("By beverage", "beverage", ("pours",)),
    ("Paid in", "method", ("topups",)),
    ("Paid back", "method", ("refunds",)),
    ("By member", "member", ("topups", "refunds", "corrections", "manual_entries", "sales")),
    ("Cards refused", "reason", ("denials",)),
    ("Alerts", "alert", ("alerts",)),
    ("Stock counted", "item", ("discrepancies",)),
)
"""Title, what lines are broken down by, and which of them."""
WHATS = {
    "topups": "paid in",
    "refunds": "paid back",
    "corrections": "corrected",
    "manual_entries": "entered by hand",
    "sales": "sold",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row on the paper."""

    what: str
    count: str
    volume: str
    amount: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table on the paper."""

    title: str
    rows: Sequence[Row]


def mount(app: FastAPI, *, board: Board, badges: Badges, caller: Caller) -> None:
    """Add the printable report of a shift to `app`."""

    @app.get("/shifts/{shift_id}/report", include_in_schema=False)
    async def report(shift_id: str, request: Request) -> Response:
        staff = badges.read(request)
        if staff is None:
            return RedirectResponse("/login", 303)
        if staff.level < LEVEL:
            return paper.refused(NotFound("This page is for senior staff."))
        try:
            found = await caller.ask(GetShiftReport(shift_id=shift_id), ShiftReport)
            names = await _names(caller, found.lines)
        except (Refusal, *TROUBLE) as error:
            return paper.refused(error)
        return HTMLResponse(_page(found, names, board), headers={"Cache-Control": "no-store"})


async def _names(caller: Caller, lines: Sequence[ReportLine]) -> Mapping[str | None, str]:
    wanted: set[str | None] = {line.key for line in lines if line.by == "beverage"}
    items = {line.key for line in lines if line.by == "item"}
    names = await paper.beverages(caller, wanted)
    cursor: str | None = None
    for _ in range(paper.PAGES_MAX):
        if not items - names.keys():
            break
        page = await caller.ask(ListItems(limit=40, cursor=cursor), Listing[Item])
        names |= {one.id: f"{one.name} ({one.unit.value})" for one in page.items}
        cursor = page.next
        if cursor is None:
            break
    return names


def _page(report: ShiftReport, names: Mapping[str | None, str], board: Board) -> str:
    zone, currency = board.timezone, board.currency

    def money(amount: int) -> str:
        return words.money(amount, currency)

    return TEMPLATE.render(
        css=paper.CSS,
        location=report.location,
        day=f"{report.business_day:%A, %d %B %Y}" if report.business_day else "",
        opened=_moment(report.opened_at, zone),
        closed=_moment(report.closed_at, zone) if report.closed_at else "",
        opened_by=report.opened_by,
        closed_by=report.closed_by,
        comment=report.comment,
        team=[_member(one.name, one.joined_at, one.left_at, zone) for one in report.team],
        own=_figures(report.figures, currency),
        late=_figures(report.late, currency) if report.late.pours or report.late.topups else None,
        sections=_sections(report.lines, "own", names, currency),
        late_sections=_sections(report.lines, "late", names, currency),
        opening_float=money(report.opening_float),
        cash_expected=money(report.cash_expected),
        counted_cash=None if report.counted_cash is None else money(report.counted_cash),
        cash_difference=None if report.cash_difference is None else money(report.cash_difference),
    )


def _moment(at: datetime, zone: ZoneInfo) -> str:
    """Write a moment with its offset: an evening may have two three o'clocks."""
    return at.astimezone(zone).strftime("%d %b, %H:%M %Z")


def _member(name: str, joined: datetime, left: datetime | None, zone: ZoneInfo) -> str:
    since = f"{name} from {joined.astimezone(zone):%H:%M}"
    return f"{since} to {left.astimezone(zone):%H:%M}" if left else since


def _figures(figures: ShiftFigures, currency: str) -> list[tuple[str, str]]:
    return [
        ("Pours", f"{figures.pours:,}"),
        ("Volume", words.volume(figures.volume_ml, words.ON_PAPER)),
        ("Revenue", words.money(figures.revenue, currency)),
        ("Paid in", words.money(figures.topups, currency)),
        ("Paid back", words.money(figures.refunds, currency)),
        ("Cards refused", f"{figures.denials:,}"),
    ]


def _sections(
    lines: Sequence[ReportLine], bucket: str, names: Mapping[str | None, str], currency: str
) -> list[Section]:
    found = []
    for title, by, whats in SECTIONS:
        rows = [
            _row(line, names, currency, several=len(whats) > 1)
            for line in lines
            if (line.bucket, line.by) == (bucket, by) and line.what in whats
        ]
        if rows:
            found.append(Section(title=title, rows=rows))
    return found


def _row(line: ReportLine, names: Mapping[str | None, str], currency: str, *, several: bool) -> Row:
    name = names.get(line.key) or line.key.replace("_", " ")
    if line.by == "tap":
        name = f"Tap {line.key}"
    amount = words.money(line.amount, currency) if line.amount else ""
    if line.by == "item":
        amount = f"{line.quantity.normalize():+f}"
    return Row(
        what=f"{name}, {WHATS.get(line.what, line.what)}" if several else name,
        count=f"{line.count:,}x",
        volume=words.volume(line.volume_ml, words.ON_PAPER) if line.volume_ml else "",
        amount=amount,
    )
