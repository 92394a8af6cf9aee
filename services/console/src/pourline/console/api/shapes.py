"""Completing an owner's answer with what another owns: money beside visits and guests."""

import asyncio
import csv
import io
from typing import Any

import orjson
from starlette.responses import Response

from pourline.console.api.routes import Shape
from pourline.contracts.money import Balances, GetBalances, GetVisitMoney
from pourline.kit.errors import Refusal
from pourline.kit.nats import Caller

STATEMENT_COLUMNS = ("at", "kind", "amount", "balance", "reference")
MONEY = ("balance", "held", "poured_ml", "pours")


class Shapes:
    """Completes answers; where the ledger is away its part is null and the rest is there."""

    def __init__(self, *, caller: Caller) -> None:
        self._caller = caller

    async def complete(self, shape: Shape, answer: bytes, *, status: int) -> Response:
        """Return the HTTP answer for an owner's `answer`."""
        if shape is Shape.STATEMENT_CSV:
            return Response(_statement_csv(answer), status, media_type="text/csv")
        if shape in (Shape.PLAIN, Shape.STATEMENT):
            return Response(answer, status, media_type="application/json")
        found = orjson.loads(answer)
        if shape is Shape.VISIT:
            found = await self._visit(found)
        elif shape is Shape.VISITS:
            found["items"] = await asyncio.gather(*(self._visit(one) for one in found["items"]))
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

    async def _guests(self, guests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        query = GetBalances(guest_ids=[guest["id"] for guest in guests])
        try:
            known = (await self._caller.ask(query, Balances)).balances
        except Refusal:
            known = {}
        return [guest | {"balance": known.get(guest["id"])} for guest in guests]


def _statement_csv(answer: bytes) -> str:
    """Return a statement's page as CSV with a header line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, STATEMENT_COLUMNS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(orjson.loads(answer)["items"])
    return text.getvalue()
