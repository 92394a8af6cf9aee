"""The board: every tap, the standing alerts and the links, with those who watch it."""

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from pourline.console.store.alerts import AlertBoard
from pourline.console.store.lines import TapLine, after, with_flow, with_price, with_snapshot
from pourline.console.store.links import Link
from pourline.console.store.refusals import Refusals
from pourline.console.store.shifts import OpenShift
from pourline.contracts.base import Envelope, Event, Listing
from pourline.contracts.cellar import KegConnected, KegDisconnected, KegLevelChanged
from pourline.contracts.device import FlowReport, TapState
from pourline.contracts.guests import AccessDenied, LockReleased, LockTaken
from pourline.contracts.money import PriceChanged
from pourline.contracts.taps import (
    ConfigChanged,
    ConfigEntry,
    ListConfig,
    ListTaps,
    Tap,
    TapRegistered,
    TapStateChanged,
)
from pourline.kit.clock import Clock, SystemClock
from pourline.kit.errors import TROUBLE, Refusal
from pourline.kit.nats import Caller

SNAPSHOT_EVERY_S = 30.0
SNAPSHOT_RETRY_S = 2.0
SNAPSHOT_POLL_S = 0.25
"""Also the least time between two snapshots: a burst of news asks once."""
SNAPSHOT_GOOD_FOR = timedelta(seconds=75)
"""Two and a half rounds: past this the owner of the taps counts as silent."""
OVERLAP = timedelta(seconds=2)
"""An owner may not have taken in yet what the board heard this long before it asked."""
RECENT_MAX = 2000
PAGE = 1000
TAPS_MAX = 5000

_SEQUENCES: dict[type[Event], str] = {
    LockTaken: "lock",
    LockReleased: "lock",
    KegConnected: "keg",
    KegDisconnected: "keg",
    KegLevelChanged: "keg",
    TapStateChanged: "state",
}
"""Events of one sequence about one tap come from one producer: an older one is a replay."""

log = logging.getLogger(__name__)


