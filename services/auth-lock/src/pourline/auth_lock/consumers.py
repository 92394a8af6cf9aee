"""auth-lock's NATS edge: which event goes to which handler."""

from collections.abc import Mapping

from pourline.auth_lock.handlers import fences, locks, others, stock, taps
from pourline.contracts import record
from pourline.contracts.base import Event
from pourline.contracts.books import GuestCorrected, PourDecided, PourReconciled
from pourline.contracts.cellar import (
    BeverageCreated,
    KegConnected,
    KegDisconnected,
    KegLevelChanged,
)
from pourline.contracts.money import PourAccepted, PourHeld, PourMismatched, PriceChanged
from pourline.contracts.shifts import ShiftClosed
from pourline.contracts.stock import ItemChanged, StockCorrected, StockShort
from pourline.kit.nats import Handler


def handlers() -> Mapping[type[Event], Handler]:
    """Return the handler of every event that auth-lock reads."""
    return {
        PourAccepted: locks.know_accepted_pours,
        PourHeld: locks.open_locks_of_pours,
        PourMismatched: locks.know_late_pours,
        PourReconciled: locks.know_late_pours,
        PourDecided: locks.record_decisions,
        GuestCorrected: locks.record_corrections,
        PriceChanged: taps.know_prices,
        BeverageCreated: taps.know_beverages,
        KegConnected: taps.know_connected_kegs,
        KegDisconnected: taps.know_disconnected_kegs,
        KegLevelChanged: taps.know_keg_levels,
        ShiftClosed: fences.lift_of_closed_shifts,
        StockCorrected: stock.record_corrections,
        StockShort: stock.record_shortfalls,
        ItemChanged: stock.record_items,
        **dict.fromkeys(record.EVENTS, others.put_on_record),
    }
