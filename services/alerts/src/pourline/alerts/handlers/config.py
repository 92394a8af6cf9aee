"""Copies of configuration values."""

from collections.abc import Sequence

from pourline.alerts.store import known
from pourline.contracts.base import Envelope
from pourline.contracts.taps import ConfigChanged
from pourline.kit.db import UnitOfWork


async def on_config(events: Sequence[Envelope[ConfigChanged]], unit: UnitOfWork) -> None:
    """Know configuration values; the newest wins, whatever comes last."""
    for event in events:
        await known.save_config(
            unit, key=event.data.key, value=event.data.value, version=event.version
        )
