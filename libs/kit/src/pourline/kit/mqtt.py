"""Retained publishes over MQTT: NATS cannot retain, so last words on a topic go out this way.

Publishes wait for the broker's PUBACK; after each new connection everything is told again, so
that a broker which lost its store knows it within seconds.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol
from urllib.parse import unquote, urlsplit

import aiomqtt

from pourline.kit.db import Database, UnitOfWork
from pourline.kit.errors import TROUBLE
from pourline.kit.pulse import beat

RECONNECT_WAIT_S = 0.5
TELL_POLL_S = 1.0
GATHER_S = 0.05
"""What changes several times in this time is told once."""
PUBACK_WAIT_S = 5.0
KEEPALIVE_S = 5

log = logging.getLogger(__name__)


class MqttLink:
    """A connection to the broker that comes back for ever."""

    def __init__(
        self,
        *,
        url: str,
        client_id: str,
        subscribe: tuple[str, ...] = (),
        on_message: Callable[[str, bytes], Awaitable[None]] | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 1883
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._client_id = client_id
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
            if self.on_connect:
                await self.on_connect()
            async for message in client.messages:
                if self._on_message and isinstance(message.payload, bytes):
                    await self._on_message(message.topic.value, message.payload)


@dataclass(frozen=True, kw_only=True)
class Retained:
    """A last word to be told: of which row, in which version."""

    key: str
    version: int
    topic: str
    payload: bytes


class RetainedStore(Protocol):
    """Rows with a version, and the version of each that was told."""

    async def untold(self, unit: UnitOfWork) -> list[Retained]:
        """Return a bounded number of rows whose newest version was not told."""
        ...

    async def mark_told(self, unit: UnitOfWork, told: Sequence[tuple[str, int]]) -> None:
        """Remember which version of each row was told."""
        ...

    async def tell_all_again(self, unit: UnitOfWork) -> None:
        """Forget what was told."""
        ...


class RetainedTeller:
    """Publishes the newest version of each row, retained, when woken and by the clock."""

    def __init__(self, *, database: Database, publisher: MqttLink, store: RetainedStore) -> None:
        self._database = database
        self._publisher = publisher
        self._store = store
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look now: something was committed."""
        self._wake.set()

    async def tell_all_again(self) -> None:
        """Tell everything anew, after a connect: the broker may be another one."""
        async with self._database.transaction() as unit:
            await self._store.tell_all_again(unit)
        self.wake()

    async def run(self) -> NoReturn:
        """Tell for ever; what cannot be told now is told later."""
        while True:
            beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TELL_POLL_S):
                    await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(GATHER_S)
            try:
                while await self._tell():
                    pass
            except TROUBLE as error:
                log.warning("telling_waits", extra={"error": repr(error)})

    async def _tell(self) -> bool:
        async with self._database.transaction() as unit:
            words = await self._store.untold(unit)
        for word in words:
            beat()
            await self._publisher.publish(word.topic, word.payload)
        if words:
            async with self._database.transaction() as unit:
                told = [(word.key, word.version) for word in words]
                await self._store.mark_told(unit, told)
        return bool(words)
