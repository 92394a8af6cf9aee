"""Spouts' own words over MQTT: what they poured, and how they are."""

from pourline.keg_fifo.devices.health import HealthEdge
from pourline.keg_fifo.devices.pours import PourEdge

__all__ = ["HealthEdge", "PourEdge"]
