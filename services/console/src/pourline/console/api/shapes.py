"""Completing an owner's answer with what another owns: money beside visits and guests."""

import asyncio
import csv
import io
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.responses import Response

from pourline.console.api import report_sheet
from pourline.console.api.routes import Shape
from pourline.contracts.books import GetReceipt
from pourline.contracts.money import Balances, GetBalances, GetVisitMoney
from pourline.contracts.spouts import ListSpoutHealth, SpoutHealthRow, SpoutsHealth
from pourline.kit.errors import Refusal
from pourline.kit.nats import Caller

SHEETS = {
    Shape.STATEMENT: ("at", "kind", "amount", "balance", "reference"),
    Shape.REPORT: report_sheet.COLUMNS,
    Shape.AUDIT: ("id", "at", "actor", "action", "subject", "reason", "before", "after"),
    Shape.INVENTORY: (
        "item_id",
        "name",
        "unit",
        "current_stock",
        "low_stock",
        "negative",
        "tracking_enabled",
        "last_activity_at",
    ),
    Shape.INVENTORY_LEDGER: (
        "id",
        "item_id",
        "delta",
        "source",
        "reason",
        "actor",
        "transaction_id",
        "at",
    ),
    Shape.LOSSES: ("loss", "beverage_id", "volume_ml"),
    Shape.POUR_REPORT: (
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
}
"""The columns of the lists that also come as CSV."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would calculate."""
MONEY = ("balance", "held", "poured_ml", "pours")


class Shapes:
    """Completes answers; where the ledger is away its part is null and the rest is there."""

    def __init__(self, *, caller: Caller) -> None:
        self._caller = caller

    async def complete(
        self, shape: Shape, answer: bytes, *, status: int, as_csv: bool = False
    ) -> Response:
        """Return the HTTP answer for an owner's `answer`."""
        if as_csv and shape in SHEETS:
            if shape is Shape.REPORT:
                answer = orjson.dumps({"lines": report_sheet.rows_of_report(answer)})
            return Response(sheet(answer, SHEETS[shape]), status, media_type="text/csv")
        if shape is Shape.PLAIN or shape in SHEETS:
            return Response(answer, status, media_type="application/json")
        found = orjson.loads(answer)
        if shape is Shape.SALE:
            return Response(
                answer, 200 if found["is_repeat"] else status, media_type="application/json"
            )
        if shape is Shape.VISIT:
            found = await self._visit(found)
        elif shape is Shape.CLOSED_VISITS:
            found["items"] = await asyncio.gather(*(self._closed(one) for one in found["items"]))
        elif shape is Shape.VISITS:
            found["items"] = await asyncio.gather(*(self._visit(one) for one in found["items"]))
        elif shape is Shape.SPOUTS:
            found["items"] = await self._spouts(found["items"])
        elif shape is Shape.GUEST:
            found = (await self._guests([found]))[0]
        else:
            found["items"] = await self._guests(found["items"])
        return Response(orjson.dumps(found), status, media_type="application/json")

    async def _visit(self, visit: dict[str, Any]) -> dict[str, Any]:
        query = GetVisitMoney(visit_id=visit["id"], guest_id=visit["guest"]["id"])
        visit = {"card_uid": None, "active_tap_id": None, "lock_set_at": None} | visit
        try:
            status, body, _ = await self._caller.send(query.subject(), query.wire(), headers={})
        except Refusal:
            status, body = 503, b""
        money = orjson.loads(body) if status == 200 else dict.fromkeys(MONEY)
        return visit | {name: money.get(name) for name in MONEY}

    async def _closed(self, visit: dict[str, Any]) -> dict[str, Any]:
        """Return a closed visit with its receipt; null where the ledger is away."""
        query = GetReceipt(visit_id=visit["id"])
        try:
            status, body, _ = await self._caller.send(query.subject(), query.wire(), headers={})
        except Refusal:
            status, body = 503, b""
        receipt = orjson.loads(body) if status == 200 else None
        return await self._visit(visit) | {"receipt": receipt}

    async def _guests(self, guests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        query = GetBalances(guest_ids=[guest["id"] for guest in guests])
        try:
            known = (await self._caller.ask(query, Balances)).balances
        except Refusal:
            known = {}
        return [guest | {"balance": known.get(guest["id"])} for guest in guests]

    async def _spouts(self, spouts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return spouts with how they are; each part's health is bounded by the bus's messages."""
        query = ListSpoutHealth(device_ids=[one["id"] for one in spouts])
        try:
            known = {
                one.device_id: one for one in (await self._caller.ask(query, SpoutsHealth)).items
            }
        except Refusal:
            known = {}
        return [
            spout | (json_of(known[spout["id"]]) if spout["id"] in known else {})
            for spout in spouts
        ]


def json_of(health: SpoutHealthRow) -> dict[str, Any]:
    """Return how a spout is, as the list of devices shows it."""
    return health.model_dump(mode="json", exclude={"device_id"}, exclude_none=True)


def sheet(answer: bytes, columns: Sequence[str]) -> str:
    """Return a page of a list as CSV with a header line.

    A truth stands as in JSON and so does what is no plain value; null is an empty cell.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    found = orjson.loads(answer)
    for item in found["lines" if "lines" in found else "items"]:
        writer.writerow({name: _cell(value) for name, value in item.items()})
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return orjson.dumps(value).decode() if isinstance(value, bool | dict | list) else value
