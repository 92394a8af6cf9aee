"""Settling a pour that has two words on it: what staff entered and what the tap said."""

from collections.abc import Callable
from dataclasses import dataclass

from pourline.console.pages import words
from pourline.console.pages.asking import TEXT_MAX
from pourline.console.pages.parts import (
    Part,
    Words,
    button,
    fact,
    field,
    icon_button,
    set_prop,
)
from pourline.console.pages.shell import Screen
from pourline.contracts.books import CorrectAccount
from pourline.contracts.device import AlertMessage
from pourline.contracts.evening import Alert, ResolveAlert
from pourline.contracts.money import Booked, Pour
from pourline.kit.ids import new_id

CORRECT_LEVEL = 3


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """Two words on one pour: what the tap told, and what the guest paid for.

    They are one and the same where the tap sent other content under a known id.
    """

    alert: AlertMessage
    told: Pour
    booked: Pour


class MismatchForm:
    """Give the guest something back where that is right, and take the mismatch off the list."""

    def __init__(self, screen: Screen, *, left: Callable[[], None]) -> None:
        self._screen = screen
        self._left = left
        self._one: Mismatch | None = None
        self._key = ""

    def build(self, one: Mismatch) -> None:
        """Lay the form out; only a supervisor may move money."""
        self._one, self._key = one, str(new_id())
        board, pour = self._screen.board, one.booked
        may_correct = self._screen.staff.level >= CORRECT_LEVEL and pour.guest_id is not None
        with Part("article", "card form", aria_label="Settle"):
            with Part("header", "view-head"):
                Words("h2", text="Settle the mismatch")
                icon_button("Back to the list", "close", self._left)
            Words("p", "soft", one.alert.message)
            with Part("dl", "facts"):
                fact("Tap", pour.tap_id)
                fact("Number", pour.short_id or "none")
                fact("In the books", words.volume(pour.volume_ml, board.volume_unit))
                if one.told is not pour:
                    fact("The tap says", words.volume(one.told.volume_ml, board.volume_unit))
                fact("Paid", words.money(pour.amount, board.currency))
                fact("Entered by", pour.entered_by or "the tap")
            self._amount = field(f"Give back in {board.currency} (none: leave empty)", length=13)
            self._amount.props("inputmode=decimal")
            self._amount.set_visibility(may_correct)
            self._reason = field("What was done", length=TEXT_MAX)
            self._fault = Words("p", "fault", role="alert")
            with Part("div", "card-actions"):
                self._go = button("Settle", "primary", self._send, "done_all")

    async def load(self) -> None:
        """Ask nobody: the list has everything."""

    def show(self) -> None:
        """Show nothing new."""

    async def _send(self) -> None:
        reason = str(self._reason.value or "").strip()[:TEXT_MAX]
        text = str(self._amount.value or "").strip()
        amount = words.amount_of(text, self._screen.board.currency) if text else 0
        if amount is None or not reason:
            self._fault.text = "Say what was done, and an amount like 2.50 or none."
            return
        self._fault.text = ""
        set_prop(self._go, "disabled", "")
        try:
            is_done = await self._settle(amount, reason)
        finally:
            set_prop(self._go, "disabled", None)
        if is_done:
            self._left()

    async def _settle(self, amount: int, reason: str) -> bool:
        if self._one is None:
            return False
        pour = self._one.booked
        may_correct = self._screen.staff.level >= CORRECT_LEVEL
        if amount and pour.guest_id and may_correct:
            order = CorrectAccount(
                guest_id=pour.guest_id,
                amount=amount,
                client_tx_id=pour.client_tx_id,
                reason=reason,
            )
            if await self._screen.order(order, Booked, key=self._key) is None:
                return False
        over = ResolveAlert(alert_id=self._one.alert.alert_id, comment=reason)
        return await self._screen.order(over, Alert) is not None
