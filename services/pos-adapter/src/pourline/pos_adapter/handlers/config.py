"""Knowing configuration values."""

from collections.abc import Sequence

from pourline.contracts.base import Envelope
from pourline.contracts.taps import ConfigChanged
from pourline.kit.db import UnitOfWork
from pourline.pos_adapter.domain.notifications import ADAPTER_DEFAULT
from pourline.pos_adapter.store import config
from pourline.pos_adapter.store.packages import TRACKING, mark_all_changed

ADAPTER = "pos_adapter"


async def know_config(events: Sequence[Envelope[ConfigChanged]], unit: UnitOfWork) -> None:
    """Know configuration values; the switch for all items changes what packages can be sold."""
    for event in events:
        told = event.data
        is_news = await config.save(unit, key=told.key, value=told.value, version=event.version)
        if is_news and told.key == TRACKING:
            await mark_all_changed(unit)


async def configured_adapter(unit: UnitOfWork) -> str:
    """Return the name of the adapter that is to be used."""
    return str(await config.find(unit, ADAPTER, default=ADAPTER_DEFAULT))
