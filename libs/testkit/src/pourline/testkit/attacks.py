"""What an attacker of a bar needs: raw MQTT, raw HTTP, and tokens of their own making."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
import jwt

from pourline.kit.ids import new_id
from pourline.local import credentials
from pourline.local.paths import DataDir
from pourline.testkit.bar import RunningBar, TapSeat
from pourline.testkit.ending import end

ANSWER_WITHIN_S = 30.0
PLANTED = {
    "CRON_SECRET": "planted-cron-5ec2e7-0001",
    "SMTP_HOST": "127.0.0.1",
    "SMTP_PORT": "1",
    "SMTP_USER": "bar",
    "SMTP_PASSWORD": "planted-smtp-5ec2e7-0002",
    "POS_WEBHOOK_URL": "http://127.0.0.1:1/planted-hook-5ec2e7-0003",
    "POS_WEBHOOK_SECRET": "whsec_cGxhbnRlZC1ob29rLTVlYzJlNy0wMDA0",
    "ADMIN_NOTIFICATION_EMAILS": "owner@example.org",
}
"""Secrets that a search finds again, and servers that nobody answers at."""


class Device:
    """An MQTT client with its own name and whatever it likes to say."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.heard: list[tuple[str, bytes]] = []
        self._changed = asyncio.Event()

    async def listen(self) -> None:
        """Keep what comes."""
        async for message in self.client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            self.heard.append((str(message.topic), payload))
            self._changed.set()

    async def answer(self, topic: str, **fields: object) -> dict[str, Any]:
        """Wait for a message on a topic that has these fields."""
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while True:
                for found in self.said(topic):
                    if fields.items() <= found.items():
                        return found
                self._changed.clear()
                await self._changed.wait()

    def said(self, topic: str) -> Iterator[dict[str, Any]]:
        """Yield the objects that came on a topic."""
        for where, payload in self.heard:
            if where == topic:
                yield json.loads(payload or b"{}")


@contextlib.asynccontextmanager
async def connected(
    bar: RunningBar,
    username: str,
    password: str,
    *,
    client_id: str | None = None,
    will: aiomqtt.Will | None = None,
) -> AsyncIterator[Device]:
    """Connect; raises `aiomqtt.MqttError` when the broker refuses."""
    async with aiomqtt.Client(
        "127.0.0.1",
        urlsplit(bar.mqtt_url).port or 0,
        username=username,
        password=password,
        identifier=client_id or username,
        will=will,
        timeout=ANSWER_WITHIN_S,
    ) as client:
        device = Device(client)
        listening = asyncio.create_task(device.listen())
        try:
            yield device
        finally:
            await end(listening)


@contextlib.asynccontextmanager
async def at_tap(bar: RunningBar, seat: TapSeat) -> AsyncIterator[Device]:
    """Connect as the tap's own device."""
    async with connected(bar, f"tap-{seat.tap_id}", seat.secret) as device:
        await device.client.subscribe(f"bar/main/tap/{seat.tap_id}/#", qos=1)
        yield device


async def pours(device: Device, seat: TapSeat, visit_id: str, **fields: object) -> dict[str, Any]:
    """Pour a little and return the answer: the bar still works."""
    topic = f"bar/main/tap/{seat.tap_id}/pour"
    said = {
        "client_tx_id": str(new_id()),
        "short_id": "000001",
        "visit_id": visit_id,
        "volume_ml": 10,
        "duration_ms": 1000,
        "age_ms": 0,
    } | fields
    await device.client.publish(topic, json.dumps(said), qos=1)
    return await device.answer(f"{topic}/result", client_tx_id=said["client_tx_id"])


@dataclass(frozen=True, kw_only=True)
class Forger:
    """Makes tokens that say what they must not."""

    key: str

    @classmethod
    def of(cls, bar: RunningBar) -> "Forger":
        """Return one that even knows the bar's key."""
        return cls(key=credentials.load_or_make(DataDir(bar.data_dir)).token_key)

    def token(self, *, key: str | None = None, algorithm: str = "HS256", **claims: object) -> str:
        """Return a token; `claims` replace those of a good one, None takes one away."""
        good: dict[str, object] = {
            "iss": "pourline",
            "sub": "forger",
            "level": 5,
            "jti": str(new_id()),
            "exp": datetime.now(UTC) + timedelta(minutes=5),
        }
        said = {name: value for name, value in (good | claims).items() if value is not None}
        return jwt.encode(said, self.key if key is None else key, algorithm=algorithm)


async def raw_http(bar: RunningBar, text: bytes, *, wait_s: float = ANSWER_WITHIN_S) -> bytes:
    """Send bytes as they are and return what comes back until the other side closes."""
    parts = urlsplit(bar.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(text)
            await writer.drain()
        try:
            async with asyncio.timeout(wait_s):
                return await reader.read()
        except ConnectionError:
            return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
