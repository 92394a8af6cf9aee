"""Use cases: what devices say is stored on the bus; what they must hear is told on their broker."""

from pourline.mqtt_bridge.handlers.down import Downward, Tells
from pourline.mqtt_bridge.handlers.received import Acknowledges, Received
from pourline.mqtt_bridge.handlers.sieve import Sieve
from pourline.mqtt_bridge.handlers.up_fleeting import Fleeting
from pourline.mqtt_bridge.handlers.up_stored import Stored

__all__ = ["Acknowledges", "Downward", "Fleeting", "Received", "Sieve", "Stored", "Tells"]
