"""What every view stands in: strip, rail, banner, and the loop that keeps one screen true.

A view names the events that are news to it. When one of them happens, or the bus was away, or a
while has passed, the screen asks the owners again and shows what they say; while they do not
answer, it says as of when.
"""

import asyncio
import contextlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypeVar

from nicegui import Client, background_tasks, ui

from pourline.console.pages import words
from pourline.console.pages.banner import Banner
from pourline.console.pages.guest_keys import GuestKeys
from pourline.console.pages.parts import Part, Words, icon, set_classes
from pourline.console.pages.staff import Badges, Staff
from pourline.console.pages.strip import Strip
from pourline.console.pages.views import strip_view
from pourline.console.store import Board
from pourline.contracts.base import Command, Message
from pourline.contracts.evening import AcknowledgeAlert, Alert
from pourline.kit.errors import TROUBLE, Refusal, outcome_of
from pourline.kit.nats import Caller

ONE_ROW_MAX = 6
"""Places beside each other that a thumb still hits on a phone."""
REST_S = 0.1
"""Between two updates of one screen. A pour is several events within some 50 ms: with 0.2 here,
twenty screens had the last of them after 389 to 547 ms (p99), with 0.1 after 310 to 321."""
TICK_S = 1.0
"""Ages and links are looked at this often though nothing happened."""
ASK_REST_S = 0.4
"""Between two askings of one screen; a burst of news is asked for once."""
ASK_EVERY_S = 30.0
"""What was missed on the way is put right by then."""
FAILED_REST_S = 2.0

Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A view's place in the rail: its address, word and icon, and the level that may see it."""

    path: str
    word: str
    sign: str
    level: int = 1


@dataclass(frozen=True, kw_only=True)
class Site:
    """What all screens share."""

    board: Board
    caller: Caller
    badges: Badges
    guest_keys: GuestKeys
    services: tuple[str, ...] = ()
    """Whose health the system's page shows, the console itself among them."""


class View(ABC):
    """One view of one screen. `news` are the types of events after which it asks again."""

    PLACE: ClassVar[Place]
    NEWS: ClassVar[frozenset[str]] = frozenset()
    ASKS: ClassVar[bool] = True
    """Whether it asks the owners at all; the floor lives off the board."""
    NEWS_REST_S: ClassVar[float] = ASK_REST_S
    """Between two askings because of news; what a person does is asked for at once."""

    def __init__(self, screen: "Screen") -> None:
        self.screen = screen

    @abstractmethod
    def build(self) -> None:
        """Lay the view out, still without what the owners say."""

    async def load(self) -> None:  # noqa: B027 a view may ask nobody
        """Ask the owners; raises what asking raises, and then nothing is changed."""

    @abstractmethod
    def show(self) -> None:
        """Show what is known; called often, so it tells the browser real changes only."""


