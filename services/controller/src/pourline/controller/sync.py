"""Sending stored pours until each has a status: a window, backoff with jitter, one commit a batch.

A PUBACK means nothing here; only `pour/result` does. Sending starts again from the oldest when the
link comes back, and when a backend that was silent answers again.
"""

import asyncio
import contextlib
import heapq
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from pourline.controller.domain import Backoff, Pour
from pourline.controller.settings import SYNC_TIMEOUT_S

log = logging.getLogger(__name__)

WINDOW: Final = 64
"""Pours under way at once: enough to keep the ledger busy, and no queue before other taps'."""
FLIGHT_S: Final = 2.0
"""After this a sent pour no longer fills the window, answered or not."""
GRACE_S: Final = 1.0
"""An answer within this is the normal way; later, or with no link, a pour counts as pending."""
RETRY_STORE_S: Final = 1.0


@dataclass(slots=True)
class _Waiting:
    pour: Pour
    since_s: float
    attempts: int = 0
    due_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SyncHooks:
    """How the sync reaches the outside; none may block, and `forget` may take its time.

    `send` says False when there is no link; `overdue` hears which pours staff may now enter by
    hand, whenever they change.
    """

    send: Callable[[Pour], bool]
    forget: Callable[[Iterable[str]], Awaitable[None]]
    changed: Callable[[], None]
    overdue: Callable[[tuple[Pour, ...]], None]


class Sync:
    """The queue of unanswered pours of one tap."""

    def __init__(
        self,
        *,
        hooks: SyncHooks,
        now_s: Callable[[], float],
        backoff: Backoff,
        overdue_s: float | None,
    ) -> None:
        self._hooks = hooks
        self._now_s = now_s
        self._backoff = backoff
        self._has_own_timeout = overdue_s is not None
        self._overdue_s = overdue_s or SYNC_TIMEOUT_S[0]
        self._waiting: dict[str, _Waiting] = {}
        self._order: list[tuple[float, int, str]] = []
        self._serial = 0
        self._flying: dict[str, float] = {}
        self._resends = 0
        self._stalled_until_s = 0.0
        self._answered: list[str] = []
        self._overdue: tuple[Pour, ...] = ()
        self._wake = asyncio.Event()
        self._forgettable = asyncio.Event()

    def overdue_after(self, seconds: float | None) -> None:
        """Show pours after so long without an answer, as the bar says; its own goes before."""
        if seconds is not None and not self._has_own_timeout:
            self._overdue_s = seconds

    def add(self, pour: Pour, *, age_s: float = 0.0) -> None:
        """Take a stored pour, this old already; it is sent at once if the window allows."""
        self._waiting[pour.client_tx_id] = _Waiting(pour, self._now_s() - age_s)
        self._schedule(pour.client_tx_id, 0.0)
        self._wake.set()

    def answered(self, client_tx_id: str) -> bool:
        """Take a status, whichever; say whether it was for a pour that waits here."""
        if self._waiting.pop(client_tx_id, None) is None:
            return False
        self._flying.pop(client_tx_id, None)
        self._answered.append(client_tx_id)
        self._forgettable.set()
        if self._resends:
            self.revive()
        self._wake.set()
        return True

    def revive(self) -> None:
        """Forget the pauses: the link, or the backend, is there again."""
        self._resends = 0
        self._order.clear()
        for client_tx_id, waiting in self._waiting.items():
            waiting.attempts = 0
            if client_tx_id not in self._flying:
                self._schedule(client_tx_id, 0.0)
            else:
                self._schedule(client_tx_id, waiting.due_s)
        self._wake.set()

    def reconnected(self) -> None:
        """Send everything again: what flew when the link broke may never have arrived."""
        self._flying.clear()
        self._stalled_until_s = 0.0
        self.revive()

    @property
    def unanswered(self) -> int:
        """How many stored pours have no status."""
        return len(self._waiting)

    @property
    def pending(self) -> int:
        """How many of them have waited longer than an answer normally takes."""
        limit_s = self._now_s() - GRACE_S
        waits = self._waiting.values()
        return sum(wait.pour.offline or wait.since_s <= limit_s for wait in waits)

    async def run(self) -> None:
        """Send, send again, forget what is answered; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_sending())
            tasks.create_task(self._keep_forgetting())

    async def _keep_sending(self) -> None:
        while True:
            self._wake.clear()
            self._send_due()
            self._tell_overdue()
            self._hooks.changed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._wake.wait()

    async def _keep_forgetting(self) -> None:
        """Drop the answered pours from the store, many in one commit; sending does not wait."""
        while True:
            await self._forgettable.wait()
            self._forgettable.clear()
            batch, self._answered = self._answered, []
            try:
                await self._hooks.forget(batch)
            except sqlite3.Error:
                log.exception("forget_failed", extra={"pours": len(batch)})
                self._answered += batch
                self._forgettable.set()
                await asyncio.sleep(RETRY_STORE_S)

    def _send_due(self) -> None:
        now_s = self._now_s()
        self._flying = {key: end_s for key, end_s in self._flying.items() if end_s > now_s}
        if now_s < self._stalled_until_s:
            return
        while self._order and self._order[0][0] <= now_s and len(self._flying) < WINDOW:
            _, _, client_tx_id = heapq.heappop(self._order)
            waiting = self._waiting.get(client_tx_id)
            if waiting is not None and not self._send(waiting, now_s):
                break

    def _send(self, waiting: _Waiting, now_s: float) -> bool:
        """Send one pour and plan its next attempt; without a link, wait for the reconnect."""
        key = waiting.pour.client_tx_id
        if not self._hooks.send(waiting.pour):
            self._stalled_until_s = now_s + FLIGHT_S
            self._schedule(key, now_s)
            return False
        waiting.attempts += 1
        self._resends += waiting.attempts > 1
        self._flying[key] = now_s + FLIGHT_S
        self._schedule(key, now_s + self._backoff.delay_s(waiting.attempts, key))
        return True

    def _schedule(self, client_tx_id: str, due_s: float) -> None:
        self._serial += 1
        if waiting := self._waiting.get(client_tx_id):
            waiting.due_s = due_s
        heapq.heappush(self._order, (due_s, self._serial, client_tx_id))

    def _tell_overdue(self) -> None:
        """Say which pours staff may enter by hand, when that has changed (SY-4)."""
        limit_s = self._now_s() - self._overdue_s
        overdue = tuple(wait.pour for wait in self._waiting.values() if wait.since_s <= limit_s)
        if overdue != self._overdue:
            self._overdue = overdue
            self._hooks.overdue(overdue)

    def _pause_s(self) -> float:
        """Return how long nothing needs doing: at most a grace, while pours wait."""
        if not self._waiting:
            return 60.0
        now_s = self._now_s()
        if self._order and len(self._flying) < WINDOW:
            next_s = max(self._order[0][0], self._stalled_until_s)
        else:
            next_s = min(self._flying.values(), default=now_s + GRACE_S)
        return min(GRACE_S, max(0.0, next_s - now_s))
