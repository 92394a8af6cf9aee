"""Spout vendors: each turns its own payload into the contract's spout event.

A vendor is one file in this package: it says its `NAME`, as devices give it, and has a function
`normal(fields)`. The files are found by being here. A vendor without a file may have a map in the
configuration, which `generic` reads; one with neither speaks the contract's payload.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from types import ModuleType

from pourline.contracts.spouts import MAP_PREFIX, SpoutMap
from pourline.keg_fifo.domain import SANDBOX
from pourline.keg_fifo.handlers.vendors import generic
from pourline.keg_fifo.handlers.vendors.reading import Fields, Reading
from pourline.keg_fifo.store import configuration
from pourline.kit.clock import Clock
from pourline.kit.db import Database

__all__ = ["Fields", "Normal", "Reading", "Vendors", "by_name"]

Normal = Callable[[Fields], Reading]
"""Reads a vendor's fields as a normal spout event; raises `UnreadablePour`."""

MAPS_STAND_FOR = timedelta(seconds=2)
"""A changed map is in effect within this; it is looked up no more often than that."""


def by_name() -> dict[str, Normal]:
    """Return every vendor that has a file here."""
    modules = (_module(found.name) for found in pkgutil.iter_modules(__path__))
    return {one.NAME.upper(): one.normal for one in modules if hasattr(one, "NAME")}


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


class Vendors:
    """Reads payloads as their device's vendor writes them.

    `default` names the vendor whose way is taken for one that is not known.
    """

    def __init__(self, *, database: Database, clock: Clock, default: str = SANDBOX) -> None:
        self._database = database
        self._clock = clock
        self._default = default
        self._files = by_name()
        self._maps: Mapping[str, Normal] = {}
        self._looked_at: datetime | None = None

    async def read(self, vendor: str | None, fields: Fields) -> Reading:
        """Return a payload as a normal event; raises `UnreadablePour`."""
        await self._look()
        ways = (self._way(name) for name in (vendor, self._default, SANDBOX) if name)
        return next(way for way in ways if way)(fields)

    def _way(self, vendor: str) -> Normal | None:
        return self._files.get(vendor.upper()) or self._maps.get(vendor.upper())

    async def _look(self) -> None:
        now = self._clock.now()
        if self._looked_at and now - self._looked_at < MAPS_STAND_FOR:
            return
        async with self._database.transaction() as unit:
            rows = await configuration.list_under(unit, MAP_PREFIX)
        self._maps = {
            key.removeprefix(MAP_PREFIX).upper(): partial(
                generic.normal, where=SpoutMap.model_validate(value)
            )
            for key, value in rows.items()
            if value is not None
        }
        self._looked_at = now
