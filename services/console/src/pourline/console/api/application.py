"""The FastAPI application: the table's end points, health, OpenAPI, and problems for refusals."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from nats.aio.client import Client
from starlette.responses import Response
from starlette.routing import Route as BaseRoute
from starlette.types import Receive, Scope, Send

from pourline.console.api.cron import PATH as CRON_PATH
from pourline.console.api.cron import CronDoor
from pourline.console.api.documentation import (
    CRON,
    INGEST,
    WATCH,
    WATCH_LEVEL,
    describe,
    parameters,
)
from pourline.console.api.gateway import Gateway, problem_response
from pourline.console.api.routes import ROUTES, Route
from pourline.console.api.stream import StockStream
from pourline.console.api.upkeep import add_upkeep
from pourline.console.errors import NoSuchPage, TooOften
from pourline.contracts.device import SpoutPourResult
from pourline.contracts.notices import MonitorRun
from pourline.contracts.subjects import health
from pourline.kit import telemetry
from pourline.kit.errors import TROUBLE, Refusal, Retryable
from pourline.kit.nats.requests import problem_of

HEALTH_WAIT_S = 1.5
UNSEEN: TelemetryConfig = {"auto_configure": False, "exclude": lambda _: True}
"""FastAPI's own spans name addresses with their ids, and queries with whatever secret is in them;
excluded here, what is mounted below stays silent too."""


def make_application(
    *,
    gateway: Gateway,
    cron: CronDoor,
    bus: Client,
    report: Callable[[], Awaitable[dict[str, object]]],
    others: Sequence[str],
    stream: StockStream,
) -> FastAPI:
    """Return the application; `report` is the console's own health, `others` whom it asks."""
    app = FastAPI(title="Pourline", version="1", docs_url="/docs", redoc_url=None, telemetry=UNSEEN)
    for route in ROUTES:
        _add(app, gateway, route)
    _add_ingest(app, gateway)
    _add_cron(app, cron)
    _add_stream(app, gateway, stream)
    add_upkeep(app, gateway)
    _add_health(app, bus, report, others)
    _add_unknown(app)
    _add_refusals(app)
    describe(app)
    return app


def _add(app: FastAPI, gateway: Gateway, route: Route) -> None:
    async def endpoint(request: Request) -> Response:
        parent = request.headers.get("traceparent")
        with telemetry.span(f"{route.method} {route.path}", parent=parent):
            return await gateway.serve(route, request)

    app.add_api_route(
        route.path,
        endpoint,
        methods=[route.method],
        status_code=route.status,
        name=route.command.NAME,
        operation_id=f"{route.command.OWNER}.{route.command.NAME}",
        summary=(route.command.__doc__ or "").splitlines()[0],
        tags=[route.command.OWNER],
        response_class=JSONResponse,
        responses={route.status: {"model": route.answer}},
        openapi_extra=parameters(route),
    )


def _add_ingest(app: FastAPI, gateway: Gateway) -> None:
    @app.post(
        "/hardware/spout/ingest",
        status_code=202,
        tags=["keg-fifo"],
        responses={202: {"model": SpoutPourResult}},
        openapi_extra=INGEST,
    )
    async def ingest(request: Request) -> Response:
        """Take a spout's signed pour."""
        return await gateway.ingest(request)


def _add_cron(app: FastAPI, cron: CronDoor) -> None:
    async def run(request: Request) -> Response:
        """Run the inventory monitor, for a timetable that knows the secret."""
        return await cron.run(request)

    app.add_api_route(
        CRON_PATH,
        run,
        methods=["GET"],
        name="inventory.run",
        operation_id="alerts.inventory.run",
        tags=["alerts"],
        response_class=JSONResponse,
        responses={200: {"model": MonitorRun}},
        openapi_extra=CRON,
    )


def _add_stream(app: FastAPI, gateway: Gateway, stream: StockStream) -> None:
    async def watch(request: Request) -> Response:
        """Watch the stock: a snapshot, then each change as a server-sent event."""
        is_good = await gateway.admit(request, level=WATCH_LEVEL)
        return await stream.open(request.headers.get("last-event-id"), is_good)

    app.add_api_route(
        "/api/inventory/events",
        watch,
        methods=["GET"],
        name="inventory.events",
        operation_id="console.inventory.events",
        tags=["ledger"],
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
        openapi_extra=WATCH,
    )


def _add_health(
    app: FastAPI,
    bus: Client,
    report: Callable[[], Awaitable[dict[str, object]]],
    others: Sequence[str],
) -> None:
    @app.get("/health/live", tags=["health"])
    async def live() -> dict[str, str]:
        """Say that the process turns."""
        return {"status": "live"}

    @app.get("/health/ready", tags=["health"])
    async def ready() -> Response:
        """Name each part and its state."""
        found = await asyncio.gather(report(), *(_health_of(bus, name) for name in others))
        parts = {str(one["service"]): one for one in found}
        is_ready = all(one["ready"] for one in found)
        body = {"status": "ready" if is_ready else "degraded", "parts": parts}
        return JSONResponse(body, status_code=200 if is_ready else 503)


async def _health_of(bus: Client, service: str) -> dict[str, Any]:
    try:
        reply = await bus.request(health(service), b"", timeout=HEALTH_WAIT_S)
    except TROUBLE:
        return {"service": service, "ready": False, "parts": {"service": "not answering"}}
    answer: dict[str, Any] = orjson.loads(reply.data)
    return answer


def _add_unknown(app: FastAPI) -> None:
    """Answer what is no end point, whatever the method, with a problem, ahead of the pages."""
    for prefix in ("/api", "/hardware", "/health"):
        app.router.routes.append(BaseRoute(f"{prefix}{{rest:path}}", _Unknown()))


class _Unknown:
    """An application that knows nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        raise NoSuchPage


def _add_refusals(app: FastAPI) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        del request
        problem = problem_of(error)
        response = problem_response(problem, problem.status)
        if isinstance(error, TooOften):
            response.headers.update(error.headers)
        return response

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(Exception, refused)

    async def away(request: Request, error: Exception) -> Response:
        return await refused(
            request, Retryable(f"The bus is away ({type(error).__name__}).", part="bus")
        )

    for trouble in TROUBLE:
        app.add_exception_handler(trouble, away)
