"""A whole bar in one object: HTTP that remembers what was made, MQTT that says yes."""

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pourline.controller.link import Broker, Hooks, Identity, Link
from pourline.controller.settings import BarAddress

from services.controller.tests.conftest import BrokerProcess


class FakeBar:
    """Makes whatever is asked for; the same idempotency key makes it once."""

    def __init__(self, broker: BrokerProcess) -> None:
        self.posted: list[tuple[str, dict[str, object]]] = []
        self.tokens: set[str] = set()
        self.has_answers = True
        self.poor: set[str] = set()
        self.poured: dict[str, str] = {}
        self.spout_events: set[str] = set()
        self.failures = 0
        self.keg_ml = 30_000
        self._made: dict[str, dict[str, object]] = {}
        self._numbers = itertools.count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.http_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.link = Link(
            Broker.parse(broker.url),
            Identity(
                client_id="whole-bar",
                password="x",
                subscriptions=("bar/main/#",),
                clean_session=True,  # what taps of other tests said is not for this one
            ),
            hooks=Hooks(message=self._received),
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def paths(self) -> list[str]:
        return [path for path, _ in self.posted]

    def post(self, path: str, body: dict[str, object], key: str) -> dict[str, object]:
        if key in self._made:
            return self._made[key]
        self.posted.append((path, body))
        if path.endswith("/topup"):
            self.poor.clear()
        number = next(self._numbers)
        self._made[key] = {"id": f"id-{number}", "secret": "5ec7e7"} | body
        return self._made[key]

    def get(self, path: str) -> dict[str, object]:
        if path.startswith("/api/taps/"):
            return {"beverage_id": "b", "remaining_ml": self.keg_ml}
        return {"items": []}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        bar = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say(200, bar.get(self.path))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bar.tokens.add(str(self.headers["Authorization"]))
                if bar.failures:
                    bar.failures -= 1
                    self._say(503, {"code": "starting"})
                else:
                    self._say(201, bar.post(self.path, body, self.headers["Idempotency-Key"]))

            def _say(self, status: int, body: dict[str, object]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _received(self, topic: str, payload: bytes) -> None:
        match topic.split("/")[2:]:
            case ["tap", tap_id, "authorize"]:
                self._authorize(tap_id, json.loads(payload))
            case ["tap", tap_id, "pour"]:
                self._pour(tap_id, json.loads(payload))
            case ["spout", device, "pour"]:
                event_id = json.loads(payload)["event_id"]
                self.spout_events.add(event_id)
                self._say(f"spout/{device}/pour/result", {"event_id": event_id, "status": "x"})

    def _authorize(self, tap_id: str, asked: dict[str, str]) -> None:
        answer: dict[str, object] = {"request_id": asked["request_id"]}
        if asked["card_uid"] in self.poor:
            answer |= {"decision": "deny", "reason": "insufficient_balance"}
        else:
            grant = {"grant_id": asked["request_id"], "max_volume_ml": 900.5}
            answer |= {"decision": "allow", "price_per_litre": 600} | grant
        self._say(f"tap/{tap_id}/authorize/result", answer)

    def _pour(self, tap_id: str, pour: dict[str, str]) -> None:
        status = "duplicate" if pour["client_tx_id"] in self.poured else "accepted"
        self.poured[pour["client_tx_id"]] = tap_id
        answer = {"client_tx_id": pour["client_tx_id"], "status": status, "amount": 100}
        if self.has_answers:
            self._say(f"tap/{tap_id}/pour/result", answer)

    def _say(self, name: str, body: dict[str, object]) -> None:
        self.link.publish(f"bar/main/{name}", json.dumps(body).encode(), qos=0)


@pytest.fixture
async def whole_bar(shared_broker: BrokerProcess) -> AsyncIterator[FakeBar]:
    bar = FakeBar(shared_broker)
    run = asyncio.create_task(bar.link.run())
    await asyncio.wait_for(bar.link.connected.wait(), 30)
    yield bar
    run.cancel()
    await asyncio.wait([run])
    await asyncio.to_thread(bar.close)


@pytest.fixture
def address(whole_bar: FakeBar, shared_broker: BrokerProcess, tmp_path: Path) -> BarAddress:
    return BarAddress(
        http_url=whole_bar.http_url,
        mqtt_url=shared_broker.url,
        token="token",
        data_dir=tmp_path,
    )
