"""Settings, ids, logs, traces, health and retained messages."""

import json
import logging
from pathlib import Path

import orjson
import pytest
from nats.aio.client import Client
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pourline.contracts.guests import GuestRegistered
from pourline.kit import telemetry
from pourline.kit.db import Database
from pourline.kit.health import Health
from pourline.kit.ids import new_id, parse_id
from pourline.kit.settings import ServiceSettings


def test_ids_sort_by_the_moment_they_were_made() -> None:
    ids = [new_id() for _ in range(100)]

    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}


def test_a_text_that_is_no_id_names_nothing() -> None:
    assert parse_id("tap 1") is None


def test_a_services_own_database_url_goes_before_the_common_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/{service}")
    assert ServiceSettings(service="keg-fifo").dsn == "postgresql://host/keg_fifo"

    monkeypatch.setenv("DATABASE_URL_KEG_FIFO", "postgresql://other/cellar")
    assert ServiceSettings(service="keg-fifo").dsn == "postgresql://other/cellar"


def test_a_secret_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    secret = tmp_path / "url"
    secret.write_text("postgresql://from-a-file/ledger\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(secret))

    assert ServiceSettings(service="ledger").dsn == "postgresql://from-a-file/ledger"


def test_a_log_line_is_a_json_fact() -> None:
    record = logging.makeLogRecord({"msg": "pour_charged", "levelname": "INFO", "amount": 150})

    line = json.loads(telemetry.JsonFormatter(service="ledger").format(record))

    assert (line["event"], line["amount"], line["service"], line["level"]) == (
        "pour_charged",
        150,
        "ledger",
        "info",
    )


async def test_a_trace_crosses_the_outbox(database: Database) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    began_at_the_tap = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    with telemetry.span("pours take in", parent=began_at_the_tap):
        async with database.transaction() as unit:
            unit.announce(GuestRegistered(guest_id="1", name="Ada"), aggregate="guest:1")

    async with database.transaction() as unit:
        row = await unit.one("SELECT traceparent FROM outbox")
    assert row["traceparent"].split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
    (span,) = spans.get_finished_spans()
    assert span.name == "pours take in"
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"


async def test_health_names_the_part_that_is_down(bus: Client) -> None:
    async def fine() -> None:
        return

    async def down() -> None:
        raise ConnectionError

    health = Health(bus=bus, service="ledger", parts={"bus": fine, "database": down})
    await health.start()

    answer = orjson.loads((await bus.request("health.ledger", b"", timeout=30)).data)

    assert answer == {
        "service": "ledger",
        "ready": False,
        "parts": {"bus": "ok", "database": "down: ConnectionError"},
    }
