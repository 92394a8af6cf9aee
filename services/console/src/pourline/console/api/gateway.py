"""From an HTTP request to the owner's answer: token, existence, command, settling, completing."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

from pourline.console.api.bodies import UnreadableBodyError, fields_of, read_body, wire
from pourline.console.api.limits import FailureLimit, LoginLimit, MonitorLimit, Who
from pourline.console.api.routes import Route
from pourline.console.api.shapes import SHEETS, Shapes
from pourline.console.api.tokens import Bearer, Tokens
from pourline.console.errors import NoSuchPage, TokenWithoutId, Unauthorized
from pourline.console.store import Revocations
from pourline.contracts.base import Command, Page, Query
from pourline.contracts.problems import Problem
from pourline.contracts.spouts import IngestSpoutPour
from pourline.contracts.subjects import seen
from pourline.contracts.topology import ACCESS
from pourline.kit.errors import TROUBLE, Retryable
from pourline.kit.nats import Caller

SIGNATURE_HEADER = "x-spout-signature"
NAME_CHARACTERS_MAX = 128
"""Nothing has a longer name or id."""
KEY_CHARACTERS_MAX = 256
"""A longer idempotency key is known by its digest."""
NOT_WHO_IT_SAYS = 401
INGEST_SETTLES = ("ledger",)
"""Who must have booked what a webhook poured before it is answered."""
PIECE = 40
"""Items of a list in one message of the bus: 1.6 kB each fit in its 65."""
PAGE_MAX = 1000
SHEET_ROWS_MAX = 100_000


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who asks, and the idempotency key of what is asked."""

    actor: str
    key: str


class Gateway:
    """Serves every end point of the table."""

    def __init__(
        self,
        *,
        caller: Caller,
        token_key: str,
        revocations: Revocations,
        logins: LoginLimit,
        signatures: FailureLimit,
        monitor: MonitorLimit,
    ) -> None:
        self._caller = self.caller = caller
        self._tokens = Tokens(key=token_key, revocations=revocations)
        self._revocations = revocations
        self._logins = logins
        self._signatures = signatures
        self._monitor = monitor
        self._shapes = Shapes(caller=caller)

    async def serve(self, route: Route, request: Request) -> Response:
        """Answer one request; refusals are raised and become problems."""
        bearer = await self._bearer(route, request)
        actor = _actor(bearer)
        if route.counted:
            self._monitor.take((actor["Pourline-Actor"], route.path))
        path = _path(request)
        raw = await read_body(request)
        if route.known and (unknown := await self._missing(route.known, path, actor)):
            return unknown
        fields, malformed = _fields(route, request, raw)
        if unknown := await self._missing_reference(route, fields, actor):
            return unknown
        headers = _headers(request, actor, malformed)
        who = _who(route, request, fields)
        if who:
            self._logins.take(who)
        status, answer, told = await self._ask(
            route, fields | path | ({} if malformed else _of_token(route, bearer)), headers
        )
        if who and status != NOT_WHO_IT_SAYS:
            self._logins.give_back(who)
        if status != 200:
            return refusal_of(route.command, answer, status)
        await self._settle(route.settles, told.get("Pourline-Events", ""))
        if route.ends_token:
            await self._revocations.load(self._caller)
        as_csv = request.query_params.get("format") == "csv"
        return await self._shapes.complete(route.shape, answer, status=route.status, as_csv=as_csv)

    async def ingest(self, request: Request) -> Response:
        """Take a spout's signed pour; the signature was made over the raw body.

        The address may name the device, for a vendor whose body does not.
        """
        raw = await read_body(request)
        body = raw.decode("utf-8", errors="replace")
        named = request.query_params.get("deviceId", "").replace("\0", "")
        device_id = named[:NAME_CHARACTERS_MAX] or device_named_in(raw)
        command = IngestSpoutPour(
            device_id=device_id, body=body, signature=request.headers.get(SIGNATURE_HEADER)
        )
        status, answer, told = await self._caller.send(
            command.subject(), command.wire(), headers={}
        )
        if status == NOT_WHO_IT_SAYS:  # only these are counted: whoever signs well is let in
            self._signatures.take((device_id, _address(request)))
        if status != 200:
            return refusal_of(IngestSpoutPour, answer, status)
        await self._settle(INGEST_SETTLES, told.get("Pourline-Events", ""))
        return Response(answer, status_code=202, media_type="application/json")

    async def admit(self, request: Request, *, level: int) -> Callable[[], bool]:
        """Check who asks for what lasts; return whether the token still counts, to ask later.

        Raises `Unauthorized`, `Forbidden`.
        """
        authorization = request.headers.get("authorization")
        await self._revocations.ensure(self._caller)
        self._tokens.bearer(authorization, level=level)

        def is_good() -> bool:
            try:
                self._tokens.bearer(authorization, level=level)
            except Unauthorized:
                return False
            return True

        return is_good

    async def asker(self, request: Request, *, level: int) -> Asker:
        """Return who asks for what has no row in the table; raises `Unauthorized`, `Forbidden`."""
        await self._revocations.ensure(self._caller)
        bearer = self._tokens.bearer(request.headers.get("authorization"), level=level)
        headers = _headers(request, _actor(bearer), None)
        return Asker(actor=headers["Pourline-Actor"], key=headers.get("Idempotency-Key", ""))

    async def _bearer(self, route: Route, request: Request) -> Bearer | None:
        if route.level is None:
            return None
        await self._revocations.ensure(self._caller)
        return self._tokens.bearer(request.headers.get("authorization"), level=route.level)

    async def _ask(
        self, route: Route, fields: dict[str, Any], headers: dict[str, str]
    ) -> tuple[int, bytes, dict[str, str]]:
        """Ask the owner; a long page is asked in pieces, for the bus takes no long message."""
        subject, wanted = route.command.subject(), _long_page(route, fields)
        items: list[Any] = []
        while True:
            piece = {"limit": min(wanted - len(items), PIECE)} if wanted else {}
            status, answer, told = await self._caller.send(
                subject, wire(fields | piece), headers=headers
            )
            if not wanted or status != 200:
                return status, answer, told
            page = orjson.loads(answer)
            items += page["items"]
            fields["cursor"] = page["next"]
            if page["next"] is None or len(items) >= wanted:
                return status, orjson.dumps({"items": items, "next": page["next"]}), told

    async def _missing(
        self, query: type[Command], path: Mapping[str, str], actor: dict[str, str]
    ) -> Response | None:
        """Return the owner's refusal when what the path names is not there."""
        status, answer, _ = await self._caller.send(
            query.subject(), orjson.dumps(dict(path)), headers=actor
        )
        return None if status == 200 else refusal_of(query, answer, status)

    async def _missing_reference(
        self, route: Route, fields: dict[str, Any], actor: dict[str, str]
    ) -> Response | None:
        if route.refers is None:
            return None
        name, query = route.refers
        value = fields.get(name)
        if not isinstance(value, str):
            return None
        return await self._missing(query, {name: value}, actor)

    async def _settle(self, services: Sequence[str], told: str) -> None:
        """Wait, bounded, until those who must know have taken in what happened."""
        waits = [
            self._caller.send(seen(one), orjson.dumps({"ids": ids}), headers={})
            for one in services
            if (ids := _read_by(one, told))
        ]
        for result in await asyncio.gather(*waits, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, (Retryable, *TROUBLE)):
                raise result


