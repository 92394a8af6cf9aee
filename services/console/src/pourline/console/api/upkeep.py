"""The end points about dead letters: they ask every service that has some, each on its own."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from pourline.console.api.bodies import UnreadableBodyError, fields_of, read_body
from pourline.console.api.documentation import CLOSE, DEAD_LETTERS, REPLAY
from pourline.console.api.gateway import Gateway
from pourline.console.errors import WrongChoice, WrongLimit
from pourline.console.store import upkeep
from pourline.contracts.base import Listing
from pourline.contracts.upkeep import DeadLetter
from pourline.kit.errors import Malformed

LEVEL = 4
LIMIT_MAX = 1000


def add_upkeep(app: FastAPI, gateway: Gateway) -> None:
    """Add the list of dead letters, the replay of one and its closing."""

    async def list_letters(request: Request) -> Response:
        """List the messages that no service could handle and that wait, or that were closed."""
        asker = await gateway.asker(request, level=LEVEL)
        page = await upkeep.letters(
            gateway.caller,
            actor=asker.actor,
            cursor=request.query_params.get("cursor"),
            limit=_limit(request.query_params.get("limit", str(upkeep.PAGE_DEFAULT))),
            closed=_choice(request.query_params.get("closed", "false")),
        )
        return Response(page.wire(), media_type="application/json")

    async def replay(request: Request) -> Response:
        """Hand a dead letter to its reader again."""
        asker = await gateway.asker(request, level=LEVEL)
        path: dict[str, Any] = request.path_params
        letter = await upkeep.replay(
            gateway.caller, path["service"], path["letter_id"], actor=asker.actor, key=asker.key
        )
        return Response(letter.model_dump_json(), media_type="application/json")

    async def close(request: Request) -> Response:
        """Let a dead letter wait no longer, for a reason; it is kept and can still be replayed."""
        asker = await gateway.asker(request, level=LEVEL)
        path: dict[str, Any] = request.path_params
        place = path["service"], path["letter_id"]
        try:
            fields = fields_of(await read_body(request) or b"{}")
        except UnreadableBodyError as error:
            await upkeep.require_known(gateway.caller, *place, actor=asker.actor)
            raise Malformed(str(error)) from error
        letter = await upkeep.close(
            gateway.caller, *place, fields.get("reason"), actor=asker.actor, key=asker.key
        )
        return Response(letter.model_dump_json(), media_type="application/json")

    one = "/api/dead-letters/{service}/{letter_id}"
    for path, method, endpoint, name, answer, extra in (
        ("/api/dead-letters", "GET", list_letters, "list", Listing[DeadLetter], DEAD_LETTERS),
        (f"{one}/replay", "POST", replay, "replay", DeadLetter, REPLAY),
        (f"{one}/close", "POST", close, "close", DeadLetter, CLOSE),
    ):
        app.add_api_route(
            path,
            endpoint,
            methods=[method],
            name=f"dead_letter.{name}",
            operation_id=f"console.dead_letter.{name}",
            tags=["system"],
            response_class=JSONResponse,
            responses={200: {"model": answer}},
            openapi_extra=extra,
        )


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise WrongLimit
    limit = int(text)
    if not 1 <= limit <= LIMIT_MAX:
        raise WrongLimit
    return limit


def _choice(text: str) -> bool:
    if text not in {"true", "false"}:
        raise WrongChoice
    return text == "true"
