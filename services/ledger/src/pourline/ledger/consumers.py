"""The ledger's NATS edge: which event goes to which handler."""

from collections.abc import Mapping

from pourline.contracts.base import Event
from pourline.contracts.cellar import BeverageCreated, ItemCreated, KegConnected, KegDisconnected
from pourline.contracts.guests import LockReleased, VisitCardBound, VisitClosed, VisitOpened
from pourline.contracts.stock import ItemChanged, StockMoved
from pourline.contracts.taps import ConfigChanged, TapRegistered
from pourline.kit.nats import Handler
from pourline.ledger.handlers import copies, inventory


def handlers() -> Mapping[type[Event], Handler]:
    """Return the handler of every event that the ledger reads."""
    return {
        VisitOpened: copies.know_visits,
        VisitCardBound: copies.know_cards,
        VisitClosed: copies.know_closed_visits,
        LockReleased: copies.free_money_of_opened_locks,
        TapRegistered: copies.know_taps,
        ConfigChanged: inventory.know_config,
        BeverageCreated: copies.know_beverages,
        KegConnected: copies.know_connected_kegs,
        KegDisconnected: copies.know_disconnected_kegs,
        ItemCreated: inventory.know_items,
        ItemChanged: inventory.know_items,
        StockMoved: inventory.book_movements,
    }
