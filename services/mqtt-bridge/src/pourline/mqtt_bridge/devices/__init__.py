"""The two MQTT sides: the foreign broker, and the inner one on the bus."""

from pourline.mqtt_bridge.devices.address import Address
from pourline.mqtt_bridge.devices.foreign import ForeignBroker, Hooks
from pourline.mqtt_bridge.devices.inner import inner_link

__all__ = ["Address", "ForeignBroker", "Hooks", "inner_link"]
