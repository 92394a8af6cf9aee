"""A guest's own page: balance, limits, pours and receipt, for whoever has its unguessable key."""

import contextlib
from collections.abc import Iterable, Sequence
from decimal import Decimal

from fastapi import FastAPI
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from pourline.console.pages import entrance, paper, words
from pourline.console.pages.guest_keys import evening_ends
from pourline.console.pages.menu_card import drinks
from pourline.console.pages.receipt import KINDS, Line
from pourline.console.pages.shell import Site
from pourline.console.store import Board
from pourline.contracts.base import in_calendar
from pourline.contracts.books import GetReceipt, Receipt
from pourline.contracts.guests import GetVisit, Visit
from pourline.contracts.limits import GetLimitsLeft, LimitLeft, LimitScope, LimitsLeft
from pourline.contracts.money import GetVisitMoney, VisitMoney
from pourline.kit.errors import TROUBLE, Refusal

TEMPLATE = paper.template("guest_page.html")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
HOUR_S, MINUTE_S = 3600, 60


def mount(app: FastAPI, *, site: Site) -> None:
    """Add the page to `app`; a wrong key and one that is over look the same."""

    @app.get("/g/{key}", include_in_schema=False)
    async def guest_page(key: str) -> Response:
        visit_id = site.guest_keys.visit_of(key)
        if visit_id is None:
            return _nothing()
        try:
            visit = await site.caller.ask(GetVisit(visit_id=visit_id), Visit)
            if _is_over(visit, site.board):
                return _nothing()
            query = GetVisitMoney(visit_id=visit.id, guest_id=visit.guest.id)
            money = await site.caller.ask(query, VisitMoney)
            receipt = await site.caller.ask(GetReceipt(visit_id=visit.id), Receipt)
            names = await drinks(site.caller)
            left = await _limits(site, visit)
        except (Refusal, *TROUBLE) as error:
            return _nothing(error)
        beverages = {one_id: one.name for one_id, one in names.items()}
        return HTMLResponse(
            _page(site.board, visit, money, receipt, beverages, left), headers=HEADERS
        )


async def _limits(site: Site, visit: Visit) -> LimitsLeft | None:
    """Ask what is left to an open visit; the page is shown without it where nobody answers."""
    if visit.limit_profile is None or visit.status != "active":
        return None
    with contextlib.suppress(Refusal, *TROUBLE):
        return await site.caller.ask(GetLimitsLeft(visit_id=visit.id), LimitsLeft)
    return None


def limit_words(left: LimitsLeft, currency: str, unit: str) -> list[str]:
    """Say in plain words what each limit leaves."""
    return [_limit(one, currency, unit) for one in left.items]


def _limit(limit: LimitLeft, currency: str, unit: str) -> str:
    wholes = _measures(limit, currency, unit)
    whole = " or ".join(wholes)
    kind = f" of {limit.kind}" if limit.kind else ""
    if limit.per is LimitScope.SERVING:
        return f"At most {whole}{kind} at a time"
    if limit.volume_ml == 0:
        return f"No {limit.kind or 'drinks'} are served to you"
    over = "this evening"
    if limit.per is LimitScope.WINDOW:
        over = f"in any {_span(limit.window_s or 0)}"
    if not all(_lefts(limit)):
        wait = " for now" if limit.per is LimitScope.WINDOW else ""
        return f"Nothing{kind} left{wait}: {whole} {over} is reached"
    lefts = _measures(limit, currency, unit, is_left=True)
    said = [f"{left} of {most}" for left, most in zip(lefts, wholes, strict=True)]
    return f"{' and '.join(said)}{kind} left {over}"


def _lefts(limit: LimitLeft) -> list[Decimal | int]:
    """Return what is left of each measure that the limit has."""
    lefts = (limit.left_volume_ml, limit.left_amount, limit.left_alcohol_g)
    return [one for one in lefts if one is not None]


def _measures(limit: LimitLeft, currency: str, unit: str, *, is_left: bool = False) -> list[str]:
    volume_ml = limit.left_volume_ml if is_left else limit.volume_ml
    amount = limit.left_amount if is_left else limit.amount
    grams = limit.left_alcohol_g if is_left else limit.alcohol_g
    said = []
    if volume_ml is not None:
        said.append(words.volume(volume_ml, unit))
    if amount is not None:
        said.append(words.money(amount, currency))
    if grams is not None:
        said.append(f"{grams.normalize():f} g of alcohol")
    return said


def _span(seconds: int) -> str:
    if seconds % HOUR_S == 0:
        return words.count(seconds // HOUR_S, "hour", "hours")
    return words.count(seconds // MINUTE_S, "minute", "minutes")


def _is_over(visit: Visit, board: Board) -> bool:
    if visit.closed_at is None:
        return False
    return board.now() >= evening_ends(visit.closed_at, board.day_begins, board.timezone)


def _nothing(error: Exception | None = None) -> Response:
    response = paper.refused(error) if error else None
    status = response.status_code if response else 404
    if status >= 500:
        said = "The bar is not answering. Try again in a moment."
    else:
        said = "This page is over, or there never was one here."
        status = 404
    body = TEMPLATE.render(css=Markup(entrance.CSS), said=said)  # noqa: S704 our own file
    return HTMLResponse(body, status, headers=HEADERS)


def _page(
    board: Board,
    visit: Visit,
    money: VisitMoney,
    receipt: Receipt,
    names: dict[str, str],
    left: LimitsLeft | None,
) -> str:
    unit = board.volume_unit

    def paid(amount: int) -> str:
        return words.money(amount, receipt.currency)

    return TEMPLATE.render(
        css=Markup(entrance.CSS),  # noqa: S704 our own file
        said="",
        name=first_name(visit.guest.name),
        number=visit.number,
        is_open=visit.status == "active",
        is_cut_off=visit.cut_off_at is not None,
        balance=paid(money.balance),
        held=paid(money.held) if money.held else "",
        poured=words.volume(receipt.poured_ml, unit),
        spent=paid(receipt.spent),
        limits=limit_words(left, receipt.currency, unit) if left else [],
        pours=list(_pours(board, receipt, names)),
        lines=_lines(board, receipt),
        as_of=words.clock_time(board.now(), board.timezone),
    )


def _pours(board: Board, receipt: Receipt, names: dict[str, str]) -> Iterable[Line]:
    for one in reversed(receipt.pours):
        paid = words.money(one.amount, receipt.currency)
        yield Line(
            when=in_calendar(one.at).astimezone(board.timezone).strftime("%H:%M"),
            what=names.get(one.beverage_id or "") or "Beverage",
            detail=f"{words.volume(one.volume_ml, board.volume_unit)} at tap {one.tap_id}",
            amount="waits" if one.status == "held" else paid,
        )


def _lines(board: Board, receipt: Receipt) -> Sequence[Line]:
    return [
        Line(
            when=in_calendar(one.at).astimezone(board.timezone).strftime("%H:%M"),
            what=KINDS.get(one.kind, one.kind),
            detail="",
            amount=words.money(one.amount, receipt.currency),
        )
        for one in receipt.lines
    ]


def first_name(name: str) -> str:
    """Return what a guest is called where strangers can read it."""
    return (name.split() or ["Guest"])[0]
