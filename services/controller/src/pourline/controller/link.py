"""One MQTT connection that never gives up: paho on the asyncio loop.

The loop reads and writes paho's socket itself (no thread for each tap, so one process can be a
hundred of them); only the blocking connect runs in an executor. Every connection gets a new paho
client: paho would re-send what the old one had in flight, with an age that is no longer true. What
must not be lost is in the store, and is sent from there.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pourline.controller.domain import Backoff
from pourline.controller.trust import Trust

log = logging.getLogger(__name__)

KEEPALIVE_S = 6
"""A connection that has gone dumb is given up after two of these, the broker's will after 1.5."""
MISC_EVERY_S = 1.0
CONNECT_TIMEOUT_S = 5.0
INFLIGHT = 1024
"""QoS 1 messages that may wait for their PUBACK: nats-server's own window for one client."""
QUEUED = 10_000
"""Messages that may wait for the socket or their PUBACK; a choked link takes no more."""
RECONNECT = Backoff(first_s=0.2, cap_s=5.0)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker listens."""

    host: str
    port: int
    tls: bool = False
    trust: Trust = field(default_factory=Trust)

    @classmethod
    def parse(cls, url: str) -> "Broker":
        """Read `mqtt://host[:port]` or `mqtts://…`; the environment says whom TLS trusts.

        Raises ValueError for anything else.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError(f"not an MQTT address: {url}")
        tls = parts.scheme == "mqtts"
        port = parts.port or (8883 if tls else 1883)
        return cls(unquote(parts.hostname), port, tls, Trust.from_environment())


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when this client is gone without a word."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """Who connects: devices use one name as client id and as username."""

    client_id: str
    password: str = field(repr=False)
    subscriptions: tuple[str, ...] = ()
    username: str | None = None
    clean_session: bool = False


def _nothing() -> None:
    """Do nothing: the default of a hook that nobody needs."""


def _no_will() -> Will | None:
    return None


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the owner of a link wants to hear; called on the loop, must not block or raise."""

    message: Callable[[str, bytes], None]
    up: Callable[[], None] = _nothing
    down: Callable[[], None] = _nothing
    will: Callable[[], Will | None] = field(default=_no_will)


