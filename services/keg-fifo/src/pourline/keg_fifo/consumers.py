"""keg-fifo's NATS edge: which event goes to which handler."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from uuid import UUID

from pourline.contracts.base import Event
from pourline.contracts.books import PourDecided, PourReconciled
from pourline.contracts.losses import TapCleaned
from pourline.contracts.money import PourAccepted, PourHeld, PourMismatched, PriceChanged
from pourline.contracts.packages import PackageChanged, SaleRecorded
from pourline.contracts.taps import ConfigChanged, SpoutChanged, TapRegistered
from pourline.keg_fifo.handlers import kegs, losses, movements, sold, spouts, takings
from pourline.kit.nats import Handler


def handlers(*, forget: Callable[[Iterable[UUID]], None]) -> Mapping[type[Event], Handler]:
    """Return the handler of every event that keg-fifo reads; `forget` drops spouts' keys."""
    return {
        TapRegistered: kegs.know_taps,
        SpoutChanged: partial(spouts.know_spouts, forget=forget),
        ConfigChanged: movements.know_config,
        PriceChanged: kegs.know_prices,
        PourAccepted: takings.take_pours,
        PourHeld: takings.take_pours,
        PourMismatched: takings.take_pours,
        PourReconciled: takings.take_pours,
        PourDecided: takings.take_pours,
        TapCleaned: losses.know_cleanings,
        PackageChanged: sold.know_packages,
        SaleRecorded: sold.know_sales,
    }
