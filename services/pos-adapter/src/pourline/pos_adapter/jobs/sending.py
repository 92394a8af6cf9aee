"""The sending loop: claim what is due, hand it over, record what became of it."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import NoReturn
from uuid import UUID

from pourline.kit.db import Database, Row
from pourline.kit.errors import TROUBLE
from pourline.pos_adapter import handlers, store
from pourline.pos_adapter.domain import MANUAL, Kind, Notification
from pourline.pos_adapter.errors import PosAway
from pourline.pos_adapter.jobs.adapters import Adapter

BATCH = 100
"""Handed over between two commits; small enough to be done within its claim."""
POLL_S = 1.0
HAND_OVER_WAIT_S = 10.0
"""A whole batch has this long; what was not handed over by then is tried again."""
TOO_LATE = "The point of sale did not answer in time."

log = logging.getLogger(__name__)


class Sender:
    """Hands queued notifications to the configured adapter; several instances share the work."""

    def __init__(self, *, database: Database, adapters: Mapping[str, Adapter]) -> None:
        self._database = database
        self._adapters = adapters
        self._wake = asyncio.Event()
        self._unknown: str | None = None

    def wake(self) -> None:
        """Look now: something was queued."""
        self._wake.set()

    async def run(self) -> NoReturn:
        """Send for ever; a database that is away is waited for."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                while await self.send():
                    pass
            except TROUBLE as error:
                log.warning("sending_waits", extra={"error": repr(error)})

    async def send(self) -> bool:
        """Hand over one batch; return whether there may be more."""
        async with self._database.transaction() as unit:
            name = await handlers.configured_adapter(unit)
            if name == MANUAL:
                return False
            adapter = self._adapters.get(name)
            if adapter is None:
                self._say_unknown(name, waiting=await store.has_due(unit, unit.clock.now()))
                return False
            now = unit.clock.now()
            rows = await store.claim(
                unit, adapter=name, at=now, until=now + handlers.CLAIM_LASTS, limit=BATCH
            )
        self._unknown = None
        if rows:
            await self._hand_over(adapter, rows)
        return len(rows) == BATCH

    async def _hand_over(self, adapter: Adapter, rows: Sequence[Row]) -> None:
        errors: dict[UUID, str | None] = {row["id"]: TOO_LATE for row in rows}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HAND_OVER_WAIT_S):
                for row in rows:
                    errors[row["id"]] = await _notify(adapter, row)
        async with self._database.transaction() as unit:
            await handlers.record_sent(unit, [one for one, error in errors.items() if not error])
            for row in rows:
                if error := errors[row["id"]]:
                    await handlers.record_failure(unit, row, error)

    def _say_unknown(self, name: str, *, waiting: bool) -> None:
        """Say once that notifications wait for an adapter that does not exist."""
        if waiting and name != self._unknown:
            self._unknown = name
            log.error("pos_adapter_unknown", extra={"adapter": name})


async def _notify(adapter: Adapter, row: Row) -> str | None:
    """Tell the point of sale; return what went wrong, if anything did."""
    notification = Notification(
        kind=Kind(row["kind"]), reference=row["reference"], payload=row["payload"]
    )
    try:
        await adapter.notify(notification)
    except PosAway as error:
        return error.detail
    return None
