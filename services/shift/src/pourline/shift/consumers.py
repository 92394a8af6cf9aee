"""shift's NATS edge: which event goes to which handler."""

from collections.abc import Mapping

from pourline.contracts.base import Event
from pourline.contracts.guests import AccessDenied
from pourline.contracts.money import GuestRefunded, GuestToppedUp, PourAccepted
from pourline.kit.nats import Handler
from pourline.shift import handlers


def routes() -> Mapping[type[Event], Handler]:
    """Return the handler of every event that shift reads."""
    return {
        PourAccepted: handlers.count_pours,
        GuestToppedUp: handlers.count_topups,
        GuestRefunded: handlers.count_refunds,
        AccessDenied: handlers.count_denials,
    }
