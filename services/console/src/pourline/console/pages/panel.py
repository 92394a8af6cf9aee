"""A screen that nobody works at: the whole page is one view, pushed, with no rail and no strip."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import ClassVar, TypeVar

from nicegui import Client, background_tasks, ui

from pourline.console.pages.shell import ASK_EVERY_S, FAILED_REST_S, REST_S, TICK_S, Site
from pourline.contracts.base import Command, Message
from pourline.kit.errors import TROUBLE, Refusal

ASK_REST_S = 0.4

Answer = TypeVar("Answer", bound=Message)


class Panel(ABC):
    """One such screen; it shows what the board knows, and may ask the owners for more."""

    NEWS: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, site: Site) -> None:
        self.site = site
        self.board = site.board
        self.client: Client = ui.context.client
        self.client.content.classes("page")
        self._heard: int | None = None
        self._asked_s = float("-inf")
        self._rest_s = ASK_REST_S
        self.build()
        self.show()

    @abstractmethod
    def build(self) -> None:
        """Lay the screen out."""

    async def load(self) -> None:  # noqa: B027 a screen may ask nobody
        """Ask the owners; raises what asking raises, and then nothing is changed."""

    @abstractmethod
    def show(self) -> None:
        """Show what is known; called often, so it tells the browser real changes only."""

    def is_over(self) -> bool:
        """Return whether this screen may be shown no more."""
        return False

    def start(self, name: str) -> None:
        """Keep this browser's screen true until it is gone."""
        showing = background_tasks.create(self._keep_showing(), name=name)
        self.client.on_delete(showing.cancel)

    async def ask(self, command: Command, answer: type[Answer], *, actor: str = "") -> Answer:
        """Ask the owner; raises what asking raises."""
        return await self.site.caller.ask(command, answer, actor=actor or "screen")

    async def _keep_showing(self) -> None:
        with self.board.watched() as changed:
            while not self.client.is_deleted:
                changed.clear()
                if self.is_over():
                    self.client.open("/login")
                    return
                await self._ask_if_due()
                with self.client:
                    self.show()
                await asyncio.sleep(REST_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S - REST_S):
                        await changed.wait()

    async def _ask_if_due(self) -> None:
        heard = sum(self.board.news[kind] for kind in self.NEWS) + self.board.bus.times_made()
        since_s = asyncio.get_running_loop().time() - self._asked_s
        is_due = heard != self._heard or since_s > ASK_EVERY_S
        if not is_due or since_s < self._rest_s:
            return
        self._asked_s = asyncio.get_running_loop().time()
        try:
            await self.load()
        except (Refusal, *TROUBLE):
            self._rest_s = FAILED_REST_S
        else:
            self._heard, self._rest_s = heard, ASK_REST_S
