"""What is printed: one sheet's style, names for ids, and what stands there when there is none."""

import html
from pathlib import Path

from jinja2 import Environment, Template
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from pourline.contracts.base import Listing
from pourline.contracts.cellar import Beverage, ListBeverages
from pourline.kit.errors import outcome_of
from pourline.kit.nats import Caller
from pourline.kit.nats.requests import Refused

PAGES_MAX = 25
"""Pages of beverages that are looked through for names; a bar has fewer than a thousand."""
HERE = Path(__file__).parent
CSS = Markup((HERE / "paper.css").read_text())  # noqa: S704 our own file


def template(name: str) -> Template:
    """Return a sheet's template."""
    return Environment(autoescape=True).from_string((HERE / name).read_text())


def refused(error: Exception) -> Response:
    """Return what stands on the page where there is nothing to print."""
    if isinstance(error, Refused):
        why, status = error.problem.detail or error.problem.title, error.problem.status
    else:
        outcome = outcome_of(error)
        why, status = outcome.detail, outcome.status
    return HTMLResponse(f"<p>{html.escape(why)}</p>", status)


async def beverages(caller: Caller, wanted: set[str | None]) -> dict[str | None, str]:
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
