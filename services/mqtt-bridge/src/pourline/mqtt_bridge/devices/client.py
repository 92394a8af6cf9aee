"""A paho client as the bridge needs it: acknowledging by hand, persistent, subscribed anew.

Every connection gets a client of its own: paho would send again what the old one had in flight,
and an acknowledgement for the old connection has nowhere to go.
"""

import socket
from collections.abc import Sequence

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from pourline.contracts import subjects
from pourline.mqtt_bridge.devices.address import Address
from pourline.mqtt_bridge.domain import topic_filter

KEEPALIVE_S = 10
CONNECT_WITHIN_S = 3.0
SESSION_EXPIRES_S = 60
"""A pour waits no longer in the foreign broker, so that its age stays true within this; the device
keeps it until it is answered, and says it again."""

WINDOW = 500
"""Unacknowledged messages that the broker may have under way to us (MQTT 5)."""

INFLIGHT_MAX = 20
"""Ours under way to the broker: no more than any common broker takes by default, because paho does
not change this once the broker has named its own."""

QUEUED_MAX = 20_000
"""Ours behind those: every state and alert of a large bar, told at once after a connect."""

ANSWER_EXPIRES_S = 60
"""An answer that its device did not fetch by then is asked for again (MQTT 5)."""

NEVER_KEPT = (subjects.AUTHORIZE, subjects.FLOW)
"""At QoS 0, which no broker keeps for a client that is away."""

ECHOED = (subjects.TAP_STATE, subjects.ALERT)
"""What the broker retains of what we told it, at QoS 0."""

DO_NOT_SEND_RETAINED = 2


def new_client(address: Address) -> Client:
    """Return a client that was not connected yet. Raises `OSError` for an unreadable CA file."""
    is_5 = address.version is MQTTProtocolVersion.MQTTv5
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=address.client_id,
        clean_session=None if is_5 else False,
        protocol=address.version,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    if address.username:
        client.username_pw_set(address.username, address.password)
    client.connect_timeout = CONNECT_WITHIN_S
    client.max_inflight_messages_set(INFLIGHT_MAX)
    client.max_queued_messages_set(QUEUED_MAX)
    if address.tls:
        client.tls_set_context(address.trust.context())
    client.on_socket_open = _send_at_once
    return client


def connect(client: Client, address: Address) -> None:
    """Connect and write the CONNECT; blocks. Raises what the network raises."""
    if address.version is MQTTProtocolVersion.MQTTv5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's own gap
        properties.SessionExpiryInterval = SESSION_EXPIRES_S
        properties.ReceiveMaximum = WINDOW
        client.connect(
            address.host, address.port, KEEPALIVE_S, clean_start=False, properties=properties
        )
    else:
        client.connect(address.host, address.port, KEEPALIVE_S)


def subscribe(client: Client) -> None:
    """Subscribe to everything; after each connect, in case the broker lost the session."""
    client.subscribe(
        _filters(subjects.FROM_DEVICES, is_5=client.protocol is MQTTProtocolVersion.MQTTv5)
    )


def answer_properties(address: Address) -> Properties | None:
    """Return what lets an answer expire in the broker, where the protocol can say so."""
    if address.version is not MQTTProtocolVersion.MQTTv5:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # as above
    properties.MessageExpiryInterval = ANSWER_EXPIRES_S
    return properties


def _filters(
    heard: Sequence[str], *, is_5: bool
) -> list[tuple[str, SubscribeOptions]] | list[tuple[str, int]]:
    wanted = [(one, 0 if one in NEVER_KEPT else 1) for one in heard]
    wanted += [(one, 0) for one in ECHOED]
    if not is_5:
        return [(topic_filter(one), qos) for one, qos in wanted]
    return [
        (
            topic_filter(one),
            SubscribeOptions(qos, retainHandling=DO_NOT_SEND_RETAINED if one in NEVER_KEPT else 0),
        )
        for one, qos in wanted
    ]


def _send_at_once(_client: Client, _userdata: object, sock: object) -> None:
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
