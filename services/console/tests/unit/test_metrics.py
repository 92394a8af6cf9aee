"""What is gathered is told once where instances share it, for each machine where they count."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import orjson
import pytest
from fastapi import FastAPI, Request
from nats.aio.client import Client
from nats.aio.msg import Msg
from pourline.console.api.gateway import Asker, Gateway
from pourline.console.api.metrics import Counting, MetricsDoor, written
from pourline.console.errors import Forbidden, NoSuchPage, Unauthorized
from pourline.console.store.metrics import Metrics
from pourline.contracts.subjects import health
from pourline.contracts.upkeep import Distribution, Figures, HealthReport, Sample
from pourline.kit.nats import connect
from pourline.local.servers import NatsServer
from pourline.testkit.clock import FakeClock
from pourline.upkeep.instruments import Instruments
from prometheus_client.parser import text_string_to_metric_families

Told = dict[tuple[str, str, str], float]


def report(host: str, *, pours: int, pending: int, ready: bool = True) -> HealthReport:
    labels = {"consumer": "ledger--pour"}
    return HealthReport(
        service="ledger",
        ready=ready,
        parts={"bus": "ok", "database": "ok" if ready else "down: OperationalError"},
        version="1",
        uptime_s=60,
        figures=Figures(
            host=host,
            samples=[
                Sample(name="pourline_queue_pending", labels=labels, value=pending),
                Sample(
                    name="pourline_pours_answered_total",
                    labels={"status": "accepted"},
                    value=pours,
                ),
                Sample(name="pourline_of_a_later_version", value=1),
            ],
            distributions=[
                Distribution(
                    name="pourline_pour_answer_seconds",
                    bounds=[0.1, 1.0],
                    counts=[3, 2, 1],
                    total=4.5,
                )
            ],
        ),
    )


@pytest.fixture
async def instances(nats_server: NatsServer) -> AsyncIterator[Client]:
    """Two instances of the ledger, of which one has lost its database."""
    client = await connect(url=nats_server.url, name="ledger")
    for told in (report("a", pours=5, pending=7), report("b", pours=9, pending=6, ready=False)):

        async def answer(message: Msg, told: HealthReport = told) -> None:
            await message.respond(told.wire())

        await client.subscribe(health("ledger"), cb=answer)
    await client.flush()
    yield client
    await client.close()


async def gathered(
    nats_server: NatsServer, *services: str, note: str = "", clock: FakeClock | None = None
) -> Told:
    bus = await connect(url=nats_server.url, name="console")
    metrics = Metrics(
        bus=bus, clock=clock or FakeClock(), services=services, own=Instruments(), backup_note=note
    )
    samples, distributions = await metrics.gather()
    await bus.close()
    text = written(samples, distributions).decode()
    return {
        (one.name, one.labels.get("service", ""), one.labels.get("host", "")): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.labels.get("le", "+Inf") == "+Inf"
    }


@pytest.mark.usefixtures("instances")
async def test_shared_figures_are_told_once_and_counted_ones_for_each_machine(
    nats_server: NatsServer,
) -> None:
    told = await gathered(nats_server, "ledger", "shift")

    assert told["pourline_queue_pending", "ledger", ""] == 7
    assert told["pourline_pours_answered_total", "ledger", "a"] == 5
    assert told["pourline_pours_answered_total", "ledger", "b"] == 9
    assert told["pourline_pour_answer_seconds_bucket", "ledger", "b"] == 6
    assert told["pourline_pour_answer_seconds_sum", "ledger", "b"] == 4.5
    assert told["pourline_uptime_seconds", "ledger", "a"] == 60
    assert "pourline_of_a_later_version" not in {name for name, _, _ in told}


@pytest.mark.usefixtures("instances")
async def test_a_service_is_up_when_it_answers_and_ready_when_every_instance_is(
    nats_server: NatsServer,
) -> None:
    told = await gathered(nats_server, "ledger", "shift")

    assert told["pourline_up", "ledger", ""] == 1
    assert told["pourline_ready", "ledger", ""] == 0
    assert told["pourline_up", "shift", ""] == 0
    assert told["pourline_ready", "shift", ""] == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"made_at_s": "soon"}', '{"made_at_s": null}'])
async def test_a_note_that_cannot_be_read_tells_no_age(
    nats_server: NatsServer, tmp_path: Path, text: str
) -> None:
    note = tmp_path / "backup.json"
    note.write_text(text)

    told = await gathered(nats_server, "shift", note=str(note))

    assert "pourline_backup_age_seconds" not in {name for name, _, _ in told}


async def test_the_age_of_a_backup_is_told(nats_server: NatsServer, tmp_path: Path) -> None:
    note = tmp_path / "backup.json"
    clock = FakeClock()
    note.write_text(json.dumps({"made_at_s": clock.now().timestamp() - 90}))

    told = await gathered(nats_server, "shift", note=str(note), clock=clock)

    assert told["pourline_backup_age_seconds", "", ""] == 90


async def test_requests_are_counted_by_template_and_strange_ones_together() -> None:
    app, instruments = FastAPI(), Instruments()

    @app.get("/api/guests/{guest_id}")
    async def guest(guest_id: str) -> str:
        return guest_id

    app.add_middleware(Counting, instruments=instruments)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bar") as client:
        for path in ("/api/guests/1", "/api/guests/2", "/nowhere/4711"):
            await client.get(path)
        await client.request("BREW", "/nowhere/4712")

    counted = {
        orjson.dumps(one.labels, option=orjson.OPT_SORT_KEYS): one.value
        for one in (instruments.samples())
    }
    assert {tuple(orjson.loads(labels).values()): count for labels, count in counted.items()} == {
        ("GET", "/api/guests/{guest_id}", "200"): 2,
        ("GET", "other", "404"): 1,
        ("other", "other", "404"): 1,
    }
    assert sum(sum(one.counts) for one in instruments.distributions()) == 4


class Gate(Gateway):
    """A gateway that knows one manager and one bartender."""

    def __init__(self) -> None: ...

    async def asker(self, request: Request, *, level: int) -> Asker:
        who = request.headers.get("authorization")
        if who == "Bearer bartender":
            raise Forbidden(f"This needs level {level}.")
        if who != "Bearer manager":
            raise Unauthorized
        return Asker(actor="manager", key="")


@pytest.mark.parametrize(
    ("token", "authorization", "admitted"),
    [
        ("", None, NoSuchPage),
        ("", "Bearer ", NoSuchPage),
        ("", "Bearer bartender", NoSuchPage),
        ("", "Bearer manager", None),
        ("scraper", None, Unauthorized),
        ("scraper", "Bearer scrape", Unauthorized),
        ("scraper", "Basic scraper", Unauthorized),
        ("scraper", "Bearer bartender", Forbidden),
        ("scraper", "Bearer manager", None),
        ("scraper", "Bearer scraper", None),
    ],
)
async def test_without_a_token_the_page_is_there_for_managers_only(
    token: str, authorization: str | None, admitted: type[Exception] | None
) -> None:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    request = Request({"type": "http", "headers": headers})
    outcome = pytest.raises(admitted) if admitted else contextlib.nullcontext()

    with outcome:
        await MetricsDoor(token=token).admit(request, Gate())
