"""A visit's receipt on paper: what was poured, what was paid, what is left."""

from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pourline.console.pages import paper, words
from pourline.console.pages.guest_keys import address
from pourline.console.pages.qr import qr_code
from pourline.console.pages.shell import Site
from pourline.contracts.base import in_calendar
from pourline.contracts.books import GetReceipt, Receipt
from pourline.contracts.guests import GetVisit, Visit
from pourline.kit.errors import TROUBLE, Refusal

KINDS = {
    "topup": "Paid in",
    "refund": "Paid back",
    "correction": "Correction",
    "pour": "Pour of an earlier visit",
}
TEMPLATE = paper.template("receipt.html")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row on the paper."""

    when: str
    what: str
    detail: str
    amount: str


def mount(app: FastAPI, *, site: Site) -> None:
    """Add the printable receipt of a visit to `app`, with the way to the guest's own page."""
    badges, caller, board = site.badges, site.caller, site.board

    @app.get("/visits/{visit_id}/receipt", include_in_schema=False)
    async def receipt(visit_id: str, request: Request) -> Response:
        if badges.read(request) is None:
            return RedirectResponse("/login", 303)
        try:
            found = await caller.ask(GetReceipt(visit_id=visit_id), Receipt)
            visit = await caller.ask(GetVisit(visit_id=visit_id), Visit)
            names = await paper.beverages(caller, {one.beverage_id for one in found.pours})
        except (Refusal, *TROUBLE) as error:
            return paper.refused(error)
        return HTMLResponse(
            _page(found, visit, names, board.timezone, own=_own_page(site, request, visit)),
            headers={"Cache-Control": "no-store"},
        )


def _own_page(site: Site, request: Request, visit: Visit) -> str:
    return address(str(request.base_url), site.guest_keys.key_of(visit.id))


def _page(
    receipt: Receipt, visit: Visit, names: dict[str | None, str], zone: ZoneInfo, *, own: str
) -> str:
    def money(amount: int) -> str:
        return words.money(amount, receipt.currency)

    def volume(volume_ml: Decimal) -> str:
        return words.volume(volume_ml, words.ON_PAPER)

    pours = [
        Line(
            when=in_calendar(one.at).astimezone(zone).strftime("%H:%M"),
            what=names.get(one.beverage_id) or "Beverage",
            detail=f"tap {one.tap_id}, {volume(one.volume_ml)}, no. {one.short_id}",
            amount="waits" if one.status == "held" else money(one.amount),
        )
        for one in receipt.pours
    ]
    lines = [
        Line(
            when=in_calendar(one.at).astimezone(zone).strftime("%H:%M"),
            what=KINDS.get(one.kind, one.kind),
            detail=one.note or ("" if one.kind == "correction" else one.reference),
            amount=money(one.amount),
        )
        for one in receipt.lines
    ]
    return TEMPLATE.render(
        css=paper.CSS,
        guest=visit.guest.name,
        number=visit.number,
        opened=receipt.from_.astimezone(zone).strftime("%d %b %Y, %H:%M"),
        until=receipt.until.astimezone(zone).strftime("%d %b %Y, %H:%M") if receipt.until else "",
        pours=pours,
        lines=lines,
        poured=volume(receipt.poured_ml),
        spent=money(receipt.spent),
        before=money(receipt.balance_before),
        after=money(receipt.balance_after),
        own=own,
        own_code=Markup(qr_code(own)),  # noqa: S704 made by segno from our own address
    )
