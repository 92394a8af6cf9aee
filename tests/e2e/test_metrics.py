"""What the bar tells of itself: /metrics for whoever scrapes, OTLP for whoever collects."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as OtlpMetric
from pourline.contracts.topology import CONSUMERS, SERVICES
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import RunningBar, bar_of_a_suite, refusal
from pourline.testkit.until import until
from pourline.upkeep.catalogue import METRICS, OF_HTTP, Kind
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("metrics"),
    pytest.mark.requirement("OP-2"),
]

TOKEN = "a-scraper-with-a-token-of-its-own"
CRON = "a-timetable-with-a-secret-of-its-own"
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-|04[0-9a-f]{12}", re.IGNORECASE)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass
class Collector:
    """An OTLP/HTTP receiver that keeps what it is sent."""

    traces: list[ExportTraceServiceRequest] = field(default_factory=list)
    metrics: list[ExportMetricsServiceRequest] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def took(self, path: str, body: bytes) -> None:
        self.bodies.append(body)
        if path == "/v1/traces":
            self.traces.append(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/metrics":
            self.metrics.append(ExportMetricsServiceRequest.FromString(body))

    def spans(self) -> dict[str, set[bytes]]:
        """Return the traces in which each span name occurs."""
        found: dict[str, set[bytes]] = {}
        for request in self.traces:
            for of_service in request.resource_spans:
                for scope in of_service.scope_spans:
                    for span in scope.spans:
                        found.setdefault(span.name, set()).add(span.trace_id)
        return found

    def told(self) -> dict[str, list[OtlpMetric]]:
        """Return each metric as it was told, again and again."""
        found: dict[str, list[OtlpMetric]] = {}
        for request in self.metrics:
            for of_service in request.resource_metrics:
                for scope in of_service.scope_metrics:
                    for metric in scope.metrics:
                        found.setdefault(metric.name, []).append(metric)
        return found


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with_all = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            with_all.took(self.path, self.rfile.read(length))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its own name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with_all.port = server.server_port  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield with_all
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def bar(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[RunningBar]:
    environment = {
        "METRICS_TOKEN": TOKEN,
        "CRON_SECRET": CRON,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",  # type: ignore[attr-defined]
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    with bar_of_a_suite(tmp_path_factory.mktemp("metrics"), environment) as bar:
        yield bar


async def scraped(bar: RunningBar) -> dict[str, Metric]:
    """Scrape as a scraper does, and read it with Prometheus' own parser."""
    response = await bar.ask("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {one.name: one for one in text_string_to_metric_families(response.text)}


def values(families: dict[str, Metric]) -> Samples:
    return {
        (
            one.name,
            frozenset((name, text) for name, text in one.labels.items() if name != "host"),
        ): (one.value)
        for family in families.values()
        for one in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


async def a_guest_pours(bar: RunningBar) -> tuple[str, ...]:
    """Have a guest pour, a stranger refused, a pour held; return what nobody may find again."""
    seat, guest = await bar.seat_tap(), await bar.seat_guest()
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret)]) as fleet:
        fleet.publish(seat.tap_id, "status", {"online": True, "pending_sync": 0}, retain=True)

        async def allowed() -> object:
            return (await fleet.authorize(seat.tap_id, guest.card_uid)).get("grant_id")

        grant_id = await until(allowed)
        pour = fleet.new_pour(seat.tap_id, {"grant_id": grant_id})
        strange = fleet.new_pour(seat.tap_id, {"volume_ml": -5, "visit_id": guest.visit_id})
        statuses = [
            (await fleet.pour(seat.tap_id, one, within_s=60, again_after_s=20))["status"]
            for one in (pour, pour, strange)
        ]
        assert statuses == ["accepted", "duplicate", "held"]
        stranger = await fleet.authorize(
            seat.tap_id, "04aabbccddeeff", within_s=30, again_after_s=20
        )
        assert stranger["reason"] == "unknown_card"
    return seat.secret, guest.card_uid, guest.visit_id, guest.guest_id, str(grant_id)


async def test_what_guests_do_is_counted(bar: RunningBar) -> None:
    before = values(await scraped(bar))
    await a_guest_pours(bar)

    async def told() -> Samples:
        return values(await scraped(bar))

    def rise(now: Samples, name: str, **labels: str) -> float:
        return value(now, name, **labels) - value(before, name, **labels)

    ledger = {"service": "ledger"}
    held = {"service": "alerts", "kind": "pour_held", "severity": "warning"}
    now = await until(told, lambda found: rise(found, "pourline_alerts_open", **held) == 1)

    answered = "pourline_pours_answered_total"
    assert {
        status: rise(now, answered, status=status, **ledger)
        for status in ("accepted", "duplicate", "held", "mismatch")
    } == {"accepted": 1, "duplicate": 1, "held": 1, "mismatch": 0}
    assert rise(now, "pourline_pour_answer_seconds_count", **ledger) == 3
    assert rise(now, "pourline_pour_answer_seconds_bucket", le="+Inf", **ledger) == 3
    cards = {"service": "auth-lock", "decision": "deny", "reason": "unknown_card"}
    assert rise(now, "pourline_authorize_answered_total", **cards) == 1
    assert value(now, "pourline_taps_online", service="auth-lock") >= 0
    path = {"method": "POST", "route": "/api/guests/{guest_id}/topup"}
    assert rise(now, "pourline_http_requests_total", status="200", **path) == 1
    assert rise(now, "pourline_http_request_seconds_count", **path) == 1


