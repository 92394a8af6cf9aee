"""Closing a shift: what stands in the way and where it is solved, the cash, the equipment."""

from collections.abc import Callable
from functools import partial

from pourline.console.pages import words
from pourline.console.pages.parts import (
    Part,
    Words,
    button,
    field,
    icon,
    pressed,
    set_classes,
    set_prop,
)
from pourline.console.pages.shell import Screen
from pourline.console.pages.views import SEVERITIES
from pourline.contracts.evening import AcknowledgeAlert, Alert, AlertState
from pourline.contracts.guests import Visit
from pourline.contracts.shifts import (
    Blocker,
    BlockerCode,
    CloseIdleVisits,
    CloseShift,
    IdleVisitsClosed,
    Precheck,
    ShiftReport,
)

ROUNDS_MAX = 25
"""Forty visits a round: a thousand guests go home with one press."""
RECEIPTS_SHOWN = 60
ALERTS_SHOWN = 12
BLOCKERS = {
    BlockerCode.ACTIVE_VISITS: ("open visit", "open visits", "/visits", "groups"),
    BlockerCode.PENDING_SYNC: ("tap owes pours", "taps owe pours", "/reconcile", "sync"),
    BlockerCode.HELD_POURS: ("held pour", "held pours", "/reconcile", "rule"),
}


