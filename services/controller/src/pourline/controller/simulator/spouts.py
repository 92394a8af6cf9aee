"""A simulated liquor spout: counts pulses, signs them, sends them until they have a status."""

import asyncio
import hashlib
import hmac
import logging
from datetime import UTC, datetime
from typing import Final

from uuid_utils.compat import uuid7

from pourline.controller import payloads
from pourline.controller.clock import SystemClock
from pourline.controller.link import Broker, Hooks, Identity, Link, Will

log = logging.getLogger(__name__)

AGAIN_AFTER_S: Final = 5.0
KEPT: Final = 1_000
"""Unanswered pours that a spout holds; a real one has little memory, and drops the oldest."""


class Spout:
    """One spout of the built-in location, in memory only: the demo's bottles are not for sale."""

    def __init__(self, broker: Broker, *, device_id: str, secret: str) -> None:
        self._secret = secret
        self._device_id = device_id
        self._clock = SystemClock()
        self._lifetime_pulses = 0
        self._waiting: dict[str, tuple[dict[str, object], int]] = {}
        identity = Identity(
            client_id=f"spout-{device_id}",
            password=secret,
            subscriptions=(self._topic("pour/result"),),
        )
        hooks = Hooks(message=self._received, up=self._up, will=self._will)
        self.link = Link(broker, identity, hooks=hooks)

    async def run(self) -> None:
        """Stay connected and send what is unanswered again, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run())
            tasks.create_task(self._repeat())

    def pour(self, pulses: int) -> str:
        """Pour so many pulses; return the event's id."""
        event_id = str(uuid7())
        occurred_at = payloads.instant(datetime.now(UTC))
        self._lifetime_pulses += pulses
        signed = f"v1:{self._device_id}:{event_id}:0:{pulses}:{occurred_at}"
        signature = hmac.new(self._secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        event: dict[str, object] = {
            "event_id": event_id,
            "channel": 0,
            "pulses": pulses,
            "occurred_at": occurred_at,
            "signature": signature,
        }
        self._waiting[event_id] = (event, self._clock.elapsed_ms())
        while len(self._waiting) > KEPT:
            del self._waiting[next(iter(self._waiting))]
        self._send(event_id)
        return event_id

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_AFTER_S)
            for event_id in list(self._waiting):
                self._send(event_id)

    def _send(self, event_id: str) -> None:
        event, poured_ms = self._waiting[event_id]
        body = event | {"age_ms": self._clock.elapsed_ms() - poured_ms}
        self.link.publish(self._topic("pour"), payloads.write(body))

    def _up(self) -> None:
        self.link.publish(self._topic("health"), self._health(online=True), retain=True)

    def _will(self) -> Will:
        return Will(self._topic("health"), self._health(online=False))

    def _health(self, *, online: bool) -> bytes:
        fields: dict[str, object] = {
            "online": online,
            "battery_pct": 87,
            "rssi_dbm": -58,
            "lifetime_pulses": self._lifetime_pulses,
            "at": payloads.instant(datetime.now(UTC)),
        }
        return payloads.write(fields)

    def _topic(self, name: str) -> str:
        return f"bar/main/spout/{self._device_id}/{name}"

    def _received(self, topic: str, payload: bytes) -> None:
        try:
            result = payloads.read(payload)
        except payloads.Unreadable as error:
            log.warning("message_unreadable", extra={"topic": topic, "why": str(error)})
            return
        self._waiting.pop(str(result.get("event_id")), None)
