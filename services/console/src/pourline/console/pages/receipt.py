"""A visit's receipt on paper: what was poured, what was paid, what is left."""

import html
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pourline.console.pages import words
from pourline.console.pages.staff import Badges
from pourline.console.store import Board
from pourline.contracts.base import Listing
from pourline.contracts.books import GetReceipt, Receipt
from pourline.contracts.cellar import Beverage, ListBeverages
from pourline.contracts.guests import GetVisit, Visit
from pourline.kit.errors import TROUBLE, Refusal, outcome_of
from pourline.kit.nats import Caller
from pourline.kit.nats.requests import Refused

PAGES_MAX = 25
"""Pages of beverages that are looked through for names; a bar has fewer than a thousand."""
KINDS = {
    "topup": "Paid in",
    "refund": "Paid back",
    "correction": "Correction",
    "pour": "Pour of an earlier visit",
}
TEMPLATE = Environment(autoescape=True).from_string(
    (Path(__file__).parent / "receipt.html").read_text()
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row on the paper."""

    when: str
    what: str
    detail: str
    amount: str


def mount(app: FastAPI, *, board: Board, badges: Badges, caller: Caller) -> None:
    """Add the printable receipt of a visit to `app`."""

    @app.get("/visits/{visit_id}/receipt", include_in_schema=False)
    async def receipt(visit_id: str, request: Request) -> Response:
        if badges.read(request) is None:
            return RedirectResponse("/login", 303)
        try:
            found = await caller.ask(GetReceipt(visit_id=visit_id), Receipt)
            visit = await caller.ask(GetVisit(visit_id=visit_id), Visit)
            names = await _beverages(caller, {one.beverage_id for one in found.pours})
        except Refused as error:
            return _refused(error.problem.detail or error.problem.title, error.problem.status)
        except (Refusal, *TROUBLE) as error:
            outcome = outcome_of(error)
            return _refused(outcome.detail, outcome.status)
        return HTMLResponse(
            _page(found, visit, names, board.timezone), headers={"Cache-Control": "no-store"}
        )


def _refused(why: str, status: int) -> Response:
    return HTMLResponse(f"<p>{html.escape(why)}</p>", status)


async def _beverages(caller: Caller, wanted: set[str | None]) -> dict[str | None, str]:
    """Return the names of beverages by id."""
    names: dict[str | None, str] = {}
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        if not wanted - names.keys() - {None}:
            break
        page = await caller.ask(ListBeverages(limit=40, cursor=cursor), Listing[Beverage])
        names |= {one.id: one.name for one in page.items}
        cursor = page.next
        if cursor is None:
            break
    return names


def _page(receipt: Receipt, visit: Visit, names: dict[str | None, str], zone: ZoneInfo) -> str:
    def money(amount: int) -> str:
        return words.money(amount, receipt.currency)

    pours = [
        Line(
            when=one.at.astimezone(zone).strftime("%H:%M"),
            what=names.get(one.beverage_id) or "Beverage",
            detail=f"tap {one.tap_id}, {words.volume(one.volume_ml)}, no. {one.short_id}",
            amount="waits" if one.status == "held" else money(one.amount),
        )
        for one in receipt.pours
    ]
    lines = [
        Line(
            when=one.at.astimezone(zone).strftime("%H:%M"),
            what=KINDS.get(one.kind, one.kind),
            detail=one.note or ("" if one.kind == "correction" else one.reference),
            amount=money(one.amount),
        )
        for one in receipt.lines
    ]
    return TEMPLATE.render(
        guest=visit.guest.name,
        number=visit.number,
        opened=receipt.from_.astimezone(zone).strftime("%d %b %Y, %H:%M"),
        until=receipt.until.astimezone(zone).strftime("%d %b %Y, %H:%M") if receipt.until else "",
        pours=pours,
        lines=lines,
        poured=words.volume(receipt.poured_ml),
        spent=money(receipt.spent),
        before=money(receipt.balance_before),
        after=money(receipt.balance_after),
    )
