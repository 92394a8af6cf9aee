"""Lists as CSV for whoever sits before the page: the same columns as the REST sheets."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pourline.console.pages import paper
from pourline.console.pages.levels import SENIOR
from pourline.console.pages.listing import rows_of
from pourline.console.pages.staff import Badges
from pourline.contracts.base import Listing, Message, Page, Query
from pourline.contracts.losses import GetLosses, Losses
from pourline.contracts.money import ListPours, Pour
from pourline.contracts.reports import GetPourReport, PourReport
from pourline.contracts.stock import (
    InventoryEntry,
    InventoryRow,
    ListInventory,
    ListInventoryEntries,
)
from pourline.kit.errors import TROUBLE, Refusal
from pourline.kit.nats import Caller

SHEET_ROWS_MAX = 4000
"""A hundred askings of the owner; more is for the REST lists with their cursor."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would calculate."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A list, its columns, and the level that may have it (contract 3)."""

    query: type[Query]
    answer: type[Any]
    columns: Sequence[str]
    level: int = 1


SHEETS = {
    "inventory": Sheet(
        query=ListInventory,
        answer=Listing[InventoryRow],
        columns=(
            "item_id",
            "name",
            "unit",
            "current_stock",
            "low_stock",
            "negative",
            "tracking_enabled",
            "last_activity_at",
        ),
    ),
    "inventory-ledger": Sheet(
        query=ListInventoryEntries,
        answer=Listing[InventoryEntry],
        columns=("id", "item_id", "delta", "source", "reason", "actor", "transaction_id", "at"),
    ),
    "pour-report": Sheet(
        query=GetPourReport,
        answer=PourReport,
        level=SENIOR,
        columns=(
            "begins_at",
            "ends_at",
            "day",
            "beverage_id",
            "pours",
            "volume_ml",
            "amount",
            "ghost_ml",
            "wasted_ml",
            "held_ml",
        ),
    ),
    "losses": Sheet(
        query=GetLosses,
        answer=Losses,
        level=SENIOR,
        columns=("loss", "beverage_id", "volume_ml"),
    ),
    "pours": Sheet(
        query=ListPours,
        answer=Listing[Pour],
        columns=(
            "client_tx_id",
            "short_id",
            "tap_id",
            "visit_id",
            "keg_id",
            "volume_ml",
            "amount",
            "price_per_litre",
            "status",
            "sync_status",
            "offline",
            "started_at",
            "ended_at",
        ),
    ),
}


def mount(app: FastAPI, *, badges: Badges, caller: Caller) -> None:
    """Add the sheets to `app`."""

    @app.get("/sheets/{name}.csv", include_in_schema=False)
    async def sheet(name: str, request: Request) -> Response:
        staff = badges.read(request)
        if staff is None:
            return RedirectResponse("/login", 303)
        wanted = SHEETS.get(name)
        if wanted is None or staff.level < wanted.level:
            return Response("No such sheet.", 404)
        try:
            query = wanted.query.model_validate(dict(request.query_params))
            rows = await _rows(caller, query, wanted)
        except (Refusal, *TROUBLE) as error:
            return paper.refused(error)
        except ValueError:
            return Response("No such sheet.", 404)
        return text_of([row.model_dump(mode="json") for row in rows], wanted.columns)


async def _rows(caller: Caller, query: Query, sheet: Sheet) -> list[Message]:
    """Return a list's rows page by page, or the rows of an answer that is no list."""
    if isinstance(query, Page):
        return await rows_of(caller, query, sheet.answer, most=SHEET_ROWS_MAX)
    items: list[Message] = (await caller.ask(query, sheet.answer)).items
    return items


def text_of(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> Response:
    """Return rows as CSV with a header line: truths as in JSON, an empty cell for null."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return Response(text.getvalue(), media_type="text/csv", headers={"Cache-Control": "no-store"})


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value
