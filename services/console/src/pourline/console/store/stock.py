"""Every item's stock as the ledger last told it, and the latest changes for those who watch.

One copy for all watchers: each holds no more than the number of the change that it saw last, so
that a slow one costs nobody anything. Who has fallen behind what is kept begins anew.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

import orjson
from pydantic import ValidationError

from pourline.contracts.base import Envelope, Listing
from pourline.contracts.stock import InventoryRow, ListInventory, StockChanged
from pourline.kit.errors import TROUBLE, Refusal, Retryable
from pourline.kit.ids import new_id
from pourline.kit.nats import Caller

CHANGES_MAX = 2000
"""Some minutes of a busy bar: who was away for less is told what it missed."""
ITEMS_MAX = 10_000
"""More items than any bar keeps; a ledger gone wild must not fill the memory."""
PAGE = 100
"""Rows in one message of the bus: 350 bytes each."""
LOAD_EVERY_S = 30.0
LOAD_RETRY_S = 2.0
LOOK_S = 0.25
LOADED_WITHIN_S = 3.0
"""Past this whoever wants to watch is told that the ledger is away."""

UPDATED, TOGGLED, BREACH = "stock-updated", "tracking-toggled", "threshold-breach"

log = logging.getLogger(__name__)


class Change(NamedTuple):
    """One server-sent event, ready to be written, and its number."""

    number: int
    text: bytes


class StockFeed:
    """The snapshot in memory, its latest changes, and the means to wait for the next one."""

    def __init__(
        self, *, changes_max: int = CHANGES_MAX, loaded_within_s: float = LOADED_WITHIN_S
    ) -> None:
        self._loaded_within_s = loaded_within_s
        self._name = new_id().hex
        self._rows: dict[str, InventoryRow] = {}
        self._changes: deque[Change] = deque(maxlen=changes_max)
        self._snapshot: Change | None = None
        self._changed = asyncio.Event()
        self._loaded = asyncio.Event()
        self.newest = 0
        self.is_closed = False
        self.times_made: Callable[[], int] = lambda: 0

    def hear(self, envelope: Envelope[Any]) -> None:
        """Take in the ledger's word on an item."""
        event: StockChanged = envelope.data
        self.take(event.row)

    def take(self, row: InventoryRow) -> None:
        """Keep an item's row unless a newer one is kept, and tell of what is different."""
        before = self._rows.get(row.item_id)
        if before and before.version >= row.version:
            return
        if before is None and len(self._rows) >= ITEMS_MAX:
            log.warning("stock_not_shown", extra={"item_id": row.item_id})
            return
        self._rows[row.item_id] = row
        self._snapshot = None
        if self._loaded.is_set():
            for kind in kinds_of(before, row):
                self._tell(kind, row)

    def _tell(self, kind: str, row: InventoryRow) -> None:
        self.newest += 1
        data = {"type": kind} | row.model_dump(mode="json")
        self._changes.append(Change(self.newest, self._written(kind, data, self.newest)))
        self._wake()

    def _written(self, kind: str, data: dict[str, Any], number: int) -> bytes:
        head = f"id: {self._name}-{number}\nevent: {kind}\ndata: "
        return head.encode() + orjson.dumps(data) + b"\n\n"

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def place_of(self, last_event_id: str | None) -> int | None:
        """Return the number that an event's id names, if what came after it is still kept."""
        name, _, number = (last_event_id or "").rpartition("-")
        if name != self._name or not (number.isascii() and number.isdecimal()):
            return None
        place = int(number[:18])
        return place if self.keeps(place) else None

    def keeps(self, place: int) -> bool:
        """Return whether every change after number `place` is still kept."""
        oldest = self._changes[0].number if self._changes else self.newest + 1
        return oldest - 1 <= place <= self.newest

    def after(self, place: int) -> Iterator[bytes]:
        """Yield the changes after number `place`, oldest first."""
        skipped = place - (self._changes[0].number - 1) if self._changes else 0
        return (self._changes[at].text for at in range(skipped, len(self._changes)))

    def snapshot(self) -> Change:
        """Return every item's stock as an event, and the number of the last change in it."""
        if self._snapshot is None:
            rows = sorted(self._rows.values(), key=lambda row: row.item_id)
            items = [row.model_dump(mode="json") for row in rows]
            data = {"type": "snapshot", "items": items}
            self._snapshot = Change(self.newest, self._written("snapshot", data, self.newest))
        return self._snapshot

    async def wait(self, place: int, within_s: float) -> None:
        """Wait until there is anything after number `place`, but no longer than `within_s`."""
        changed = self._changed
        if self.newest == place and not self.is_closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await changed.wait()

    async def ensure(self) -> None:
        """Wait for the first snapshot; raises `Retryable` while the ledger is away."""
        try:
            async with asyncio.timeout(self._loaded_within_s):
                await self._loaded.wait()
        except TimeoutError as error:
            raise Retryable("ledger is not answering.", part="ledger") from error

    async def load(self, caller: Caller) -> None:
        """Take in every row of the ledger's; what was missed meanwhile is told as changes."""
        cursor = None
        while True:
            page = await caller.ask(ListInventory(limit=PAGE, cursor=cursor), Listing[InventoryRow])
            for row in page.items:
                self.take(row)
            cursor = page.next
            if cursor is None:
                break
        self._loaded.set()

    async def keep_fresh(self, caller: Caller) -> NoReturn:
        """Load at once, by the clock, after a reconnect and again soon after a failure."""
        while True:
            made = self.times_made()
            try:
                await self.load(caller)
                wait_s = LOAD_EVERY_S
            except (Refusal, ValidationError, *TROUBLE) as error:
                log.warning("stock_not_loaded", extra={"error": repr(error)})
                wait_s = LOAD_RETRY_S
            await self._until_due(wait_s, made)

    async def _until_due(self, wait_s: float, made: int) -> None:
        due = asyncio.get_running_loop().time() + wait_s
        while asyncio.get_running_loop().time() < due:
            await asyncio.sleep(LOOK_S)
            if self.times_made() != made:
                return

    def close(self) -> None:
        """Let every watcher end."""
        self.is_closed = True
        self._wake()


def kinds_of(before: InventoryRow | None, row: InventoryRow) -> list[str]:
    """Return which events a row's change is."""
    if before is None:
        return [UPDATED, BREACH] if is_breach(row) else [UPDATED]
    toggled = before.tracking_enabled != row.tracking_enabled
    same = {"version": 0, "tracking_enabled": True}
    kinds = [TOGGLED] if toggled else []
    if before.model_copy(update=same) != row.model_copy(update=same):
        kinds.append(UPDATED)
    if is_breach(row) and not is_breach(before):
        kinds.append(BREACH)
    return kinds


def is_breach(row: InventoryRow) -> bool:
    """Return whether stock fell to its threshold; what was never in stock fell from nothing."""
    return row.low_stock and row.last_activity_at is not None
