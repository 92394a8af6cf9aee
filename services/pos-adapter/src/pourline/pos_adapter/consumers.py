"""pos-adapter's NATS edge: which event goes to which handler."""

from collections.abc import Mapping

from pourline.contracts.base import Event
from pourline.contracts.books import GuestCorrected
from pourline.contracts.cellar import ItemCreated
from pourline.contracts.money import GuestRefunded, GuestToppedUp, PourAccepted
from pourline.contracts.stock import ItemChanged, StockMoved
from pourline.contracts.taps import ConfigChanged
from pourline.kit.nats import Handler
from pourline.pos_adapter.handlers import config, packages, queue


def routes() -> Mapping[type[Event], Handler]:
    """Return the handler of every event that pos-adapter reads."""
    return {
        PourAccepted: queue.queue_pours,
        GuestToppedUp: queue.queue_topups,
        GuestRefunded: queue.queue_refunds,
        GuestCorrected: queue.queue_corrections,
        ConfigChanged: config.know_config,
        ItemCreated: packages.know_items,
        ItemChanged: packages.know_items,
        StockMoved: packages.know_stock,
    }
