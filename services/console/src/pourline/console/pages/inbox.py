"""The alerts inbox: what stands and what stood, why, and who deals with it."""

from functools import partial
from typing import ClassVar

from pourline.console.pages import words
from pourline.console.pages.asking import Ask, CommentDialog
from pourline.console.pages.parts import Part, Words, button, icon, pressed
from pourline.console.pages.shell import Place, View
from pourline.console.pages.views import SEVERITIES, URGENCY
from pourline.contracts.base import Listing
from pourline.contracts.device import Severity
from pourline.contracts.evening import (
    AcknowledgeAlert,
    Alert,
    AlertState,
    ListAlerts,
    ResolveAlert,
)

SHOWN_MAX = 40
FILTERS = {
    "open": "Open",
    "acknowledged": "Acknowledged",
    "resolved": "Resolved",
}


class Inbox(View):
    """Alerts with their cause, to be acknowledged or resolved with a comment."""

    PLACE = Place(path="/alerts", word="Alerts", sign="notifications")
    NEWS: ClassVar[frozenset[str]] = frozenset(
        {"alert.opened", "alert.acknowledged", "alert.resolved"}
    )

    def build(self) -> None:
        """Lay out the filter and the list."""
        self._state = AlertState.OPEN
        self._severity: Severity | None = None
        self._alerts: list[Alert] = []
        self._shown: object = None
        self._dialog = CommentDialog()
        with Part("div", "view-body"):
            with Part("header", "view-head"):
                Words("h1", text="Alerts")
                self._filters = Part("div", "choices", role="group", aria_label="Show")
                with Part("a", "button", href="/board"):
                    icon("tv")
                    Words("span", text="Alert board")
            self._list = Part("section", "cards", aria_label="Alerts")

    async def load(self) -> None:
        """Ask for the alerts of the chosen state."""
        query = ListAlerts(state=self._state, severity=self._severity, limit=SHOWN_MAX)
        found = (await self.screen.ask(query, Listing[Alert])).items
        self._alerts = sorted(found, key=lambda one: URGENCY[one.severity])

    def show(self) -> None:
        """Show what was answered, if it is something else."""
        now = self.screen.board.now()
        aged = [(one, words.age(one.opened_at, now)) for one in self._alerts]
        shown = self._state, self._severity, aged
        if shown == self._shown:
            return
        self._shown = shown
        self._show_filters()
        self._list.clear()
        with self._list:
            for alert, age in aged:
                self._card(alert, age)
            if not self._alerts:
                self._nothing()

    def _show_filters(self) -> None:
        self._filters.clear()
        with self._filters:
            for value, word in FILTERS.items():
                state = AlertState(value)
                one = button(word, "choice", partial(self._choose, state))
                pressed(one, is_on=state is self._state)
            for severity, face in SEVERITIES.items():
                one = button(face.word, "choice", partial(self._only, severity), face.icon)
                pressed(one, is_on=severity is self._severity)

    def _nothing(self) -> None:
        with Part("div", "empty"):
            icon("task_alt")
            Words("p", text=f"Nothing {FILTERS[self._state].lower()}.")

    def _choose(self, state: AlertState) -> None:
        self._state = state
        self.screen.refresh()

    def _only(self, severity: Severity) -> None:
        self._severity = None if severity is self._severity else severity
        self.screen.refresh()

    def _card(self, alert: Alert, age: str) -> None:
        face = SEVERITIES[alert.severity]
        with Part("article", f"card toned tone-{face.tone}", aria_label=alert.title):
            with Part("p", "alert-head"):
                with Part("span", "tag"):
                    icon(face.icon)
                    Words("span", text=face.word)
                Words("span", "alert-age", age)
            Words("h2", text=alert.title)
            Words("p", "soft", alert.message)
            if alert.acknowledged_by:
                Words("p", "soft", f"Acknowledged by {alert.acknowledged_by}")
            if alert.comment:
                Words("p", text=f"“{alert.comment}”")
            if alert.state is not AlertState.RESOLVED:
                self._actions(alert)

    def _actions(self, alert: Alert) -> None:
        with Part("div", "card-actions"):
            if alert.state is AlertState.OPEN:
                button("Acknowledge", "", partial(self._acknowledge, alert), "done")
                button("With a comment", "", partial(self._comment, alert), "comment")
            button("Resolve", "", partial(self._resolve, alert), "done_all")

    async def _acknowledge(self, alert: Alert) -> None:
        await self.screen.order(AcknowledgeAlert(alert_id=alert.id), Alert)

    def _comment(self, alert: Alert) -> None:
        async def send(comment: str) -> bool:
            order = AcknowledgeAlert(alert_id=alert.id, comment=comment)
            return await self.screen.order(order, Alert) is not None

        self._dialog.open(
            Ask(
                title=f"Acknowledge: {alert.title}",
                note="Everybody sees who deals with it, and what you say.",
                verb="Acknowledge",
                label="Comment",
                reasons=("On my way", "After this round", "Waiting for a part"),
            ),
            send,
        )

    def _resolve(self, alert: Alert) -> None:
        async def send(comment: str) -> bool:
            order = ResolveAlert(alert_id=alert.id, comment=comment)
            return await self.screen.order(order, Alert) is not None

        self._dialog.open(
            Ask(
                title=f"Resolve: {alert.title}",
                note="It leaves every screen. Say what was done.",
                verb="Resolve",
                reasons=("Fixed", "False alarm", "Nothing to do"),
            ),
            send,
        )
