"""alerts' NATS edge: which event goes to which handler."""

from collections.abc import Mapping

from pourline.alerts import handlers
from pourline.contracts.base import Event
from pourline.contracts.books import GuestCorrected, PourDecided
from pourline.contracts.cellar import (
    KegConnected,
    KegDisconnected,
    KegLevelChanged,
)
from pourline.contracts.guests import LockStale, LostCardUsed, PourMissed
from pourline.contracts.money import GuestToppedUp, PourAccepted, PourHeld, PourMismatched
from pourline.contracts.stock import StockChanged
from pourline.contracts.taps import ConfigChanged, TapStateChanged
from pourline.kit.nats import Handler


def routes() -> Mapping[type[Event], Handler]:
    """Return the handler of every event that alerts reads."""
    return {
        KegLevelChanged: handlers.on_keg_levels,
        KegConnected: handlers.on_kegs_connected,
        KegDisconnected: handlers.on_kegs_disconnected,
        StockChanged: handlers.on_stock_changed,
        PourAccepted: handlers.on_pours_accepted,
        PourHeld: handlers.on_pours_held,
        PourMismatched: handlers.on_pours_mismatched,
        PourDecided: handlers.on_pours_decided,
        GuestCorrected: handlers.on_corrections,
        GuestToppedUp: handlers.on_topups,
        LostCardUsed: handlers.on_lost_cards,
        PourMissed: handlers.on_missed_pours,
        LockStale: handlers.on_stale_locks,
        ConfigChanged: handlers.on_config,
        TapStateChanged: handlers.on_tap_states,
    }
