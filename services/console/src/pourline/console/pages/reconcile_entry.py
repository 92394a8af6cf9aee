"""Entering a pour by hand that its tap cannot send, as its display shows it."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.parts import (
    Part,
    Words,
    button,
    dress,
    field,
    icon_button,
    set_prop,
)
from pourline.console.pages.reconcile_visit import VisitFinder
from pourline.console.pages.shell import Screen
from pourline.contracts.books import ENTERED_ML_MAX, ReconcilePour
from pourline.contracts.money import Pour
from pourline.kit.ids import new_id

SHORT_ID_DIGITS = 6


class Entry:
    """The form; one filling is one entry however often its button is pressed."""

    def __init__(self, screen: Screen, *, left: Callable[[], None]) -> None:
        self._screen = screen
        self._left = left
        self._finder = VisitFinder(screen, also_closed=True)
        self._key = str(new_id())

    def build(self, *, tap_id: str = "") -> None:
        """Lay the form out for a tap; whoever holds it is offered as the guest."""
        line = self._screen.board.lines.get(tap_id)
        self._key = str(new_id())
        with Part("article", "card form", aria_label="Pour by hand"):
            with Part("header", "view-head"):
                Words("h2", text="Enter a pour by hand")
                icon_button("Back to the list", "close", self._left)
            Words("p", "soft", "Read it off the tap. If the tap sends it later, nobody pays twice.")
            self._tap = _taps(sorted(self._screen.board.lines), tap_id)
            self._short_id = field("Number on the tap", hint="000042", length=SHORT_ID_DIGITS)
            self._volume = field("Volume in ml", hint="300", length=10)
            for one in (self._short_id, self._volume):
                one.props("inputmode=numeric")
            self._finder.build(known=line.tap.locked_by_visit if line else None)
            self._fault = Words("p", "fault", role="alert")
            with Part("div", "card-actions"):
                self._go = button("Enter pour", "primary", self._send, "edit_note")
        self._screen.refresh()

    async def load(self) -> None:
        """Ask for the visits that the search means."""
        await self._finder.load()

    def show(self) -> None:
        """Show the visits found."""
        self._finder.show()

    async def _send(self) -> None:
        order = self._read()
        if isinstance(order, str):
            self._fault.text = order
            return
        self._fault.text = ""
        set_prop(self._go, "disabled", "")
        try:
            pour = await self._screen.order(order, Pour, key=self._key)
        finally:
            set_prop(self._go, "disabled", None)
        if pour is None:
            return
        paid = words.money(pour.amount, self._screen.board.currency)
        self._screen.tell(f"Pour {pour.short_id} is in the books: {paid}.")
        self._left()

    def _read(self) -> ReconcilePour | str:
        """Return what was filled in, or what is missing."""
        digits = str(self._short_id.value or "").strip()
        if not digits.isascii() or not digits.isdecimal() or len(digits) > SHORT_ID_DIGITS:
            return "The number on the tap has up to six digits."
        volume_ml = _volume(str(self._volume.value or ""))
        if volume_ml is None:
            return "Say how many ml, like 300."
        if not self._tap.value:
            return "Choose the tap."
        if self._finder.chosen is None:
            return "Choose the visit."
        return ReconcilePour(
            visit_id=self._finder.chosen.id,
            short_id=digits.zfill(SHORT_ID_DIGITS),
            tap_id=str(self._tap.value),
            volume_ml=volume_ml,
        )


def _taps(ids: list[str], chosen: str) -> ui.select:
    made = ui.select(ids, label="Tap", value=chosen or None).props("outlined")
    dress(made, "reason", {})
    return made


def _volume(text: str) -> Decimal | None:
    """Read a volume in ml as people write it; None if it is none."""
    try:
        volume_ml = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        return None
    return volume_ml if volume_ml.is_finite() and 0 <= volume_ml <= ENTERED_ML_MAX else None
