"""Dead letters: messages that no service could handle, each with why, and what to do with it."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid5

from pourline.console.pages import words
from pourline.console.pages.asking import Ask, CommentDialog
from pourline.console.pages.forms import once
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.parts import Part, Words, button, fact, icon
from pourline.console.pages.shell import Screen
from pourline.console.store import upkeep
from pourline.contracts.upkeep import DeadLetter
from pourline.kit.errors import TROUBLE, Refusal, outcome_of
from pourline.kit.ids import new_id

GOOD_FOR = timedelta(seconds=20)
"""While another list is looked at, the number beside the word may be this old."""


class DeadLetterList:
    """A card a letter, oldest first of each service; managers only."""

    def __init__(self, screen: Screen, dialog: CommentDialog) -> None:
        self._screen = screen
        self._dialog = dialog
        self._letters: list[DeadLetter] = []
        self._silent: list[str] = []
        self._more = False
        self._asked_at: datetime | None = None
        self._shown: object = None
        self._list = Part("section", "picks", aria_label="Dead letters")

    @property
    def count(self) -> str:
        """How many there are, as far as they were asked for; empty for none."""
        return f"{len(self._letters)}{'+' if self._more else ''}" if self._letters else ""

    async def load(self, *, is_seen: bool) -> None:
        """Ask every service; one that is silent is named and hides nobody else's."""
        now = self._screen.board.now()
        if not is_seen and self._asked_at and now - self._asked_at < GOOD_FOR:
            return
        pages = await asyncio.gather(*(self._of(one) for one in upkeep.OWNERS))
        self._asked_at = now
        self._silent = [one for one, page in zip(upkeep.OWNERS, pages, strict=True) if page is None]
        told = [page for page in pages if page is not None]
        self._letters = [letter for letters, _ in told for letter in letters]
        self._more = any(more for _, more in told)

    async def _of(self, service: str) -> tuple[list[DeadLetter], bool] | None:
        try:
            page = await upkeep.letters_of(
                self._screen.site.caller, service, actor=self._screen.staff.username
            )
        except (Refusal, *TROUBLE):
            return None
        return page.items, page.next is not None

    def show(self) -> None:
        """Show the letters, if they are others."""
        shown = self._letters, self._silent, self._more
        if shown == self._shown:
            return
        self._shown = shown
        self._list.clear()
        with self._list:
            if self._silent:
                with Part("p", "card toned tone-warn", role="status"):
                    icon("link_off")
                    Words("span", text=f"Not answering: {', '.join(self._silent)}")
            if not self._letters and not self._silent:
                with Part("p", "due-none"):
                    icon("task_alt")
                    Words("span", text="No message waits.")
            for letter in self._letters:
                self._letter(letter)
            if self._more:
                Words("p", "soft", "There are more. They follow when these are settled.")

    def _letter(self, one: DeadLetter) -> None:
        zone = self._screen.board.timezone
        name = f"{one.service} {one.id}"
        with Part("article", "card toned tone-warn", aria_label=f"Dead letter {name}"):
            Words("h2", text=one.reason or "No reason given")
            with Part("dl", "facts"):
                fact("Service", one.service)
                fact("Reader", one.consumer)
                fact("Subject", one.subject)
                fact("Came", words.moment(one.received_at, zone))
                fact("Set aside", words.moment(one.at, zone))
                fact("Deliveries", str(one.deliveries))
            Words(
                "pre",
                "payload",
                one.payload,
                role="group",
                aria_label=f"Payload of {name}",
                tabindex="0",
            )
            if one.payload_bytes > len(one.payload):
                Words("p", "soft", f"The beginning of {one.payload_bytes:,} bytes")
            with Part("div", "card-actions"):
                once("Replay", "primary", partial(self._replay, one), "replay")
                button("Close", "", partial(self._close, one), "archive")

    async def _replay(self, one: DeadLetter, key: str) -> DeadLetter | None:
        order = upkeep.replay(
            self._screen.site.caller,
            one.service,
            str(one.id),
            actor=self._screen.staff.username,
            key=key,
        )
        return await self._done(order, f"{one.service} has taken it in.")

    def _close(self, one: DeadLetter) -> None:
        opened = new_id()

        async def send(reason: str) -> bool:
            order = upkeep.close(
                self._screen.site.caller,
                one.service,
                str(one.id),
                reason,
                actor=self._screen.staff.username,
                key=str(uuid5(opened, reason)),
            )
            return await self._done(order, f"{one.service} {one.id} is closed.") is not None

        self._dialog.open(
            Ask(
                title=f"Close dead letter {one.service} {one.id}",
                note="Its message stays unhandled. It is kept, to be replayed at the command line.",
                verb="Close letter",
                reasons=("Device mended", "Entered by hand", "Of no use"),
                is_grave=True,
            ),
            send,
        )

    async def _done(self, order: Coroutine[Any, Any, DeadLetter], told: str) -> DeadLetter | None:
        """Carry an order out, if whoever gives it still may, and say what came of it."""
        screen = self._screen
        if screen.staff.level < MANAGER or screen.is_over():
            order.close()
            return None
        try:
            done = await order
        except (Refusal, *TROUBLE) as error:
            screen.tell(outcome_of(error).detail, is_bad=True)
            return None
        screen.tell(told)
        screen.refresh()
        return done
