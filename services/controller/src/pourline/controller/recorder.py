"""What a tap writes down: grants before the valve opens, pours before they are sent.

Between the machine's milliseconds and the stored instants; every commit runs in the executor, so
that an fsync never holds up a valve. What only has to be fresh, the flow of a pour under way, waits
in one place where the newest wins: however slow the disk, a pour waits behind one commit at most.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final, ParamSpec, TypeVar

from uuid_utils.compat import uuid7

from pourline.controller.clock import Clock, age_ms
from pourline.controller.domain import Flow, Grant, Pour, Rules, amount_of, poured_ml, volume_ml
from pourline.controller.store import Seen, Store

log = logging.getLogger(__name__)

RETRY_STORE_S: Final = 1.0
NO_FLOW: Final = Flow()

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Note:
    grant: Grant | None
    flow: Flow
    seen: Seen
    lifetime_pulses: int


class Recorder:
    """The durable side of one tap.

    `lifetime_pulses` counts; `stored_pulses` is what of it the disk has, which a power cut leaves.
    """

    def __init__(self, store: Store, *, rules: Rules, clock: Clock, executor: Executor) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._executor = executor
        self._newest: _Note | None = None
        self._wanted = asyncio.Event()
        self.lifetime_pulses = 0
        self.stored_pulses = 0

    async def restart(self) -> list[Pour]:
        """End every open grant with what its last stored flow said; return all unanswered pours.

        A pour that ended a grant this way is marked offline: its end came late, and nobody saw it.
        """
        stored = await self._blocking(self._store.lifetime_pulses)
        self.lifetime_pulses += stored
        self.stored_pulses = stored
        for left in await self._blocking(self._store.open_grants):
            log.warning("grant_left_open", extra={"grant_id": left.grant.grant_id})
            pour = replace(self._pour(left.grant, left.flow, left.seen), offline=True)
            await self._end(pour)
        return await self._blocking(self._store.pours)

    async def open_grant(self, grant: Grant) -> None:
        """Make a grant durable. Raises sqlite3.Error: then nothing may open."""
        await self._blocking(self._store.open_grant, grant, self._seen(self._clock.elapsed_ms()))

    def note(self, grant: Grant | None, flow: Flow) -> None:
        """Want this on the disk soon, for a restart in the middle of a pour; never waits."""
        seen = self._seen(self._clock.elapsed_ms())
        self._newest = _Note(grant, flow, seen, self.lifetime_pulses)
        self._wanted.set()

    async def keep_notes(self) -> None:
        """Store the newest note, one at a time, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self.store_note()

    async def store_note(self) -> None:
        """Store the newest note now, if any; a disk that refuses costs only the news."""
        note, self._newest = self._newest, None
        if note is None:
            return
        try:
            await self._blocking(self._write, note)
            self.stored_pulses = max(self.stored_pulses, note.lifetime_pulses)
        except sqlite3.Error:
            log.exception("flow_not_stored", extra={"pulses": note.flow.pulses})

    def _write(self, note: _Note) -> None:
        if note.grant is None:
            self._store.note_lifetime(note.lifetime_pulses)
            return
        self._store.note_flow(
            note.grant.grant_id, note.flow, note.seen, lifetime_pulses=note.lifetime_pulses
        )

    async def end(self, grant: Grant | None, flow: Flow, ended_ms: int, *, offline: bool) -> Pour:
        """Store the pour that ends a grant (a leak has none), however long the disk refuses."""
        pour = replace(self._pour(grant, flow, self._seen(ended_ms)), offline=offline)
        while True:
            try:
                return await self._end(pour)
            except sqlite3.Error:
                log.exception("pour_not_stored", extra={"client_tx_id": pour.client_tx_id})
                await asyncio.sleep(RETRY_STORE_S)

    async def forget(self, client_tx_ids: Iterable[str]) -> None:
        """Drop answered pours. Raises sqlite3.Error."""
        await self._blocking(self._store.forget, client_tx_ids)

    def age_s(self, pour: Pour) -> float:
        """Return how long ago a pour ended."""
        return (
            age_ms(
                self._clock,
                boot_id=pour.ended_boot,
                elapsed_ms=pour.ended_elapsed_ms,
                wall=pour.ended_at,
            )
            / 1000
        )

    async def _end(self, pour: Pour) -> Pour:
        self._newest = None  # the pour says more
        lifetime = self.lifetime_pulses
        stored = await self._blocking(
            partial(self._store.end_grant, lifetime_pulses=lifetime), pour
        )
        self.stored_pulses = max(self.stored_pulses, lifetime)
        return stored

    async def _blocking(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(call, *args, **kwargs))

    def _seen(self, elapsed_ms: int) -> Seen:
        """Turn an instant of the elapsed clock into one of the wall."""
        ago = timedelta(milliseconds=self._clock.elapsed_ms() - elapsed_ms)
        return Seen(self._clock.wall() - ago, self._clock.boot_id, elapsed_ms)

    def _pour(self, grant: Grant | None, flow: Flow, ended: Seen) -> Pour:
        """Make a pour of what ran, a leak in full; the short id comes with the commit."""
        if grant is None:
            volume = volume_ml(flow.pulses, self._rules.ml_per_pulse)
        else:
            volume = poured_ml(flow.pulses, self._rules)
        pour = Pour(
            client_tx_id=str(uuid7()),
            short_id="",
            volume_ml=volume,
            pulses=flow.pulses,
            started_at=ended.at - timedelta(milliseconds=flow.run_ms),
            ended_at=ended.at,
            duration_ms=flow.run_ms,
            ended_boot=ended.boot_id,
            ended_elapsed_ms=ended.elapsed_ms,
        )
        return pour if grant is None else _granted(pour, grant)


def _granted(pour: Pour, grant: Grant) -> Pour:
    """Say whose pour it is; the amount is local knowledge, the ledger charges."""
    price = grant.price_per_litre
    return replace(
        pour,
        grant_id=grant.grant_id,
        request_id=grant.request_id,
        visit_id=grant.visit_id,
        card_uid=grant.card_uid or None,
        price_per_litre=price,
        amount=None if price is None else amount_of(pour.volume_ml, price),
    )
