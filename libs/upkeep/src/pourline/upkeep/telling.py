"""Last words on retained topics: the newest version of each row, told until the broker has it.

Publishes wait for the broker's PUBACK; after each new connection everything is told again, so
that a broker which lost its store knows it within seconds.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from pourline.kit.db import Database, UnitOfWork
from pourline.kit.errors import TROUBLE
from pourline.kit.leading import Connection, Lead, still_leads
from pourline.kit.pulse import beat
from pourline.upkeep.mqtt import RECONNECT_WAIT_S, MqttLink

TELL_POLL_S = 0.25
"""What another instance committed is told this late at most."""
GATHER_S = 0.05
"""What changes several times in this time is told once."""
LOCK_KEY = 0x0B0C
"""Advisory lock of the leading teller; each service has a database of its own."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Retained:
    """A last word to be told: of which row, in which version."""

    key: str
    version: int
    topic: str
    payload: bytes


class RetainedStore(Protocol):
    """Rows with a version, and the version of each that was told."""

    async def untold(self, unit: UnitOfWork) -> list[Retained]:
        """Return a bounded number of rows whose newest version was not told."""

    async def mark_told(self, unit: UnitOfWork, told: Sequence[tuple[str, int]]) -> None:
        """Remember which version of each row was told."""

    async def tell_all_again(self, unit: UnitOfWork) -> None:
        """Forget what was told."""


class RetainedTeller:
    """Publishes the newest version of each row, retained, when woken and by the clock.

    One instance leads: of two that told at once the older word could come last, and stay.
    """

    def __init__(self, *, database: Database, publisher: MqttLink, store: RetainedStore) -> None:
        self._database = database
        self._lead = Lead(url=database.url, key=LOCK_KEY)
        self._publisher = publisher
        self._store = store
        self._wake = asyncio.Event()
        self._is_unsure = False

    def wake(self) -> None:
        """Look now: something was committed."""
        self._wake.set()

    async def tell_all_again(self) -> None:
        """Tell everything anew, after a connect: the broker may be another one."""
        async with self._database.transaction() as unit:
            await self._store.tell_all_again(unit)
        self.wake()

    async def run(self) -> NoReturn:
        """Lead whenever nobody else does, and tell for ever; what cannot be told is told later."""
        while True:
            beat()
            try:
                if self._is_unsure:
                    await self.tell_all_again()
                    self._is_unsure = False
                async with self._lead.taken() as connection:
                    await self._tell_for_ever(connection)
            except TROUBLE as error:
                log.warning("telling_waits", extra={"error": repr(error)})
                await asyncio.sleep(RECONNECT_WAIT_S)

    async def _tell_for_ever(self, connection: Connection) -> NoReturn:
        while True:
            beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TELL_POLL_S):
                    await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(GATHER_S)
            await still_leads(connection)
            while await self._tell(connection):
                pass

    async def _tell(self, connection: Connection) -> bool:
        """Tell what is untold.

        Who stood still with a word in hand may have told it after somebody else's newer one, which
        counts as told: unless the lead was held throughout, all must be told again.
        """
        async with self._database.transaction() as unit:
            words = await self._store.untold(unit)
        self._is_unsure = bool(words)
        try:
            await self._publish(words)
        finally:
            await still_leads(connection)
            self._is_unsure = False
        if words:
            async with self._database.transaction() as unit:
                told = [(word.key, word.version) for word in words]
                await self._store.mark_told(unit, told)
        return bool(words)

    async def _publish(self, words: Sequence[Retained]) -> None:
        for word in words:
            beat()
            await self._publisher.publish(word.topic, word.payload)