async def test_every_service_queue_and_stream_is_there_and_no_label_is_an_id(
    bar: RunningBar,
) -> None:
    await a_guest_pours(bar)

    def whole(found: dict[str, Metric]) -> bool:
        now = values(found)
        ready = {one for one in SERVICES if value(now, "pourline_ready", service=one) == 1}
        queues = {dict(of)["consumer"] for name, of in now if name == "pourline_queue_pending"}
        return (ready, queues) == ({*SERVICES}, {one.name for one in CONSUMERS})

    families = await until(lambda: scraped(bar), whole)
    now = values(families)

    assert value(now, "pourline_stream_messages", stream="POURS") > 0
    with_values = {name for name, family in families.items() if family.samples}
    assert "pourline_backup_age_seconds" not in with_values
    labels = {text for _, pairs in now for _, text in pairs}
    assert [text for text in labels if ID.search(text)] == []
    for name, metric in METRICS.items():
        family = families[name.removesuffix("_total")]
        assert family.type == metric.kind, name
        told = {label for one in family.samples for label in one.labels}
        extra = {"service", "host", "le"} if name not in OF_HTTP else {"le"}
        assert told <= {*metric.labels, *extra}, name


async def test_only_the_token_and_managers_see_metrics(bar: RunningBar) -> None:
    async def ask(authorization: str | None) -> httpx.Response:
        async with httpx.AsyncClient(base_url=bar.base_url, timeout=30) as client:
            headers = {"Authorization": authorization} if authorization else {}
            return await client.get("/metrics", headers=headers)

    manager, bartender = await bar.token(level=4), await bar.token(level=3)

    assert (await ask(f"Bearer {manager}")).status_code == 200
    assert refusal(await ask(None)) == (401, "unauthorized")
    assert refusal(await ask(f"Bearer {TOKEN}x")) == (401, "unauthorized")
    assert refusal(await ask(f"Basic {TOKEN}")) == (401, "unauthorized")
    assert refusal(await ask(f"Bearer {bartender}")) == (403, "forbidden")


def only_shift_is_down(found: dict[str, Metric]) -> bool:
    now = values(found)
    up = {one: value(now, "pourline_up", service=one) for one in SERVICES}
    return up == dict.fromkeys(SERVICES, 1) | {"shift": 0}


async def test_a_service_that_stands_still_is_down_and_the_rest_is_told(bar: RunningBar) -> None:
    process = bar.process_of("shift")
    process.suspend()
    try:
        now = values(await until(lambda: scraped(bar), only_shift_is_down))
    finally:
        process.resume()

    assert ("pourline_dead_letters", frozenset({("service", "ledger")})) in now
    await bar.ready()


async def test_spans_and_metrics_of_a_pour_reach_a_collector_without_ids_or_secrets(
    bar: RunningBar, collector: Collector
) -> None:
    private = await a_guest_pours(bar)
    nobody = {"Authorization": ""}
    run = await bar.ask("GET", f"/api/cron/inventory-monitor?token={CRON}", headers=nobody)
    assert run.status_code == 200
    page = await bar.ask("GET", f"/login?token={CRON}")
    assert page.status_code == 200

    async def arrived() -> bool:
        await bar.get("/api/guests")
        return {"authorize", "pours take in", "events handle"} <= collector.spans().keys() and {
            "pourline_pours_answered",
            "pourline_pour_answer_seconds",
            "pourline_http_requests",
            "pourline_queue_pending",
        } <= collector.told().keys()

    await until(arrived, within_s=60)

    spans = collector.spans()
    assert [name for name in spans if ID.search(name)] == []
    assert spans["pours take in"] & spans["events handle"], "a pour's events are in its trace"
    for name, told in collector.told().items():
        known = METRICS.get(name) or METRICS[f"{name}_total"]
        allowed = {*known.labels, *({"stream"} if "stream" in name else ())}
        for metric in told:
            data = getattr(metric, str(metric.WhichOneof("data")))
            for point in data.data_points:
                assert {one.key for one in point.attributes} <= allowed, name
                texts = [one.value.string_value for one in point.attributes]
                assert not any(ID.search(text) for text in texts), texts
    unknown = [
        one for one in (*private, TOKEN, CRON) for body in collector.bodies if one.encode() in body
    ]
    assert unknown == []


def test_the_catalogue_is_in_order() -> None:
    for name, metric in METRICS.items():
        assert re.fullmatch(r"pourline_[a-z_]+", name)
        assert metric.help.endswith(".")
        assert name.endswith("_total") is (metric.kind is Kind.COUNTER), name
        assert bool(metric.bounds) is (metric.kind is Kind.HISTOGRAM), name
        assert not {"id", "tap", "visit", "guest", "card"} & set(metric.labels), name
