"""alerts' NATS edge: which event goes to which handler."""

from collections.abc import Mapping

from pourline.alerts.handlers import config, devices, kegs, pours, stock
from pourline.contracts.base import Event
from pourline.contracts.books import GuestCorrected, PourDecided
from pourline.contracts.cellar import KegConnected, KegDisconnected, KegLevelChanged
from pourline.contracts.evening import PosEventFailed, PosFailing, PosRecovered
from pourline.contracts.guests import LockStale, LostCardUsed, PourMissed
from pourline.contracts.money import GuestToppedUp, PourAccepted, PourHeld, PourMismatched
from pourline.contracts.packages import PackageChanged
from pourline.contracts.spouts import PourAnomaly, SpoutHealthChanged, SpoutPourMissed
from pourline.contracts.stock import StockChanged, StockMoved
from pourline.contracts.taps import ConfigChanged, FoamReported, TapStateChanged
from pourline.kit.nats import Handler


def routes() -> Mapping[type[Event], Handler]:
    """Return the handler of every event that alerts reads."""
    return {
        KegLevelChanged: kegs.on_keg_levels,
        KegConnected: kegs.on_kegs_connected,
        KegDisconnected: kegs.on_kegs_disconnected,
        StockChanged: stock.on_stock_changed,
        StockMoved: stock.on_stock_moved,
        PackageChanged: stock.on_packages_changed,
        PourAccepted: pours.on_pours_accepted,
        PourHeld: pours.on_pours_held,
        PourMismatched: pours.on_pours_mismatched,
        PourDecided: pours.on_pours_decided,
        GuestCorrected: pours.on_corrections,
        GuestToppedUp: pours.on_topups,
        LostCardUsed: devices.on_lost_cards,
        PourMissed: devices.on_missed_pours,
        LockStale: devices.on_stale_locks,
        TapStateChanged: devices.on_tap_states,
        FoamReported: devices.on_foam,
        SpoutHealthChanged: devices.on_spout_health,
        SpoutPourMissed: devices.on_missed_spout_pours,
        PourAnomaly: devices.on_anomalies,
        PosFailing: devices.on_pos_failing,
        PosRecovered: devices.on_pos_recovered,
        PosEventFailed: devices.on_pos_failed,
        ConfigChanged: config.on_config,
    }
