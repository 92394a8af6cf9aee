"""What becomes of a pour that waits for a person, and of one with two words on it."""

from collections.abc import Callable
from functools import partial

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.asking import TEXT_MAX
from pourline.console.pages.parts import (
    Part,
    Words,
    button,
    fact,
    field,
    icon_button,
    pressed,
    set_prop,
)
from pourline.console.pages.reconcile_visit import VisitFinder
from pourline.console.pages.shell import Screen
from pourline.contracts.books import DecidePour, Decision
from pourline.contracts.money import Pour
from pourline.kit.ids import new_id

DECIDE_LEVEL = 3
WHY_HELD = {
    "negative_volume": "Its volume is negative",
    "volume_impossible": "More than any pour can be",
    "ends_before_start": "It ends before it starts",
    "rate_impossible": "Faster than beer runs",
    "time_in_future": "Its time is in the future",
    "unknown_visit_or_card": "Nobody knows whose it is",
    "began_after_close": "It began after its visit was closed",
    "no_price": "Its beverage has no price",
    "amount_impossible": "It would cost more than any pour",
    "manual_entry_unmatched": "A pour of another number was entered by hand and waits",
}
CHOICES = {
    Decision.BILL: ("The guest pays", "payments"),
    Decision.WASTE: ("Waste: nobody pays", "delete"),
    Decision.REJECT: ("It never ran", "block"),
}
REASONS = ("Asked the guest", "Foam", "Tap fault", "In the books already")


def why_held(pour: Pour) -> str:
    """Say why a pour waits, in words."""
    reason = pour.reason or ""
    return WHY_HELD.get(reason, reason.replace("_", " ").capitalize() or "No reason told")


class DecisionForm:
    """Bill, waste or reject one held pour."""

    def __init__(self, screen: Screen, *, left: Callable[[], None]) -> None:
        self._screen = screen
        self._left = left
        self._finder = VisitFinder(screen)
        self._pour: Pour | None = None
        self._decision: Decision | None = None
        self._buttons: dict[Decision, ui.element] = {}
        self._key = ""

    def build(self, pour: Pour) -> None:
        """Lay the form out for a pour."""
        self._pour, self._decision, self._key = pour, None, str(new_id())
        board = self._screen.board
        with Part("article", "card form", aria_label="Decide"):
            with Part("header", "view-head"):
                Words("h2", text="Decide")
                icon_button("Back to the list", "close", self._left)
            with Part("dl", "facts"):
                fact("Tap", pour.tap_id)
                fact("Number", pour.short_id or "none")
                fact("Volume", words.volume(pour.volume_ml, board.volume_unit))
                if pour.price_per_litre is not None:
                    cost = words.cost(pour.volume_ml, pour.price_per_litre)
                    fact("Would cost", words.money(cost, board.currency))
                fact("Ended", words.clock_time(pour.ended_at, board.timezone))
                fact("Waits because", why_held(pour))
            with Part("div", "choices", role="group", aria_label="Decision"):
                for decision, (text, sign) in CHOICES.items():
                    choose = partial(self._choose, decision)
                    self._buttons[decision] = button(text, "choice", choose, sign)
            self._whose = Part("div", "form")
            with self._whose:
                self._finder.build(known=pour.visit_id)
            self._reason = field("Reason", length=TEXT_MAX)
            with Part("div", "reasons"):
                for reason in REASONS:
                    button(reason, "chip-button", partial(self._say, reason))
            self._fault = Words("p", "fault", role="alert")
            with Part("div", "card-actions"):
                self._go = button("Decide so", "primary", self._send, "gavel")
        self._show_choice()
        self._screen.refresh()

    async def load(self) -> None:
        """Ask for the visits that the search means."""
        await self._finder.load()

    def show(self) -> None:
        """Show the visits found."""
        self._finder.show()

    def _choose(self, decision: Decision) -> None:
        self._decision, self._key = decision, str(new_id())
        self._show_choice()

    def _show_choice(self) -> None:
        for decision, one in self._buttons.items():
            pressed(one, is_on=decision is self._decision)
        self._whose.set_visibility(self._decision is Decision.BILL)

    def _say(self, reason: str) -> None:
        self._reason.value = reason

    async def _send(self) -> None:
        if self._screen.staff.level < DECIDE_LEVEL:
            return
        order = self._read()
        if isinstance(order, str):
            self._fault.text = order
            return
        self._fault.text = ""
        set_prop(self._go, "disabled", "")
        try:
            done = await self._screen.order(order, Pour, key=self._key)
        finally:
            set_prop(self._go, "disabled", None)
        if done is not None:
            self._screen.tell(f"Pour {done.short_id or ''} is decided: {order.decision.value}.")
            self._left()

    def _read(self) -> DecidePour | str:
        reason = str(self._reason.value or "").strip()
        if self._pour is None or self._decision is None:
            return "Choose what becomes of it."
        visit = self._finder.chosen if self._decision is Decision.BILL else None
        if self._decision is Decision.BILL and visit is None and not self._pour.visit_id:
            return "Choose whose it is."
        if not reason:
            return "Say why: it is kept with your name."
        return DecidePour(
            client_tx_id=self._pour.client_tx_id,
            decision=self._decision,
            visit_id=visit.id if visit else None,
            reason=reason[:TEXT_MAX],
        )
