"""Cards that were reported lost: reported, taken off the list, let pour for a while."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from pourline.console.pages import words
from pourline.console.pages.asking import Ask, CommentDialog
from pourline.console.pages.levels import MANAGER, SUPERVISOR
from pourline.console.pages.listing import rows_of
from pourline.console.pages.parts import Part, Words, button
from pourline.console.pages.shell import Screen
from pourline.contracts.base import Command, Listing
from pourline.contracts.guests import (
    ListLostCards,
    LostCard,
    OverrideLostCard,
    ReportLostCard,
    RestoreLostCard,
)

Order = Callable[[str], Command]
"""Makes a command of what was written; raises `ValueError` where that is no card's id."""
LET_POUR_FOR = timedelta(hours=4)
"""An evening; whoever needs it longer says so again."""


class LostCards:
    """The list of lost cards, with what this person may do about each."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._cards: list[LostCard] = []
        self._shown: object = None
        self._dialog = CommentDialog()
        with Part("section", "lost", aria_label="Lost cards"):
            with Part("header", "view-head"):
                Words("h2", text="Lost cards")
                button("Report a card lost", "", self._ask_which, "credit_card_off")
            self._list = Part("div", "cards")

    async def load(self) -> None:
        """Ask which cards are lost now."""
        self._cards = await rows_of(self._screen, ListLostCards(), Listing[LostCard])

    def show(self) -> None:
        """Show them, if they are others."""
        if self._cards == self._shown:
            return
        self._shown = self._cards
        self._list.clear()
        with self._list:
            for card in self._cards:
                self._card(card)
            if not self._cards:
                Words("p", "soft", "No card is reported lost.")

    def report(self, card_uid: str, owner: str) -> None:
        """Ask how this card was lost, and report it."""
        ask = Ask(
            title=f"Report {owner}'s card lost",
            note="No tap opens for it from now on. The visit goes on with another card.",
            verb="Report lost",
            label="Note",
            reasons=("Lost in the bar", "Stolen"),
            is_grave=True,
        )
        self._open(ask, lambda text: ReportLostCard(card_uid=card_uid, note=text))

    def _ask_which(self) -> None:
        ask = Ask(
            title="Report a card lost",
            note="Type what is printed on it, or what the guest wrote down.",
            verb="Report lost",
            label="Card",
            is_grave=True,
        )
        self._open(ask, lambda text: ReportLostCard(card_uid=text))

    def _card(self, card: LostCard) -> None:
        zone = self._screen.board.timezone
        with Part("div", "card", role="group", aria_label=f"Card {card.card_uid}"):
            Words("p", "strong", card.card_uid)
            told = f"{words.moment(card.reported_at, zone)}, {card.reported_by}"
            Words("p", "soft", f"{told}: {card.note}" if card.note else told)
            if card.override_until and card.override_until > self._screen.board.now():
                until = words.moment(card.override_until, zone)
                Words("p", text=f"Pours until {until}: {card.override_reason}")
            with Part("div", "card-actions"):
                if self._screen.staff.level >= SUPERVISOR:
                    button("It is back", "", partial(self._restore, card), "restore")
                if self._screen.staff.level >= MANAGER:
                    button("Let it pour", "", partial(self._override, card), "lock_open")

    def _restore(self, card: LostCard) -> None:
        ask = Ask(
            title=f"Take {card.card_uid} off the list",
            note="Taps open for it again.",
            verb="Take off the list",
            reasons=("Found", "Reported by mistake"),
        )
        self._open(ask, lambda text: RestoreLostCard(card_uid=card.card_uid, reason=text))

    def _override(self, card: LostCard) -> None:
        until = self._screen.board.now() + LET_POUR_FOR
        ask = Ask(
            title=f"Let {card.card_uid} pour",
            note="For four hours, though it is reported lost. It stands in the record.",
            verb="Let it pour",
            reasons=("Its owner has it",),
            is_grave=True,
        )
        self._open(
            ask, lambda text: OverrideLostCard(card_uid=card.card_uid, until=until, reason=text)
        )

    def _open(self, ask: Ask, order: Order) -> None:
        async def send(text: str) -> bool:
            try:
                told = order(text)
            except ValueError:
                self._screen.tell("That is no card's id.", is_bad=True)
                return False
            return await self._screen.order(told, LostCard) is not None

        self._dialog.open(ask, send)
