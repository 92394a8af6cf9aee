"""One visit in full, with what staff do: money, card, limits, unlocking, closing."""

from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.asking import Ask, CommentDialog
from pourline.console.pages.guest_link import own_page
from pourline.console.pages.parts import Part, Words, button, fact, icon, icon_button
from pourline.console.pages.shell import Screen
from pourline.console.pages.till import Till
from pourline.contracts.base import Command, Message
from pourline.contracts.guests import (
    BindCard,
    CloseVisit,
    CutOff,
    ForceUnlock,
    LiftCutOff,
    Reactivate,
    VerifyAge,
    Visit,
)
from pourline.contracts.guests import Guest as GuestSeen
from pourline.contracts.money import Pour, VisitMoney

SENIOR, SUPERVISOR = 2, 3
POURS_SHOWN = 12
STATUS_WORDS = {"held": "waits", "rejected": "rejected", "mismatch": "mismatch"}

Made = tuple[type[Command], type[Message]]


class VisitCard:
    """The chosen visit; empty until one is chosen."""

    def __init__(
        self, screen: Screen, *, left: Callable[[], None], lost: Callable[[str, str], None]
    ) -> None:
        self._screen = screen
        self._left = left
        self._lost = lost
        self._visit_id: str | None = None
        self._parts: dict[str, Part] = {}
        self._shown: dict[str, object] = {}
        self._dialog = CommentDialog()
        self._till = Till(screen)
        self._root = Part("section", "chosen", aria_label="Visit")

    def show(self, visit: Visit | None, money: VisitMoney | None) -> None:
        """Show a visit, part by part as each changed: what somebody is filling in stays."""
        if visit is None or visit.id != self._visit_id:
            self._lay_out(visit)
        if visit is None:
            return
        doing = visit.status, visit.cut_off_at, visit.active_tap_id, visit.card_uid
        self._redo("head", (visit.guest.name, visit.guest.age_verified), lambda: self._head(visit))
        self._redo("facts", (visit, money), lambda: self._facts(visit, money))
        self._redo("actions", doing, lambda: self._actions(visit))
        self._redo("pours", money and money.pours, lambda: self._pours(money))
        self._till.show(visit.guest.id, money, is_open=visit.status == "active")

    def _lay_out(self, visit: Visit | None) -> None:
        """Begin anew with another visit, or with none."""
        self._visit_id = visit.id if visit else None
        self._shown.clear()
        self._parts.clear()
        self._root.clear()
        if visit is None:
            return
        with self._root, Part("article", "card", aria_label=visit.guest.name):
            for name in ("head", "facts"):
                self._parts[name] = Part("div", "card-part")
            self._till.build()
            for name in ("actions", "pours"):
                self._parts[name] = Part("div", "card-part")

    def _redo(self, name: str, shown: object, build: Callable[[], None]) -> None:
        """Build a part of the card again, if what it shows is something else."""
        if name in self._shown and self._shown[name] == shown:
            return
        self._shown[name] = shown
        self._parts[name].clear()
        with self._parts[name]:
            build()

    def _head(self, visit: Visit) -> None:
        with Part("header", "view-head"):
            Words("h2", text=visit.guest.name)
            if not visit.guest.age_verified:
                button("I have seen the ID", "primary", partial(self._verify, visit), "badge")
            icon_button("Back to the list", "close", self._left)

    def _facts(self, visit: Visit, money: VisitMoney | None) -> None:
        board = self._screen.board
        with Part("dl", "facts"):
            fact("Visit", f"No. {visit.number}, {words.age(visit.opened_at, board.now())}")
            if money:
                fact("Balance", words.money(money.balance, board.currency))
                if money.held:
                    fact("Held for a pour", words.money(money.held, board.currency))
                fact("Poured", words.volume(money.poured_ml, board.volume_unit))
            fact("Card", visit.card_uid or "none yet")
            if visit.guest.notes:
                fact("Notes", visit.guest.notes)
            fact("Limits", visit.limit_profile or "balance only")
            if visit.active_tap_id:
                fact("Holds tap", visit.active_tap_id)
            if visit.cut_off_at:
                fact("Cut off", f"{visit.cut_off_by}: {visit.cut_off_reason}")
            if visit.closed_at:
                when = words.moment(visit.closed_at, board.timezone)
                fact("Closed", f"{when}: {visit.close_reason or 'no reason given'}")

    def _actions(self, visit: Visit) -> None:
        with Part("div", "card-actions"):
            if visit.status == "active":
                self._doings(visit)
            with ui.link(target=f"/visits/{visit.id}/receipt", new_tab=True).classes("button"):
                icon("receipt_long")
                Words("span", text="Receipt")
        own_page(self._screen, visit.id)

    def _doings(self, visit: Visit) -> None:
        """Lay out what may be done with an open visit."""
        level = self._screen.staff.level
        button("Give or replace card", "", partial(self._card, visit), "contactless")
        if visit.card_uid:
            told = partial(self._lost, visit.card_uid, visit.guest.name)
            button("Card is lost", "", told, "credit_card_off")
        if level >= SENIOR:
            button("Let go on", "", partial(self._reactivate, visit), "restart_alt")
            if visit.cut_off_at:
                button("Serve again", "", partial(self._lift, visit), "local_bar")
            else:
                button("Serve no more", "", partial(self._cut_off, visit), "no_drinks")
        if level >= SUPERVISOR and visit.active_tap_id:
            button("Force unlock", "danger", partial(self._unlock, visit), "lock_open")
        button("Close visit", "", partial(self._close, visit), "logout")

    def _pours(self, money: VisitMoney | None) -> None:
        if not money or not money.pours:
            return
        with Part("table", "table"):
            Words("caption", "sr-only", "Pours")
            for pour in money.pours[:POURS_SHOWN]:
                self._pour(pour)

    def _pour(self, pour: Pour) -> None:
        board = self._screen.board
        amount = words.money(pour.amount, board.currency)
        with Part("tr"):
            Words("td", "soft", words.clock_time(pour.ended_at, board.timezone))
            poured = words.volume(pour.volume_ml, board.volume_unit)
            Words("td", text=f"Tap {pour.tap_id}, {poured}")
            Words("td", "num", STATUS_WORDS.get(pour.status.value, amount))

    async def _verify(self, visit: Visit) -> None:
        await self._screen.order(VerifyAge(guest_id=visit.guest.id), GuestSeen)

    def _card(self, visit: Visit) -> None:
        ask = Ask(
            title=f"Card for {visit.guest.name}",
            note="Put the card on the reader, or type what is printed on it.",
            verb="Give card",
            label="Card",
        )
        self._ask(ask, lambda text: BindCard(visit_id=visit.id, card_uid=text))

    def _reactivate(self, visit: Visit) -> None:
        ask = Ask(
            title=f"Let {visit.guest.name} go on",
            note="A limit was reached; from now it counts anew. You have looked at the guest.",
            verb="Let go on",
            reasons=("Looks fine", "Is eating", "With companions"),
        )
        self._ask(ask, lambda text: Reactivate(visit_id=visit.id, reason=text))

    def _cut_off(self, visit: Visit) -> None:
        ask = Ask(
            title=f"Serve {visit.guest.name} no more",
            note="No tap opens for this guest until somebody lifts it or the evening is over.",
            verb="Serve no more",
            reasons=("Has had enough", "Asked for it", "Trouble"),
            is_grave=True,
        )
        self._ask(ask, lambda text: CutOff(visit_id=visit.id, reason=text))

    def _lift(self, visit: Visit) -> None:
        ask = Ask(title=f"Serve {visit.guest.name} again", verb="Serve again")
        self._ask(ask, lambda text: LiftCutOff(visit_id=visit.id, reason=text))

    def _unlock(self, visit: Visit) -> None:
        ask = Ask(
            title=f"Force {visit.guest.name}'s lock open",
            note=f"Tap {visit.active_tap_id} may still send a pour; it will be billed as well.",
            verb="Force unlock",
            reasons=("Tap is dead", "Guest has left"),
            is_grave=True,
        )
        self._ask(ask, lambda text: ForceUnlock(visit_id=visit.id, reason=text))

    def _close(self, visit: Visit) -> None:
        ask = Ask(
            title=f"Close {visit.guest.name}'s visit",
            note="The card is of no use from then on.",
            verb="Close visit",
            reasons=("Left", "Closing time"),
        )
        self._ask(ask, lambda text: CloseVisit(visit_id=visit.id, reason=text))

    def _ask(self, ask: Ask, order: Callable[[str], Any]) -> None:
        async def send(text: str) -> bool:
            return await self._screen.order(order(text), Visit) is not None

        self._dialog.open(ask, send)
