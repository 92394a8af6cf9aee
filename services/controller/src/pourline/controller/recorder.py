"""What a tap writes down: grants before the valve opens, pours before they are sent.

Between the machine's milliseconds and the stored instants; every commit runs in the executor, so
that an fsync never holds up a valve.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final, ParamSpec, TypeVar

from uuid_utils.compat import uuid7

from pourline.controller.clock import Clock, age_ms
from pourline.controller.domain import Flow, Grant, Pour, Rules, amount_of, volume_ml
from pourline.controller.store import Seen, Store

log = logging.getLogger(__name__)

RETRY_STORE_S: Final = 1.0
NO_FLOW: Final = Flow()

P = ParamSpec("P")
R = TypeVar("R")


class Recorder:
    """The durable side of one tap."""

    def __init__(self, store: Store, *, rules: Rules, clock: Clock, executor: Executor) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._executor = executor
        self.lifetime_pulses = 0

    async def restart(self) -> list[Pour]:
        """End every open grant with what its last stored flow said; return all unanswered pours.

        A pour that ended a grant this way is marked offline: its end came late, and nobody saw it.
        """
        self.lifetime_pulses = await self._blocking(self._store.lifetime_pulses)
        for left in await self._blocking(self._store.open_grants):
            log.warning("grant_left_open", extra={"grant_id": left.grant.grant_id})
            pour = replace(self._pour(left.grant, left.flow, left.seen), offline=True)
            await self._end(pour)
        return await self._blocking(self._store.pours)

    async def open_grant(self, grant: Grant) -> None:
        """Make a grant durable. Raises sqlite3.Error: then nothing may open."""
        await self._blocking(self._store.open_grant, grant, self._seen(self._clock.elapsed_ms()))

    async def note_flow(self, grant: Grant, flow: Flow) -> None:
        """Store what has run so far; a disk that refuses costs only the news."""
        seen = self._seen(self._clock.elapsed_ms())
        note = partial(self._store.note_flow, lifetime_pulses=self.lifetime_pulses)
        try:
            await self._blocking(note, grant.grant_id, flow, seen)
        except sqlite3.Error:
            log.exception("flow_not_stored", extra={"grant_id": grant.grant_id})

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
        end = partial(self._store.end_grant, lifetime_pulses=self.lifetime_pulses)
        return await self._blocking(end, pour)

    async def _blocking(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(call, *args, **kwargs))

    def _seen(self, elapsed_ms: int) -> Seen:
        """Turn an instant of the elapsed clock into one of the wall."""
        ago = timedelta(milliseconds=self._clock.elapsed_ms() - elapsed_ms)
        return Seen(self._clock.wall() - ago, self._clock.boot_id, elapsed_ms)

    def _pour(self, grant: Grant | None, flow: Flow, ended: Seen) -> Pour:
        """Make a pour of what ran; the short id comes with the commit."""
        volume = volume_ml(flow.pulses, self._rules.ml_per_pulse)
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
