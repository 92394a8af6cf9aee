import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import nats
import orjson
import pytest
from nats.aio.client import Client
from pourline.console import consumers, devices
from pourline.console.pages.views import alert_views
from pourline.console.store import Board, Revocations, StockFeed
from pourline.contracts.taps import ConfigChanged
from pourline.local.servers import NatsServer
from pourline.testkit.clock import FakeClock
from pourline.testkit.ending import end

WITHIN_S = 30.0
ALERT = {
    "alert_id": "a1",
    "severity": "critical",
    "kind": "keg_empty",
    "title": "Weissbier is empty",
    "message": "Connect the next keg.",
    "subject": {"type": "tap", "id": "1"},
    "state": "open",
    "opened_at": "2026-05-01T18:00:00Z",
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def bus(server: NatsServer) -> AsyncIterator[Client]:
    bus = await nats.connect(server.url)
    yield bus
    await bus.close()


async def heard(board: Board, what: "asyncio.Event") -> None:
    del board
    async with asyncio.timeout(WITHIN_S):
        await what.wait()
    what.clear()


async def test_flow_and_events_on_the_bus_reach_the_board(
    board: Board, bus: Client, clock: FakeClock
) -> None:
    await consumers.subscribe(bus, board, Revocations(clock=clock), StockFeed())
    await bus.flush()
    assert board.bus.as_of(board.now()) is None
    with board.watched() as changed:
        await bus.publish("bar.main.tap.1.flow", b"not json")
        report = {"volume_ml": 120.5, "pulses": 9, "rate_ml_s": 40}
        await bus.publish("bar.main.tap.1.flow", orjson.dumps(report))
        await heard(board, changed)
        flow = board.lines["1"].flow
        assert flow is not None
        assert str(flow.volume_ml) == "120.500"
        envelope = {
            "id": "1",
            "type": ConfigChanged.TYPE,
            "source": "auth-lock",
            "subject": "config",
            "time": "2026-05-01T18:00:00Z",
            "aggregate": "config:currency",
            "version": 1,
            "data": {"key": "currency", "value": "GBP"},
        }
        await bus.publish(ConfigChanged.subject(), b"{}")
        await bus.publish(ConfigChanged.subject(), orjson.dumps(envelope))
        await heard(board, changed)
    assert board.currency == "GBP"


async def test_a_retained_alert_is_there_at_connect_and_goes_with_an_empty_payload(
    board: Board, server: NatsServer
) -> None:
    topic = "bar/main/alerts/critical/a1"
    async with aiomqtt.Client("127.0.0.1", server.mqtt_port, identifier="alerts") as broker:
        await broker.publish(topic, orjson.dumps(ALERT), qos=1, retain=True)
        link = devices.link(server.mqtt_url, board)
        running = asyncio.create_task(link.run())
        with board.watched() as changed:
            async with asyncio.timeout(WITHIN_S):
                while not alert_views(board):
                    await heard(board, changed)
            assert alert_views(board)[0].title == "Weissbier is empty"
            assert board.broker.as_of(board.now()) is None
            await broker.publish(topic, b"", qos=1, retain=True)
            async with asyncio.timeout(WITHIN_S):
                while alert_views(board):
                    await heard(board, changed)
        await end(running)
