"""pos-adapter's NATS edge: which event goes to which handler."""

from collections.abc import Mapping

from pourline.contracts.base import Event
from pourline.contracts.money import GuestRefunded, GuestToppedUp, PourAccepted
from pourline.contracts.taps import ConfigChanged
from pourline.kit.nats import Handler
from pourline.pos_adapter import handlers


def routes() -> Mapping[type[Event], Handler]:
    """Return the handler of every event that pos-adapter reads."""
    return {
        PourAccepted: handlers.queue_pours,
        GuestToppedUp: handlers.queue_topups,
        GuestRefunded: handlers.queue_refunds,
        ConfigChanged: handlers.know_config,
    }
