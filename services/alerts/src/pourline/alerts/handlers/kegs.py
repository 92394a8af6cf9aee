"""What kegs tell."""

from collections.abc import Sequence

from pourline.alerts.domain.kegs import KEG_LOW_RATIO, KegLevel, keg_findings, keg_is_off
from pourline.alerts.domain.kinds import MAIN
from pourline.alerts.handlers.opening import apply, no_old_news
from pourline.alerts.store import known
from pourline.contracts.base import Envelope
from pourline.contracts.cellar import KegConnected, KegDisconnected, KegLevelChanged
from pourline.kit.db import UnitOfWork


async def on_keg_levels(events: Sequence[Envelope[KegLevelChanged]], unit: UnitOfWork) -> None:
    """Look at the newest level of each keg."""
    levels = [_level(event.data) for event in await no_old_news(unit, events)]
    await _look(unit, levels)


async def on_kegs_connected(events: Sequence[Envelope[KegConnected]], unit: UnitOfWork) -> None:
    """Look at a keg as it is connected."""
    levels = [_level(event.data) for event in await no_old_news(unit, events)]
    await _look(unit, levels)


async def on_kegs_disconnected(
    events: Sequence[Envelope[KegDisconnected]], unit: UnitOfWork
) -> None:
    """End the alerts of kegs that are off."""
    await apply(unit, [keg_is_off(event.data.keg_id) for event in await no_old_news(unit, events)])


async def _look(unit: UnitOfWork, levels: Sequence[KegLevel]) -> None:
    ratio = await known.ratio(unit, "keg_low_ratio", KEG_LOW_RATIO)
    await apply(unit, [keg_findings(level, low_ratio=ratio) for level in levels])


def _level(told: KegLevelChanged | KegConnected) -> KegLevel:
    return KegLevel(
        keg_id=told.keg_id,
        beverage=told.beverage_name,
        tap_id=told.tap_id,
        location=getattr(told, "location", MAIN),
        volume_ml=told.volume_ml,
        remaining_ml=told.remaining_ml,
    )
