"""The sending loop: claim what is due, hand it over, record what became of it."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import NoReturn
from uuid import UUID

from pourline.kit.clock import Clock
from pourline.kit.db import Database, Row, UnitOfWork
from pourline.kit.errors import TROUBLE
from pourline.kit.pulse import beat
from pourline.pos_adapter.domain import notifications as domain
from pourline.pos_adapter.domain.notifications import MANUAL, Kind, Notification
from pourline.pos_adapter.errors import PosAway, PosRefused
from pourline.pos_adapter.handlers import queue as handlers
from pourline.pos_adapter.handlers.config import configured_adapter
from pourline.pos_adapter.jobs.adapters import Adapter
from pourline.pos_adapter.store import queue as store

BATCH = 100
"""Handed over between two commits; small enough to be done within its claim."""
BATCH_AT_ONCE = 1000
POLL_S = 1.0
HAND_OVER_WAIT_S = 10.0
"""A whole batch has this long; what was not handed over by then is tried again."""
GUESTS_AT_ONCE = 8
"""A point of sale that answers slowly is asked by so many at a time."""
NO_SUCH_ADAPTER = "There is no such adapter here; a webhook needs its URL."
TOO_LATE = "The point of sale did not answer in time."

log = logging.getLogger(__name__)


class Outcome(Enum):
    """What became of a notification that was in hand."""

    SENT = "sent"
    REFUSED = "refused"
    AWAY = "away"
    NOT_TRIED = "not_tried"


Outcomes = dict[UUID, tuple[Outcome, str | None]]


class Sender:
    """Hands queued notifications to the configured adapter; several instances share the work.

    Those of one guest go one after the other in order; while the point of sale is away nothing
    is tried but one round now and then, and nothing is counted against a notification.
    """

    def __init__(
        self, *, database: Database, adapters: Mapping[str, Adapter], clock: Clock
    ) -> None:
        self._database = database
        self._adapters = adapters
        self._clock = clock
        self._wake = asyncio.Event()
        self._unknown: str | None = None
        self._rounds_away = 0
        self._paused_until: datetime | None = None

    def wake(self) -> None:
        """Look now: something was queued."""
        self._wake.set()

    async def run(self) -> NoReturn:
        """Send for ever; a database that is away is waited for."""
        while True:
            beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                while await self.send():
                    beat()
            except TROUBLE as error:
                log.warning("sending_waits", extra={"error": repr(error)})

    async def send(self) -> bool:
        """Hand over one batch; return whether there may be more."""
        if self._paused_until and self._clock.now() < self._paused_until:
            return False
        async with self._database.transaction() as unit:
            name = await configured_adapter(unit)
            if name == MANUAL:
                return False
            adapter = self._adapters.get(name)
            now = unit.clock.now()
            if adapter is None:
                waiting = await store.has_due(unit, now)
                self._say_unknown(name, waiting=waiting)
                if waiting:
                    await handlers.record_away(unit, adapter=name, error=NO_SUCH_ADAPTER)
                return False
            self._unknown = None
            await store.only_one_claims(unit)
            if adapter.is_at_once:
                return await _send_at_once(unit, name, adapter)
            rows = await store.due_in_order(unit, at=now, limit=BATCH)
            ids = [row["id"] for row in rows]
            until = now + handlers.CLAIM_LASTS
            rows = await store.claim(unit, ids, adapter=name, until=until) if ids else []
        return bool(rows) and await self._hand_over(name, adapter, rows)

    async def _hand_over(self, name: str, adapter: Adapter, rows: Sequence[Row]) -> bool:
        outcomes: Outcomes = {row["id"]: (Outcome.NOT_TRIED, None) for row in rows}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HAND_OVER_WAIT_S):
                await _tell_all(adapter, rows, outcomes)
        found = list(outcomes.values())
        away = next((error for outcome, error in found if outcome is Outcome.AWAY), None)
        sent = [one for one, (outcome, _) in outcomes.items() if outcome is Outcome.SENT]
        if away is None and not sent and all(one is Outcome.NOT_TRIED for one, _ in found):
            away = TOO_LATE
        self._rounds_away = self._rounds_away + 1 if away and not sent else 0
        pause = domain.pause_after(self._rounds_away)
        async with self._database.transaction() as unit:
            now = unit.clock.now()
            if sent:
                await handlers.record_sent(unit, sent, adapter=name)
            for row in rows:
                outcome, error = outcomes[row["id"]]
                if outcome is Outcome.REFUSED:
                    await handlers.record_refused(unit, row, error or "")
            left = [
                one
                for one, (outcome, _) in outcomes.items()
                if outcome in (Outcome.AWAY, Outcome.NOT_TRIED)
            ]
            await store.put_back(unit, left, error=away, next_attempt_at=now)
            if away and not sent:
                await handlers.record_away(unit, adapter=name, error=away)
            else:
                await handlers.record_answering(unit, adapter=name)
        self._paused_until = self._clock.now() + pause if away else None
        return away is None and len(rows) == BATCH

    def _say_unknown(self, name: str, *, waiting: bool) -> None:
        """Say once that notifications wait for an adapter that does not exist."""
        if waiting and name != self._unknown:
            self._unknown = name
            log.error("pos_adapter_unknown", extra={"adapter": name})


async def _send_at_once(unit: UnitOfWork, name: str, adapter: Adapter) -> bool:
    rows = await store.oldest_due(unit, at=unit.clock.now(), limit=BATCH_AT_ONCE)
    for row in rows:
        await adapter.notify(_notification(row), event_id=str(row["id"]))
    if rows:
        await handlers.record_sent(unit, [row["id"] for row in rows], adapter=name)
        await handlers.record_answering(unit, adapter=name)
    return len(rows) == BATCH_AT_ONCE


async def _tell_all(adapter: Adapter, rows: Sequence[Row], outcomes: Outcomes) -> None:
    """Tell each guest's notifications in order, several guests at a time."""
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(row["guest"] or str(row["id"]), []).append(row)
    waiting = iter(list(lines.values()))

    async def work() -> None:
        for line in waiting:
            if any(outcome is Outcome.AWAY for outcome, _ in outcomes.values()):
                return
            await _tell_line(adapter, line, outcomes)

    async with asyncio.TaskGroup() as group:
        for _ in range(GUESTS_AT_ONCE):
            group.create_task(work())


async def _tell_line(adapter: Adapter, line: Sequence[Row], outcomes: Outcomes) -> None:
    for row in line:
        try:
            await adapter.notify(_notification(row), event_id=str(row["id"]))
        except PosAway as error:
            outcomes[row["id"]] = Outcome.AWAY, error.detail
            return
        except PosRefused as error:
            outcomes[row["id"]] = Outcome.REFUSED, error.detail
            return
        outcomes[row["id"]] = Outcome.SENT, None


def _notification(row: Row) -> Notification:
    return Notification(
        kind=Kind(row["kind"]),
        reference=row["reference"],
        payload=row["payload"],
        guest=row["guest"],
    )