class Board:
    """The console's read model; nothing in it is the truth, everything in it has an owner."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lines: dict[str, TapLine] = {}
        self._config: dict[str, Any] = {}
        self._recent: deque[tuple[datetime, Event]] = deque(maxlen=RECENT_MAX)
        self._newest: dict[tuple[str, str], datetime] = {}
        self._watchers: set[asyncio.Event] = set()
        self._wants_snapshot = False
        self._snapshot_failed = False
        self.snapshot_at: datetime | None = None
        self.news: Counter[str] = Counter()
        self.alerts = AlertBoard()
        self.refusals = Refusals()
        self.shift = OpenShift()
        self.bus = Link()
        self.broker = Link()

    @property
    def lines(self) -> dict[str, TapLine]:
        """Every tap by id."""
        return self._lines

    @property
    def currency(self) -> str:
        """The location's one currency."""
        return str(self._config.get("currency", "EUR"))

    @property
    def timezone(self) -> ZoneInfo:
        """Where the bar is."""
        try:
            return ZoneInfo(str(self._config.get("timezone", "UTC")))
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")

    @property
    def volume_unit(self) -> str:
        """What volumes are shown in: ml, cl, oz or pint."""
        return str(self._config.get("volume_unit", "ml"))

    @property
    def day_begins(self) -> time:
        """When the bar's day begins, and its evening is over, by its own clock."""
        try:
            return time.fromisoformat(str(self._config.get("business_day_begins", "06:00")))
        except ValueError:
            return time(6)

    @property
    def keg_low_ratio(self) -> Decimal:
        """At or below this share of its volume a keg is low."""
        try:
            return Decimal(str(self._config.get("keg_low_ratio", "0.15")))
        except InvalidOperation:
            return Decimal("0.15")

    def now(self) -> datetime:
        """Return the board's present instant."""
        return self._clock.now()

    def taps_as_of(self) -> datetime | None:
        """Return when the taps' owner was last heard, or None while it answers."""
        now = self.now()
        if self.snapshot_at is None:
            return datetime.min.replace(tzinfo=now.tzinfo)
        silent = self._snapshot_failed or now - self.snapshot_at > SNAPSHOT_GOOD_FOR
        return self.snapshot_at if silent else None

    @contextlib.contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """Give a watcher an event of its own that is set by every change."""
        watcher = asyncio.Event()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def hear(self, envelope: Envelope[Any]) -> None:
        """Take in an event, unless the board knows something newer of its kind."""
        event: Event = envelope.data
        self.bus.heard_at = self.now()
        if self._is_old(event, envelope.time):
            return
        self._recent.append((self.now(), event))
        self._take_in(event)
        self._changed()

    def refuse(self, envelope: Envelope[AccessDenied]) -> None:
        """Note that a tap refused a card."""
        self.refusals.hear(envelope.data, taps=self._lines, now=self.now())
        self._changed()

    def news_of(self, kind: str) -> None:
        """Note that something of `kind` (an event's type) happened: whoever shows it asks anew."""
        self.news[kind] += 1
        self._changed()

    def flow(self, tap_id: str, report: FlowReport) -> None:
        """Show what runs at a tap; a tap that nobody registered is not shown."""
        line = self._lines.get(tap_id)
        if line is None:
            return
        self._lines[tap_id] = with_flow(line, report, self.now())
        self.bus.heard_at = self.now()
        self._changed()

    def alert(self, topic: str, payload: bytes) -> None:
        """Show an alert, or take it down."""
        self.broker.heard_at = self.now()
        self.alerts.tell(topic, payload)
        self._changed()

    def broker_connected(self) -> None:
        """Expect the standing alerts anew."""
        self.alerts.expect_again(self.now())
        self._changed()

    async def keep_fresh(self, caller: Caller) -> NoReturn:
        """Ask for a snapshot at once, by the clock, after a reconnect and when news need one."""
        while True:
            await self.load(caller)
            await self._until_due()

    async def load(self, caller: Caller) -> None:
        """Take the owners' word on everything; without an answer the board says as of when."""
        started = self.now()
        self._wants_snapshot = False
        try:
            taps = await _all_taps(caller)
            config = await caller.ask(ListConfig(limit=PAGE), Listing[ConfigEntry])
        except (Refusal, ValidationError, *TROUBLE) as error:
            log.warning("snapshot_failed", extra={"error": str(error)})
            self._snapshot_failed = True
        else:
            self._config = {entry.key: entry.value for entry in config.items}
            self._lines = {tap.id: with_snapshot(self._lines.get(tap.id), tap) for tap in taps}
            self._take_in_again(since=started - OVERLAP)
            self._snapshot_failed, self.snapshot_at = False, self.now()
        self._changed()

    def _take_in_again(self, *, since: datetime) -> None:
        """Repeat what was heard while the snapshot was made: it may be older than that."""
        for at, event in self._recent:
            if at >= since:
                self._take_in(event)

    def _take_in(self, event: Event) -> None:
        match event:
            case ConfigChanged():
                self._config[event.key] = event.value
            case PriceChanged():
                self._price(event)
            case TapRegistered():
                self._wants_snapshot |= event.tap_id not in self._lines
            case TapStateChanged(state=TapState.OUT_OF_KEG):
                self._wants_snapshot = True  # its owner alone knows whether gas was the reason
                self._tap_event(event)
            case _:
                self._tap_event(event)

    def _tap_event(self, event: Event) -> None:
        tap_id = getattr(event, "tap_id", None)
        line = self._lines.get(tap_id) if tap_id else None
        if tap_id is None or line is None:
            return
        if isinstance(event, KegConnected) and event.beverage_id != line.tap.beverage_id:
            self._wants_snapshot = True  # another beverage's price is not in the event
        self._lines[tap_id] = after(event, line)

    def _price(self, event: PriceChanged) -> None:
        """Show a price that is in force; a later one comes with a snapshot of its day."""
        if event.from_at > self.now():
            return
        for tap_id, line in self._lines.items():
            if line.tap.beverage_id == event.beverage_id:
                self._lines[tap_id] = with_price(line, event.price_per_litre)

    def _is_old(self, event: Event, at: datetime) -> bool:
        sequence, tap_id = _SEQUENCES.get(type(event)), getattr(event, "tap_id", None)
        if sequence is None or tap_id not in self._lines:
            return False
        newest = self._newest.get((tap_id, sequence))
        if newest is not None and at < newest:
            return True
        self._newest[tap_id, sequence] = at
        return False

    async def _until_due(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = SNAPSHOT_RETRY_S if self._snapshot_failed else SNAPSHOT_EVERY_S
        due, made = loop.time() + wait_s, self.bus.times_made()
        while loop.time() < due:
            await asyncio.sleep(SNAPSHOT_POLL_S)
            if self._wants_snapshot or self.bus.times_made() != made:
                return

    def _changed(self) -> None:
        for watcher in self._watchers:
            watcher.set()


async def _all_taps(caller: Caller) -> list[Tap]:
    """Return every tap, page by page."""
    page = await caller.ask(ListTaps(limit=PAGE), Listing[Tap])
    taps = page.items
    while page.next and len(taps) < TAPS_MAX:
        page = await caller.ask(ListTaps(limit=PAGE, cursor=page.next), Listing[Tap])
        taps += page.items
    return taps