class Screen:
    """One browser's screen with one view in it."""

    def __init__(self, *, site: Site, staff: Staff, view: type[View], rail: "Rail") -> None:
        self.site = site
        self.board = site.board
        self.staff = staff
        self._client: Client = ui.context.client
        self._client.content.classes("page")
        self._asked_at: datetime | None = None
        self._ask_failed = False
        self._heard: int | None = None
        self._changed = asyncio.Event()
        self._asked_s = float("-inf")
        self._under_way: set[str] = set()
        self._strip = Strip(staff)
        self._banner = Banner(acknowledge=self._acknowledge)
        with Part("div", "shell"):
            rail.build(staff, view.PLACE)
            with Part("main", "view", id="main") as self._main:
                self._stale = Words("p", "stale-note", role="status")
                self.view = view(self)
                self.view.build()
        self._show()

    def start(self) -> None:
        """Keep this browser's screen true until it is gone."""
        showing = background_tasks.create(self._keep_showing(), name=self.view.PLACE.word)
        self._client.on_delete(showing.cancel)

    def refresh(self) -> None:
        """Ask the owners again, at once."""
        self._heard = None
        self._changed.set()

    async def ask(self, command: Command, answer: type[Answer], *, key: str = "") -> Answer:
        """Ask in this person's name; raises what asking raises."""
        return await self.site.caller.ask(command, answer, actor=self.staff.username, key=key)

    async def order(
        self, command: Command, answer: type[Answer], *, key: str = ""
    ) -> Answer | None:
        """Send a command in this person's name; a refusal is told on the screen, then None.

        A `key` a filling of a form makes a second press the first one's repeat; while the first
        is under way it is none at all, and says nothing.
        """
        if self.is_over():
            self._client.open("/login")
            return None
        if key and key in self._under_way:
            return None
        self._under_way.add(key)
        try:
            done = await self.ask(command, answer, key=key)
        except (Refusal, *TROUBLE) as error:
            self.tell(outcome_of(error).detail, is_bad=True)
            return None
        finally:
            self._under_way.discard(key)
        self.refresh()
        return done

    def tell(self, text: str, *, is_bad: bool = False) -> None:
        """Say something that goes away by itself."""
        with self._client:
            ui.notify(text, type="negative" if is_bad else "positive", position="top")

    def go(self, path: str) -> None:
        """Show another page."""
        self._client.open(path)

    def is_over(self) -> bool:
        """Return whether this person's session has ended."""
        now = self.board.now()
        return now >= self.staff.expires_at or not self.site.badges.is_good(self.staff)

    async def _keep_showing(self) -> None:
        """Show each change at once, then rest; a browser that is away is told when it is back."""
        with self.board.watched() as changed:
            self._changed = changed
            while not self._client.is_deleted:
                changed.clear()
                if self.is_over():
                    self._client.open("/login")
                    return
                await self._ask_if_due()
                if self._client.has_socket_connection or self._asked_at is None:
                    with self._client:
                        self._show()
                await asyncio.sleep(REST_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S - REST_S):
                        await changed.wait()

    async def _ask_if_due(self) -> None:
        if not self.view.ASKS:
            return
        heard = sum(self.board.news[kind] for kind in self.view.NEWS) + self.board.bus.times_made()
        since_s = asyncio.get_running_loop().time() - self._asked_s
        rest_s = ASK_REST_S if self._heard is None else self.view.NEWS_REST_S
        rest_s = FAILED_REST_S if self._ask_failed else rest_s
        is_due = heard != self._heard or self._ask_failed or since_s > ASK_EVERY_S
        if not is_due or since_s < rest_s:
            return
        self._asked_s = asyncio.get_running_loop().time()
        self._heard = heard
        try:
            await self.view.load()
        except (Refusal, *TROUBLE):
            self._ask_failed = True
        else:
            self._ask_failed, self._asked_at = False, self.board.now()

    def _show(self) -> None:
        strip = strip_view(self.board)
        self._strip.show(strip)
        self._banner.show(self.board, is_on=self.view.PLACE.path != "/")
        self._stale.text = self._as_of()
        stale = " taps-stale" if strip.taps_stale else ""
        stale += " alerts-stale" if strip.alerts_stale else ""
        set_classes(self._main, f"view{stale}{' stale' if self._stale.text else ''}")
        self.view.show()

    def _as_of(self) -> str:
        if not self.view.ASKS or not self._ask_failed:
            return ""
        if self._asked_at is None:
            return "Not answering yet: nothing to show."
        return f"Not answering: as of {words.clock_time(self._asked_at, self.board.timezone)}"

    async def _acknowledge(self, alert_id: str) -> None:
        await self.order(AcknowledgeAlert(alert_id=alert_id), Alert)


class Rail:
    """The fixed rail: every view one tap away, those only that this person may see."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        self._places = places

    def build(self, staff: Staff, here: Place) -> None:
        """Lay the rail out; on a phone in two rows rather than partly out of sight."""
        places = [place for place in self._places if staff.level >= place.level]
        columns = len(places) if len(places) <= ONE_ROW_MAX else math.ceil(len(places) / 2)
        with Part("nav", "rail", aria_label="Views").style(f"--columns: {columns}"):
            for place in places:
                link = Part("a", "rail-link", href=place.path)
                if place is here:
                    link.classes("here")
                    link.props["aria-current"] = "page"
                with link:
                    icon(place.sign)
                    Words("span", "rail-word", place.word)
