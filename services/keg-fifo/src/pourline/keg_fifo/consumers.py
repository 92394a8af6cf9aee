"""keg-fifo's NATS edge: which event goes to which handler."""

from collections.abc import Mapping

from pourline.contracts.base import Event
from pourline.contracts.money import PourAccepted, PourHeld, PriceChanged
from pourline.contracts.taps import TapRegistered
from pourline.keg_fifo.handlers import kegs
from pourline.kit.nats import Handler


def handlers() -> Mapping[type[Event], Handler]:
    """Return the handler of every event that keg-fifo reads."""
    return {
        TapRegistered: kegs.know_taps,
        PriceChanged: kegs.know_prices,
        PourAccepted: kegs.take_pours,
        PourHeld: kegs.take_pours,
    }
