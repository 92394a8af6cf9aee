"""auth-lock's MQTT edge: who may connect, cards, and taps' status."""

from pourline.auth_lock.devices.callout import AuthCallout
from pourline.auth_lock.devices.taps import AuthorizeEdge, StatusEdge

__all__ = ["AuthCallout", "AuthorizeEdge", "StatusEdge"]
