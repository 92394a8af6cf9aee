"""The webhook adapter against a real HTTP server that takes, refuses, hangs and hangs up."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import orjson
import pytest
from pourline.pos_adapter.domain.notifications import Kind, Notification
from pourline.pos_adapter.errors import PosAway, PosRefused
from pourline.pos_adapter.jobs.adapters import WebhookAdapter
from pourline.testkit.clock import FakeClock

KEY = b"sixteen bytes at least"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
DRINK = Notification(kind=Kind.POUR, reference="pour-1", payload={"amount": 350})


@dataclass
class Till:
    """An HTTP server that answers as it is told to."""

    status: int = 200
    hangs_up: bool = False
    heads: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[1:-1]
        head = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(int(head["content-length"])))
        if not self.hangs_up:
            writer.write(f"HTTP/1.1 {self.status} x\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/pos"


@pytest.fixture
async def till() -> AsyncIterator[Till]:
    till = Till()
    server = await asyncio.start_server(till.serve, "127.0.0.1", 0)
    till.port = server.sockets[0].getsockname()[1]
    yield till
    server.close()
    await server.wait_closed()


@pytest.fixture
async def adapter(till: Till, clock: FakeClock) -> AsyncIterator[WebhookAdapter]:
    adapter = WebhookAdapter(url=till.url, secret=SECRET, clock=clock)
    yield adapter
    await adapter.close()


@pytest.mark.requirement("PO-1")
async def test_a_post_carries_its_id_and_a_signature_over_id_time_and_body(
    till: Till, adapter: WebhookAdapter, clock: FakeClock
) -> None:
    await adapter.notify(DRINK, event_id="event-1")

    [head], [body] = till.heads, till.bodies
    at = str(int(clock.now().timestamp()))
    made = hmac.new(KEY, f"event-1.{at}.".encode() + body, hashlib.sha256).digest()
    assert (head["webhook-id"], head["webhook-timestamp"]) == ("event-1", at)
    assert head["webhook-signature"] == f"v1,{base64.b64encode(made).decode()}"
    assert orjson.loads(body) == {
        "type": "notify_pour",
        "timestamp": clock.now().isoformat(),
        "data": {"amount": 350, "reference": "pour-1"},
    }


@pytest.mark.requirement("PO-1")
async def test_what_a_till_says_decides_whether_it_is_away_or_refuses(
    till: Till, adapter: WebhookAdapter
) -> None:
    for status in (500, 503, 429, 408, 302):
        till.status = status
        with pytest.raises(PosAway, match=f"HTTP {status}"):
            await adapter.notify(DRINK, event_id="event-1")
    for status in (400, 401, 422):
        till.status = status
        with pytest.raises(PosRefused, match=f"HTTP {status}"):
            await adapter.notify(DRINK, event_id="event-1")
    till.status = 204
    await adapter.notify(DRINK, event_id="event-1")


async def test_a_till_that_hangs_up_or_is_not_there_is_away(
    till: Till, adapter: WebhookAdapter, clock: FakeClock
) -> None:
    till.hangs_up = True
    with pytest.raises(PosAway):
        await adapter.notify(DRINK, event_id="event-1")
    nobody = WebhookAdapter(url="http://127.0.0.1:9/pos", secret="plain", clock=clock)
    with pytest.raises(PosAway):
        await nobody.notify(DRINK, event_id="event-1")
    await nobody.close()


async def test_a_secret_that_is_no_base64_is_its_own_text(till: Till, clock: FakeClock) -> None:
    adapter = WebhookAdapter(url=till.url, secret="a plain one", clock=clock)
    await adapter.notify(DRINK, event_id="event-1")
    await adapter.close()

    [head], [body] = till.heads, till.bodies
    signed = f"event-1.{head['webhook-timestamp']}.".encode() + body
    made = hmac.new(b"a plain one", signed, hashlib.sha256).digest()
    assert head["webhook-signature"] == f"v1,{base64.b64encode(made).decode()}"