class Closing:
    """The wizard beside the figures; nothing is hidden behind a next button."""

    def __init__(self, screen: Screen, *, closed: Callable[[ShiftReport], None]) -> None:
        self._screen = screen
        self._closed = closed
        self._shift: ShiftReport | None = None
        self._can_close = False
        self._shown: object = None
        self._is_checked = False
        self._receipts: list[Visit] = []

    def build(self, shift: ShiftReport) -> None:
        """Lay the steps out."""
        self._shift, self._shown, self._is_checked, self._receipts = shift, None, False, []
        with Part("section", "card form wide", aria_label="Close the shift"):
            Words("h2", text="Close the shift")
            self._way = Part("div", "dues")
            self._gone = Part("div", "receipts")
            self._equipment = button(
                "Equipment looked at: taps shut, cooler on", "choice", self._toggle, "fact_check"
            )
            pressed(self._equipment, is_on=False)
            self._cash = field(f"Cash counted in {self._screen.board.currency}", length=13)
            self._cash.props("inputmode=decimal")
            self._cash.on_value_change(lambda _: self._show_difference())
            self._difference = Words("p", "soft", role="status")
            self._comment = field("Comment (may stay empty)")
            self._fault = Words("p", "fault", role="alert")
            with Part("div", "card-actions"):
                self._go = button("Close shift", "primary", self._close, "task_alt")

    def build_alerts(self) -> None:
        """Lay out the alerts of the evening, which stand in nobody's way."""
        with Part("section", "card", aria_label="Alerts") as self._alerts:
            Words("h2", text="Alerts")
            self._alert_rows = Part("div", "dues")

    def show(self, shift: ShiftReport, precheck: Precheck) -> None:
        """Show what stands in the way now."""
        self._shift, self._can_close = shift, precheck.can_close
        self._show_difference()
        board = self._screen.board
        ages = [words.age(one.opened_at, board.now()) for one in precheck.alerts]
        if (precheck, ages) == self._shown:
            return
        self._shown = precheck, ages
        self._way.clear()
        with self._way:
            for blocker in precheck.blockers:
                self._blocker(blocker)
            if not precheck.blockers:
                with Part("p", "due-none"):
                    icon("task_alt")
                    Words("span", text="Nothing stands in the way.")
        self._show_alerts(precheck)
        set_classes(self._go, f"button {'primary' if self._can_close else ''}")

    def _show_alerts(self, precheck: Precheck) -> None:
        self._alerts.set_visibility(bool(precheck.alerts))
        self._alert_rows.clear()
        with self._alert_rows:
            for alert in precheck.alerts[:ALERTS_SHOWN]:
                self._alert(alert)
            more = len(precheck.alerts) - ALERTS_SHOWN
            if more > 0:
                Words("p", "soft", f"and {more} more alerts")

    def _blocker(self, blocker: Blocker) -> None:
        one, many, path, sign = BLOCKERS[blocker.code]
        with Part("div", "due tone-warn", role="group", aria_label=f"In the way: {many}"):
            icon(sign)
            with Part("div", "pick-main"):
                Words("span", "strong", words.count(blocker.count, one, many))
                Words("span", "soft", "in the way of closing")
            with Part("div", "due-actions"):
                if blocker.code is BlockerCode.ACTIVE_VISITS:
                    self._idle = button(
                        "Close all idle visits", "primary", self._close_idle, "logout"
                    )
                link = Part("a", "button", href=path)
                with link:
                    Words("span", text="Solve it there")

    def _alert(self, alert: Alert) -> None:
        face = SEVERITIES[alert.severity]
        with Part("div", f"due tone-{face.tone}", role="group", aria_label=alert.title):
            with Part("span", "tag"):
                icon(face.icon)
                Words("span", text=face.word)
            with Part("div", "pick-main"):
                Words("span", "strong", alert.title)
                Words("span", "soft", words.age(alert.opened_at, self._screen.board.now()))
            if alert.state is AlertState.OPEN:
                seen = button("Acknowledge", "", partial(self._acknowledge, alert), "done")
                seen.props["aria-label"] = f"Acknowledge: {alert.title}"

    async def _acknowledge(self, alert: Alert) -> None:
        await self._screen.order(AcknowledgeAlert(alert_id=alert.id), Alert)

    async def _close_idle(self) -> None:
        """Close visits until none is idle, and keep a way to each receipt."""
        set_prop(self._idle, "disabled", "")
        left: list[str] = []
        for _ in range(ROUNDS_MAX):
            order = CloseIdleVisits(reason="End of the evening")
            done = await self._screen.order(order, IdleVisitsClosed)
            if done is None:
                break
            self._receipts += done.items
            left = done.left
            if not done.items or not done.remaining:
                break
        said = words.count(len(self._receipts), "visit is closed", "visits are closed")
        held = words.count(len(left), "holds a tap", "hold a tap")
        self._screen.tell(f"{said}; {held}." if left else f"{said}.")
        self._show_receipts()

    def _show_receipts(self) -> None:
        self._gone.clear()
        with self._gone:
            Words("p", "strong", "Receipts")
            with Part("div", "choices"):
                for visit in self._receipts[:RECEIPTS_SHOWN]:
                    path = f"/visits/{visit.id}/receipt"
                    link = Part("a", "button", href=path, target="_blank")
                    with link:
                        icon("receipt_long")
                        Words("span", text=f"{visit.guest.name} · {visit.number}")

    def _toggle(self) -> None:
        self._is_checked = not self._is_checked
        pressed(self._equipment, is_on=self._is_checked)

    def _counted(self) -> int | None:
        return words.amount_of(str(self._cash.value or ""), self._screen.board.currency)

    def _show_difference(self) -> None:
        counted, shift = self._counted(), self._shift
        if counted is None or shift is None:
            self._difference.text = ""
            return
        currency = self._screen.board.currency
        expected = words.money(shift.cash_expected, currency)
        difference = words.money(counted - shift.cash_expected, currency)
        self._difference.text = f"Difference {difference}: {expected} should be there."

    async def _close(self) -> None:
        fault = self._missing()
        self._fault.text = fault
        if fault or self._shift is None:
            return
        set_prop(self._go, "disabled", "")
        order = CloseShift(
            shift_id=self._shift.id,
            equipment_checked=True,
            counted_cash=self._counted(),
            comment=str(self._comment.value or "").strip() or None,
        )
        try:
            report = await self._screen.order(order, ShiftReport)
        finally:
            set_prop(self._go, "disabled", None)
        if report is not None:
            self._closed(report)

    def _missing(self) -> str:
        if not self._can_close:
            return "Something stands in the way: see above."
        if not self._is_checked:
            return "Look at the equipment first."
        if str(self._cash.value or "").strip() and self._counted() is None:
            return "Say the cash like 345 or 345.50."
        return ""
