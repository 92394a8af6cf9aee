"""A connection over MQTT: NATS cannot retain, so last words on a topic go out this way."""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import NoReturn
from urllib.parse import unquote, urlsplit

import aiomqtt

from pourline.kit.errors import TROUBLE
from pourline.kit.trust import SYSTEMS, Trust

RECONNECT_WAIT_S = 0.5
PUBACK_WAIT_S = 5.0
KEEPALIVE_S = 5

log = logging.getLogger(__name__)


class MqttLink:
    """A connection to the broker that comes back for ever.

    `url` may be several brokers of one cluster, with commas between them: when one is lost the
    next is tried. The client id is `client_id` and something of this process, so that two
    instances never push each other off.
    """

    def __init__(
        self,
        *,
        url: str,
        client_id: str,
        subscribe: tuple[str, ...] = (),
        on_message: Callable[[str, bytes], Awaitable[None]] | None = None,
        trust: Trust = SYSTEMS,
    ) -> None:
        self._brokers = itertools.cycle(urlsplit(one.strip()) for one in url.split(","))
        self._trust = trust
        self._client_id = f"{client_id}-{secrets.token_hex(4)}"
        self.on_connect: Callable[[], Awaitable[None]] | None = None
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
            except (aiomqtt.MqttError, *TROUBLE) as error:
                log.warning("mqtt_disconnected", extra={"error": str(error)})
            finally:
                self._client = None
                self.connected = False
            await asyncio.sleep(RECONNECT_WAIT_S)

    async def _stay(self) -> None:
        broker = next(self._brokers)
        is_tls = broker.scheme == "mqtts"
        async with aiomqtt.Client(
            broker.hostname or "127.0.0.1",
            broker.port or (8883 if is_tls else 1883),
            username=unquote(broker.username) if broker.username else None,
            password=unquote(broker.password) if broker.password else None,
            tls_context=self._trust.context() if is_tls else None,
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
            if self.on_connect:
                await self.on_connect()
            async for message in client.messages:
                if self._on_message and isinstance(message.payload, bytes):
                    await self._on_message(message.topic.value, message.payload)
