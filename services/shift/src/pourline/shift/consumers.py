"""shift's NATS edge: which event goes to which handler."""

from collections.abc import Mapping

from pourline.contracts.base import Event
from pourline.contracts.books import GuestCorrected
from pourline.contracts.evening import AlertOpened
from pourline.contracts.guests import AccessDenied
from pourline.contracts.money import GuestRefunded, GuestToppedUp, PourAccepted
from pourline.contracts.packages import SaleRecorded
from pourline.contracts.stock import StockCorrected
from pourline.contracts.taps import ConfigChanged
from pourline.kit.nats import Handler
from pourline.shift.handlers import figures


def routes() -> Mapping[type[Event], Handler]:
    """Return the handler of every event that shift reads."""
    return {
        PourAccepted: figures.count_pours,
        GuestToppedUp: figures.count_topups,
        GuestRefunded: figures.count_refunds,
        GuestCorrected: figures.count_corrections,
        AccessDenied: figures.count_denials,
        AlertOpened: figures.count_alerts,
        ConfigChanged: figures.know_config,
        SaleRecorded: figures.count_sales,
        StockCorrected: figures.count_discrepancies,
    }