class Link:
    """A connection kept up for ever by `run`."""

    def __init__(
        self,
        broker: Broker,
        identity: Identity,
        *,
        hooks: Hooks,
        executor: Executor | None = None,
        queued: int = QUEUED,
    ) -> None:
        self._broker = broker
        self._identity = identity
        self._hooks = hooks
        self._executor = executor
        self._queued = queued
        self._waiting = 0
        self._client: Client | None = None
        self._closed = asyncio.Event()
        self._answered = asyncio.Event()
        self.connected = asyncio.Event()
        self.refusal = ""

    @property
    def is_up(self) -> bool:
        """Whether the broker has accepted us and the connection stands, as far as known."""
        return self.connected.is_set()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Hand a message to the connection; False when there is none, or when it is choked.

        Never waits, and never keeps more than `queued` messages: an end that stops reading must not
        fill this one's memory.

        True is no receipt: whoever must know waits for the backend's answer.
        """
        if self._client is None or not self.is_up or self._waiting >= self._queued:
            return False
        self._waiting += 1
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        if info.rc is MQTTErrorCode.MQTT_ERR_SUCCESS:
            return True
        self._waiting -= 1
        return False

    async def run(self) -> None:
        """Connect, subscribe, stay; again and again until cancelled, with growing pauses."""
        attempt = 0
        while True:
            attempt = 1 if await self._session() else attempt + 1
            pause_s = RECONNECT.delay_s(attempt, self._identity.client_id)
            log.info("link_down", extra={"refusal": self.refusal, "again_in_s": round(pause_s, 2)})
            await asyncio.sleep(pause_s)

    async def _session(self) -> bool:
        """Live through one connection; say whether it ever stood."""
        loop = asyncio.get_running_loop()
        client = self._new_client()
        self._closed.clear()
        self._answered.clear()
        self._waiting = 0
        connecting = loop.run_in_executor(
            self._executor, client.connect, self._broker.host, self._broker.port, KEEPALIVE_S
        )
        stood = False
        try:
            await asyncio.shield(connecting)
            self._attach(client, loop)
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._answered.wait()
            stood = self.is_up
            await self._stay(client)
        except (OSError, TimeoutError, ValueError) as error:
            self.refusal = str(error) or type(error).__name__
        finally:
            if not connecting.done():
                await asyncio.wait([connecting])
            self._leave(client, loop)
        return stood

    async def _stay(self, client: Client) -> None:
        """Keep the connection alive until it closes."""
        while not self._closed.is_set():
            client.loop_misc()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MISC_EVERY_S):
                    await self._closed.wait()

    def _attach(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        """Let the loop read and write the socket; the CONNECT has already been written."""
        sock = client.socket()
        if sock is None:
            raise ConnectionError("closed while connecting")

        def writable(_client: Client, _userdata: object, on: object) -> None:
            loop.add_writer(_descriptor(on), client.loop_write)

        def unwritable(_client: Client, _userdata: object, on: object) -> None:
            loop.remove_writer(_descriptor(on))

        def closing(_client: Client, _userdata: object, on: object) -> None:
            loop.remove_reader(_descriptor(on))
            loop.remove_writer(_descriptor(on))

        client.on_socket_register_write = writable
        client.on_socket_unregister_write = unwritable
        client.on_socket_close = closing
        self._client = client
        loop.add_reader(_descriptor(sock), _read_all, client)

    def _leave(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        """Say goodbye as far as the socket takes it; the owner hears `down` once.

        A clean disconnect silences the last will, so it is said here.
        """
        was_up = self.is_up
        self.connected.clear()
        self._client = None
        client.on_disconnect = client.on_publish = None
        if was_up and (will := self._hooks.will()):
            client.publish(will.topic, will.payload, qos=1, retain=True)
        client.disconnect()
        client.loop_write()
        if (sock := client.socket()) is not None:
            loop.remove_reader(_descriptor(sock))
            loop.remove_writer(_descriptor(sock))
            sock.close()
        if was_up:
            self._hooks.down()

    def _new_client(self) -> Client:
        identity = self._identity
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=identity.client_id,
            clean_session=identity.clean_session,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=False,
        )
        client.username_pw_set(identity.username or identity.client_id, identity.password)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(INFLIGHT)
        client.max_queued_messages_set(0)
        if self._broker.tls:
            client.tls_set_context(self._broker.trust.context())
        if will := self._hooks.will():
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        self._listen(client)
        self._count_sent(client)
        return client

    def _count_sent(self, client: Client) -> None:
        """Count a message out with its PUBACK, or once it is written where none comes."""

        def sent(
            _client: Client,
            _userdata: object,
            _mid: int,
            _reason: ReasonCode,
            _properties: Properties | None,
        ) -> None:
            self._waiting -= 1

        client.on_publish = sent

    def _listen(self, client: Client) -> None:
        """Set paho's callbacks; each says one thing to the session above."""

        def opened(_client: Client, _userdata: object, sock: object) -> None:
            if isinstance(sock, socket.socket):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def connected(
            _client: Client,
            _userdata: object,
            _flags: ConnectFlags,
            reason: ReasonCode,
            _properties: Properties | None,
        ) -> None:
            if reason.is_failure:
                self._refused(str(reason))
            elif self._identity.subscriptions:
                client.subscribe([(topic, 1) for topic in self._identity.subscriptions])
            else:
                self._stand()

        def subscribed(
            _client: Client,
            _userdata: object,
            _mid: int,
            reasons: Sequence[ReasonCode],
            _properties: Properties | None,
        ) -> None:
            if any(reason.is_failure for reason in reasons):
                log.error("subscription_refused", extra={"client_id": self._identity.client_id})
            self._stand()

        def disconnected(
            _client: Client,
            _userdata: object,
            _flags: DisconnectFlags,
            reason: ReasonCode,
            _properties: Properties | None,
        ) -> None:
            self._refused(str(reason))

        def received(_client: Client, _userdata: object, message: MQTTMessage) -> None:
            self._hooks.message(message.topic, bytes(message.payload))

        client.on_socket_open = opened
        client.on_connect = connected
        client.on_subscribe = subscribed
        client.on_disconnect = disconnected
        client.on_message = received

    def _stand(self) -> None:
        self.refusal = ""
        self.connected.set()
        self._answered.set()
        self._hooks.up()

    def _refused(self, why: str) -> None:
        self.refusal = why
        self._answered.set()
        self._closed.set()


def _descriptor(sock: object) -> int:
    """Return the file number that the loop watches."""
    if not isinstance(sock, socket.socket):
        raise TypeError(type(sock).__name__)
    return sock.fileno()


def _read_all(client: Client) -> None:
    """Read what has come; TLS may hold more than the socket shows."""
    client.loop_read()
    while isinstance(sock := client.socket(), ssl.SSLSocket) and sock.pending():
        client.loop_read()
