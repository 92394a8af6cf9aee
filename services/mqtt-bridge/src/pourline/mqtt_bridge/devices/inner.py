"""The inner broker: the bus's own MQTT listener, where retained messages are given again.

Answers come from NATS and arrive at QoS 0; what is lost in a reconnect is asked for again.
"""

from pourline.contracts import subjects
from pourline.kit.trust import SYSTEMS, Trust
from pourline.mqtt_bridge.domain import topic_filter
from pourline.mqtt_bridge.handlers import Downward
from pourline.upkeep.mqtt import MqttLink

CLIENT_ID = "service-mqtt-bridge"


def inner_link(url: str, down: Downward, trust: Trust = SYSTEMS) -> MqttLink:
    """Return the connection that hears for `down` what devices must hear."""
    found = MqttLink(
        url=url,
        client_id=CLIENT_ID,
        subscribe=tuple(topic_filter(one) for one in subjects.TO_DEVICES),
        on_message=down.inner_said,
        trust=trust,
    )
    found.on_connect = down.inner_connected
    return found
