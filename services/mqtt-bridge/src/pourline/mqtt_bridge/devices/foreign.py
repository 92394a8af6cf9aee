"""The connection to the foreign broker: up for ever, acknowledged by hand, never blocked.

The event loop reads and writes paho's socket; only the connect runs in a thread. A connection that
stood still (the process was stopped, the machine slept) is left and made anew: what waits in its
socket is of unknown age. Unread, it is gone at QoS 0 and given again at QoS 1.
"""

import asyncio
import contextlib
import logging
import random
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pourline.kit.pulse import beat
from pourline.mqtt_bridge.devices.address import Address
from pourline.mqtt_bridge.devices.client import (
    CONNECT_WITHIN_S,
    answer_properties,
    connect,
    new_client,
    subscribe,
)
from pourline.mqtt_bridge.domain import pause_s
from pourline.mqtt_bridge.handlers import Received

TURN_S = 0.25
STOOD_STILL_S = 1.5
"""A loop that did not turn for so long cannot say how old what it reads now is."""

STEADY_AFTER_S = 10.0
"""A connection that stood this long begins anew with the first pause."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Whom the connection tells; called on the loop, must neither block nor raise."""

    received: Callable[[Received], None]
    connected: Callable[[bool], None]
    lost: Callable[[], None]


class ForeignBroker:
    """One connection at a time; each has a number, the epoch, that its messages carry."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._answer_properties = answer_properties(address)
        self._hooks: Hooks | None = None
        self._client: Client | None = None
        self._closed = asyncio.Event()
        self._epoch = 0
        self._turned_s = 0.0
        self.is_up = False
        self.refusal = "not connected yet"

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish at QoS 1; False when there is no connection or its queue is full."""
        if self._client is None or not self.is_up:
            return False
        properties = None if retain else self._answer_properties
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        return info.rc is MQTTErrorCode.MQTT_ERR_SUCCESS

    def acknowledge(self, messages: Sequence[Received]) -> None:
        """Confirm messages in this order; those of an earlier connection are passed over.

        Their number may stand for another message by now: confirming that one would lose it.
        """
        for message in messages:
            if self._client is None or message.epoch != self._epoch or not self.is_up:
                return
            self._client.ack(message.mid, message.qos)

    def give_again(self) -> None:
        """Connect anew: the broker then gives again what was not acknowledged."""
        self._close("messages were left out")

    async def check(self) -> None:
        """Raise `ConnectionError` unless the broker has accepted us."""
        if not self.is_up:
            raise ConnectionError(self.refusal)

    async def run(self, hooks: Hooks) -> None:
        """Connect, stay, and connect again, until cancelled."""
        self._hooks = hooks
        attempt = 0
        while True:
            beat()
            began_s = time.monotonic()
            await self._live()
            attempt = 1 if time.monotonic() - began_s > STEADY_AFTER_S else attempt + 1
            wait_s = pause_s(attempt, jitter=random.random())  # noqa: S311 - spreads clients, no secret
            log.warning(
                "foreign_broker_away",
                extra={"error": self.refusal, "again_in_s": round(wait_s, 2), "epoch": self._epoch},
            )
            await asyncio.sleep(wait_s)

    async def _live(self) -> None:
        """Live through one connection, from its connect to its end."""
        loop = asyncio.get_running_loop()
        self._closed.clear()
        try:
            client = new_client(self._address)
        except OSError as error:  # the CA file, perhaps mounted a moment later
            self.refusal = str(error)
            return
        self._listen(client)
        connecting = loop.run_in_executor(None, connect, client, self._address)
        try:
            await asyncio.shield(connecting)
            self._attach(client, loop)
            await self._stay(client)
        except (OSError, ValueError) as error:
            self.refusal = str(error) or type(error).__name__
        finally:
            if not connecting.done():
                await asyncio.wait([connecting])
            self._leave(client, loop)

    async def _stay(self, client: Client) -> None:
        """Keep the connection alive until it ends."""
        accepted_by_s = time.monotonic() + CONNECT_WITHIN_S
        while not self._closed.is_set():
            beat()
            if not self.is_up and time.monotonic() > accepted_by_s:
                return self._close("no answer to the connect")
            if self._turns():
                client.loop_misc()
            with contextlib.suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it may swallow the cancellation that ends us.
                async with asyncio.timeout(TURN_S):
                    await self._closed.wait()
        return None

    def _turns(self) -> bool:
        """Note that the loop turns; close a connection over which it stood still."""
        now_s = time.monotonic()
        still_s, self._turned_s = now_s - self._turned_s, now_s
        if still_s > STOOD_STILL_S:
            self._close(f"stood still for {still_s:.1f} s")
        return not self._closed.is_set()

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
        self._turned_s = time.monotonic()
        loop.add_reader(_descriptor(sock), self._read, client)

    def _read(self, client: Client) -> None:
        """Read what has come, unless its age is unknown; TLS may hold more than is seen."""
        if not self._turns():
            return
        client.loop_read()
        while isinstance(sock := client.socket(), ssl.SSLSocket) and sock.pending():
            client.loop_read()

    def _leave(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        """Close the connection; the broker keeps the session, subscriptions and all."""
        was_up, self.is_up = self.is_up, False
        self._client = None
        client.on_disconnect = None
        client.disconnect()
        client.loop_write()
        if (sock := client.socket()) is not None:
            loop.remove_reader(_descriptor(sock))
            loop.remove_writer(_descriptor(sock))
            sock.close()
        if was_up and self._hooks:
            self._hooks.lost()

    def _listen(self, client: Client) -> None:
        """Set paho's callbacks; each says one thing and returns."""

        def connected(
            _client: Client,
            _userdata: object,
            flags: ConnectFlags,
            reason: ReasonCode,
            _properties: Properties | None,
        ) -> None:
            if reason.is_failure:
                self._close(str(reason))
                return
            self._stand(session_present=flags.session_present)
            subscribe(client)

        def subscribed(
            _client: Client,
            _userdata: object,
            _mid: int,
            reasons: Sequence[ReasonCode],
            _properties: Properties | None,
        ) -> None:
            refused = [str(reason) for reason in reasons if reason.is_failure]
            if refused:
                log.error("subscription_refused", extra={"reasons": refused})
                self._close("a subscription was refused")

        def disconnected(
            _client: Client,
            _userdata: object,
            _flags: DisconnectFlags,
            reason: ReasonCode,
            _properties: Properties | None,
        ) -> None:
            self._close(str(reason))

        client.on_connect = connected
        client.on_subscribe = subscribed
        client.on_disconnect = disconnected
        client.on_message = self._received

    def _stand(self, *, session_present: bool) -> None:
        self._epoch += 1
        self.is_up = True
        self.refusal = ""
        log.info(
            "foreign_broker_connected",
            extra={"epoch": self._epoch, "session_present": session_present},
        )
        if self._hooks:
            self._hooks.connected(session_present)

    def _received(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        if self._hooks:
            self._hooks.received(
                Received(
                    topic=_topic_of(message),
                    payload=bytes(message.payload),
                    qos=message.qos,
                    retained=message.retain,
                    mid=message.mid,
                    epoch=self._epoch,
                    at_s=time.monotonic(),
                )
            )

    def _close(self, why: str) -> None:
        if not self._closed.is_set():
            self.refusal = why
            self._closed.set()


def _topic_of(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return "\N{REPLACEMENT CHARACTER}"


def _descriptor(sock: object) -> int:
    """Return the file number that the loop watches."""
    if not isinstance(sock, socket.socket):
        raise TypeError(type(sock).__name__)
    return sock.fileno()
