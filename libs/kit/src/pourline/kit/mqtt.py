"""Retained publishes over MQTT: NATS cannot retain, so states and alerts go out this way.

Publishes wait for the broker's PUBACK; after each new connection everything is told again, so
that a broker which lost its store knows it within seconds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol
from urllib.parse import unquote, urlsplit

import aiomqtt

RECONNECT_WAIT_S = 0.5
PUBACK_WAIT_S = 5.0
KEEPALIVE_S = 10

log = logging.getLogger(__name__)


class RetainedPublisher(Protocol):
    """Where retained messages go."""

    async def publish(self, topic: str, payload: bytes) -> None:
        """Store `payload` as the last word on `topic`; empty forgets it."""
        ...


class MqttLink:
    """A connection to the broker that comes back for ever."""

    def __init__(
        self,
        *,
        url: str,
        client_id: str,
        on_connect: Callable[[], Awaitable[None]],
        subscribe: tuple[str, ...] = (),
        on_message: Callable[[str, bytes], Awaitable[None]] | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 1883
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._client_id = client_id
        self._on_connect = on_connect
        self._subscribe = subscribe
        self._on_message = on_message
        self._client: aiomqtt.Client | None = None
        self.connected = False

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish retained at QoS 1; raises `ConnectionError` without a connection."""
        if self._client is None:
            raise ConnectionError("the MQTT broker is away")
        try:
            await self._client.publish(topic, payload, qos=1, retain=True, timeout=PUBACK_WAIT_S)
        except aiomqtt.MqttError as error:
            raise ConnectionError(str(error)) from error

    async def run(self) -> NoReturn:
        """Stay connected; tell everything again after each connect."""
        while True:
            try:
                await self._stay()
            except aiomqtt.MqttError as error:
                log.warning("mqtt_disconnected", extra={"error": str(error)})
            finally:
                self._client = None
                self.connected = False
            await asyncio.sleep(RECONNECT_WAIT_S)

    async def _stay(self) -> None:
        async with aiomqtt.Client(
            self._host,
            self._port,
            username=self._username,
            password=self._password,
            identifier=self._client_id,
            clean_session=True,
            keepalive=KEEPALIVE_S,
            timeout=PUBACK_WAIT_S,
            max_queued_incoming_messages=10_000,
        ) as client:
            for topic in self._subscribe:
                await client.subscribe(topic, qos=1)
            self._client = client
            self.connected = True
            await self._on_connect()
            async for message in client.messages:
                if self._on_message and isinstance(message.payload, bytes):
                    await self._on_message(message.topic.value, message.payload)