def _read_by(service: str, told: str) -> list[str]:
    """Return the ids of those events in an answer's header (`subject=id,…`) that it reads."""
    read = {event.subject() for event in ACCESS[service].events}
    pairs = (event.partition("=") for event in told.split(",") if event)
    return [event_id for subject, _, event_id in pairs if subject in read]


def _long_page(route: Route, fields: dict[str, Any]) -> int:
    """Return how many items are wanted of a list that is too long for one message; 0 else.

    A sheet has no place for a cursor: without a limit it has all rows.
    """
    if not issubclass(route.command, Page):
        return 0
    if route.shape in SHEETS and fields.get("format") == "csv" and "limit" not in fields:
        return SHEET_ROWS_MAX
    limit = str(fields.get("limit", Page.model_fields["limit"].default))
    wanted = int(limit) if limit.isascii() and limit.isdecimal() and len(limit) <= 4 else 0
    return wanted if PIECE < wanted <= PAGE_MAX else 0


def _actor(bearer: Bearer | None) -> dict[str, str]:
    if bearer is None:
        return {"Pourline-Actor": "anonymous", "Pourline-Level": "0"}
    return {"Pourline-Actor": bearer.subject, "Pourline-Level": str(bearer.level)}


def _of_token(route: Route, bearer: Bearer | None) -> dict[str, Any]:
    """Return what names the token that is asked with, where it is to end."""
    if not route.ends_token or bearer is None:
        return {}
    if bearer.token_id is None:
        raise TokenWithoutId
    return {"token_id": bearer.token_id, "expires_at": bearer.expires_at.isoformat()}


def refusal_of(command: type[Command], problem: bytes, status: int) -> Response:
    """Return an owner's refusal; one that is down and names no part is the part itself."""
    if status == Retryable.status:
        told = Problem.read(problem)
        owner = command.subject().split(".")[1]
        return problem_response(Problem.model_validate({"part": owner} | told.model_dump()), status)
    return problem_response(problem, status)


def problem_response(problem: bytes | Problem, status: int) -> Response:
    """Return a refusal as RFC 9457 problem details."""
    body = problem if isinstance(problem, bytes) else problem.wire()
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return Response(body, status, headers=headers, media_type="application/problem+json")


def _fields(route: Route, request: Request, raw: bytes) -> tuple[dict[str, Any], str | None]:
    """Return the request's fields, and why they are none where the body is malformed."""
    fields: dict[str, Any] = dict(request.query_params)
    if issubclass(route.command, Query) or not raw:
        return fields, None
    try:
        return fields | fields_of(raw), None
    except UnreadableBodyError as error:
        return fields, str(error)


def _path(request: Request) -> dict[str, str]:
    """Return the path's names; raises `NoSuchPage` for one that can name nothing."""
    path = {name: str(value) for name, value in request.path_params.items()}
    if any("\0" in value or len(value) > NAME_CHARACTERS_MAX for value in path.values()):
        raise NoSuchPage
    return path


def _who(route: Route, request: Request, fields: dict[str, Any]) -> Who | None:
    """Return whose tries are counted, if the end point counts any."""
    username = fields.get("username")
    if not route.limited or not isinstance(username, str):
        return None
    return username.strip()[:NAME_CHARACTERS_MAX], _address(request)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _headers(request: Request, actor: dict[str, str], malformed: str | None) -> dict[str, str]:
    headers = dict(actor)
    key = request.headers.get("idempotency-key")
    if key:
        headers["Idempotency-Key"] = key if len(key) <= KEY_CHARACTERS_MAX else _digest(key)
    if malformed:
        headers["Pourline-Malformed"] = malformed
    trace = request.headers.get("traceparent")
    if trace:
        headers["traceparent"] = trace
    return headers


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def device_named_in(raw: bytes) -> str:
    """Return the device that a webhook names, or a name that nobody has."""
    try:
        body = orjson.loads(raw)
        found = body.get("deviceId") or body.get("device_id")
    except (orjson.JSONDecodeError, AttributeError):
        found = None
    return found if isinstance(found, str) and 0 < len(found) <= 128 else "unreadable"
