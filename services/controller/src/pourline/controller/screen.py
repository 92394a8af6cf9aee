"""What one tap shows: words to the guest, and between guests what staff must enter by hand."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from pourline.controller.domain import Pour
from pourline.controller.hardware import Display

MESSAGE_MS: Final = 5_000
"""A guest may read the last words this long before a pour without an answer is shown again."""
EACH_MS: Final = 5_000
"""Of several pours without an answer each is shown this long in turn."""
AT_REST: Final = "Show your card."


class Screen:
    """A display that returns to the pours without an answer until each has one (SY-4)."""

    def __init__(self, display: Display, *, now_ms: Callable[[], int]) -> None:
        self._display = display
        self._now_ms = now_ms
        self._said_ms = now_ms() - MESSAGE_MS
        self._notices: tuple[str, ...] = ()
        self._notice: str | None = None
        self._turn_ms = 0

    def say(self, text: str) -> None:
        """Say something to the guest, over whatever stands there."""
        self._said_ms = self._now_ms()
        self._notice = None
        self._display.show(text)

    def overdue(self, pours: Sequence[Pour]) -> None:
        """Take the pours that staff may now enter by hand; none: all have their answers."""
        self._notices = tuple(notice(pour) for pour in pours)

    def tick(self, *, at_rest: bool) -> None:
        """Show the next notice when nobody needs the display; call it often."""
        now_ms = self._now_ms()
        if not at_rest:
            self._said_ms = now_ms
            return
        if self._notice is not None and self._notice not in self._notices:
            self._show(None, now_ms)
        if not self._notices or now_ms - self._said_ms < MESSAGE_MS:
            return
        if self._notice is None or now_ms - self._turn_ms >= EACH_MS:
            self._show(self._next(), now_ms)

    def _next(self) -> str:
        if self._notice not in self._notices:
            return self._notices[0]
        return self._notices[(self._notices.index(self._notice) + 1) % len(self._notices)]

    def _show(self, text: str | None, now_ms: int) -> None:
        self._turn_ms = now_ms
        if text == self._notice:
            return
        self._notice = text
        self._display.show(AT_REST if text is None else text)


def notice(pour: Pour) -> str:
    """Say what staff need to enter a pour by hand: short id, volume, cost (SY-4)."""
    amount = pour.amount
    cost = "" if amount is None else f", {amount // 100}.{amount % 100:02d}"
    return f"Pour {pour.short_id}: {millilitres(pour.volume_ml)}{cost}. Call staff."


def millilitres(volume: Decimal) -> str:
    """Write a volume in full, without idle zeros."""
    return f"{volume.normalize():f} ml"
