"""Critical alerts nobody has seen yet, on every view, acknowledged from where you are."""

from collections.abc import Awaitable, Callable
from functools import partial

from pourline.console.pages.parts import Part, Words, button, icon
from pourline.console.store import Board
from pourline.contracts.device import AlertMessage, Severity
from pourline.contracts.evening import AlertState

SHOWN_MAX = 3
"""More would hide the view; the rest is counted."""

Acknowledge = Callable[[str], Awaitable[None]]


class Banner:
    """The banner of one screen."""

    def __init__(self, *, acknowledge: Acknowledge) -> None:
        self._acknowledge = acknowledge
        self._shown: list[tuple[str, str, str]] = []
        self._root = Part("section", "banner", aria_label="Critical alerts", aria_live="assertive")

    def show(self, board: Board, *, is_on: bool) -> None:
        """Show what is critical and unseen; laid out anew when that is another set."""
        standing = [one for one in board.alerts.standing(board.now()) if _is_fresh(one)]
        standing.sort(key=lambda one: one.opened_at)
        wanted = [(one.alert_id, one.title, one.message) for one in standing] if is_on else []
        if wanted == self._shown:
            return
        self._shown = wanted
        self._root.clear()
        with self._root:
            for alert_id, title, message in wanted[:SHOWN_MAX]:
                self._row(alert_id, title, message)
            if len(wanted) > SHOWN_MAX:
                Words("p", "banner-more", f"and {len(wanted) - SHOWN_MAX} more")

    def _row(self, alert_id: str, title: str, message: str) -> None:
        with Part("div", "banner-row"):
            icon("error")
            with Part("p", "banner-text"):
                Words("strong", text=f"Critical: {title}")
                Words("span", text=message)
            seen = button("Acknowledge", "small", partial(self._acknowledge, alert_id), "done")
            seen.props["aria-label"] = f"Acknowledge: {title}"


def _is_fresh(alert: AlertMessage) -> bool:
    return alert.severity is Severity.CRITICAL and alert.state == AlertState.OPEN
