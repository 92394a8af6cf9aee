"""`GET /metrics`: the whole bar in the Prometheus text format, for whoever knows the token.

And the middleware that counts requests, by route template and never by address.
"""

import hmac
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate

from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pourline.console.api.gateway import Gateway
from pourline.console.api.tokens import SCHEME
from pourline.console.errors import Forbidden, NoSuchPage, Unauthorized
from pourline.console.store.metrics import Metrics
from pourline.contracts.upkeep import Distribution, Sample
from pourline.upkeep.catalogue import METRICS, Kind
from pourline.upkeep.instruments import Instruments

PATH = "/metrics"
LEVEL = 4
METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
OTHER = "other"
"""What has no template, or a method of its own making: one label for all of it."""


class MetricsDoor:
    """Lets in whoever knows the token, and managers; without a token it is not there at all."""

    def __init__(self, *, token: str) -> None:
        self._token = token.encode()

    def knows(self, request: Request) -> bool:
        """Return whether the caller told the token; compared in constant time."""
        authorization = request.headers.get("authorization", "")
        given = authorization[len(SCHEME) :].strip().encode("utf-8", errors="surrogateescape")
        is_bearer = authorization.lower().startswith(SCHEME)
        is_right = hmac.compare_digest(given, self._token)
        return bool(self._token and is_bearer and is_right)

    async def admit(self, request: Request, gateway: Gateway) -> None:
        """Raise `NoSuchPage` where there is no token, else `Unauthorized` or `Forbidden`."""
        if self.knows(request):
            return
        try:
            await gateway.asker(request, level=LEVEL)
        except (Unauthorized, Forbidden):
            if self._token:
                raise
            raise NoSuchPage from None


def add_metrics(app: FastAPI, gateway: Gateway, door: MetricsDoor, metrics: Metrics) -> None:
    """Add the end point."""

    async def scrape(request: Request) -> Response:
        """Tell the whole bar's metrics in the Prometheus text format."""
        await door.admit(request, gateway)
        samples, distributions = await metrics.gather()
        return Response(written(samples, distributions), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    app.add_api_route(
        PATH,
        scrape,
        methods=["GET"],
        name="metrics",
        operation_id="console.metrics",
        tags=["system"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        openapi_extra={"description": f"Needs METRICS_TOKEN, or level {LEVEL}, as bearer."},
    )


class _Families(Collector):
    """What was gathered, as the client library takes it."""

    def __init__(self, samples: Sequence[Sample], distributions: Sequence[Distribution]) -> None:
        self._samples = samples
        self._distributions = distributions

    def collect(self) -> Iterator[Metric]:
        """Return one family a name, in the order of the catalogue."""
        values: dict[str, list[Sample]] = {}
        for sample in self._samples:
            values.setdefault(sample.name, []).append(sample)
        spreads: dict[str, list[Distribution]] = {}
        for spread in self._distributions:
            spreads.setdefault(spread.name, []).append(spread)
        for name, metric in METRICS.items():
            if metric.kind is Kind.HISTOGRAM:
                yield _histogram(name, metric.help, spreads.get(name, []))
            else:
                yield _numbers(name, metric.help, values.get(name, []), metric.kind)


def _numbers(name: str, text: str, samples: Sequence[Sample], kind: Kind) -> Metric:
    labels = tuple(samples[0].labels) if samples else ()
    family = (CounterMetricFamily if kind is Kind.COUNTER else GaugeMetricFamily)(
        name, text, labels=labels
    )
    for one in samples:
        family.add_metric([one.labels[label] for label in labels], one.value)
    return family


def _histogram(name: str, text: str, spreads: Sequence[Distribution]) -> Metric:
    labels = tuple(spreads[0].labels) if spreads else ()
    family = HistogramMetricFamily(name, text, labels=labels)
    for one in spreads:
        edges = [*map(str, one.bounds), "+Inf"]
        buckets = list(zip(edges, accumulate(one.counts), strict=True))
        family.add_metric([one.labels[label] for label in labels], buckets, one.total)
    return family


def written(samples: Sequence[Sample], distributions: Sequence[Distribution]) -> bytes:
    """Return values in the text format 0.0.4, families without a value too."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(samples, distributions))
    return generate_latest(registry)


class Counting:
    """Counts every answered HTTP request and how long its first byte took."""

    def __init__(self, app: ASGIApp, *, instruments: Instruments) -> None:
        self._app = app
        self._requests = instruments.counter("pourline_http_requests_total")
        self._took = instruments.histogram("pourline_http_request_seconds")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and count when the answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.monotonic()

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"], time.monotonic() - began_s)
            await send(message)

        await self._app(scope, receive, told)

    def _count(self, scope: Scope, status: int, took_s: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else OTHER
        route = template_of(scope)
        self._requests.add(method, route, str(status))
        self._took.observe([took_s], method, route)


def template_of(scope: Scope) -> str:
    """Return the route's template, `/api/taps/{id}`; `other` where none was found."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and path else OTHER
