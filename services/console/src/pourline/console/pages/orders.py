"""Stopping and resuming a tap: the one dialog of the floor, with reasons a thumb can choose."""

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from pourline.console.pages.parts import Part, Words, button, set_classes, set_prop
from pourline.console.pages.views import TapView
from pourline.contracts.taps import ResumeTap, StopTap, TapOrder

REASON_MAX = 120
STOP_REASONS = ("Foam", "Leak", "Guest has had enough", "Keg change")
RESUME_REASONS = ("Fixed", "Cleaned", "Stopped by mistake")

Send = Callable[[TapOrder], Awaitable[bool]]


class OrderDialog:
    """Asks for the reason and sends the order."""

    def __init__(self, *, send: Send) -> None:
        self._send = send
        self._view: TapView | None = None
        with ui.dialog() as self._dialog, Part("div", "dialog"):
            self._title = Words("h2", "dialog-title")
            self._note = Words("p", "dialog-note")
            self._reasons = Part("div", "reasons")
            self._reason = ui.input("Reason").props(f"outlined maxlength={REASON_MAX}")
            self._reason.classes("reason").on("keydown.enter", self._confirm, args=[])
            self._fault = Words("p", "fault", role="alert")
            with Part("div", "dialog-buttons"):
                button("Cancel", "", self._dialog.close)
                self._go = button("", "primary", self._confirm)
        with self._go:
            self._go.clear()
            self._go_text = Words("span")

    def open(self, view: TapView) -> None:
        """Ask why `view`'s tap shall be stopped, or resumed if it rests."""
        self._view = view
        verb = "Resume" if view.can_resume else "Stop"
        self._title.text = f"{verb} tap {view.tap_id}{' · ' + view.name if view.name else ''}"
        self._note.text = (
            "The tap may pour again."
            if view.can_resume
            else "The valve shuts at once and stays shut until somebody resumes the tap."
        )
        self._go_text.text = f"{verb} tap"
        set_classes(self._go, f"button {'primary' if view.can_resume else 'danger'}")
        self._fault.text = ""
        self._reason.value = ""
        self._offer(RESUME_REASONS if view.can_resume else STOP_REASONS)
        self._dialog.open()

    def _offer(self, reasons: tuple[str, ...]) -> None:
        self._reasons.clear()
        with self._reasons:
            for reason in reasons:
                button(reason, "chip-button", partial(self._choose, reason))

    def _choose(self, reason: str) -> None:
        self._reason.value = reason

    async def _confirm(self) -> None:
        reason = str(self._reason.value or "").strip()
        if not reason:
            self._fault.text = "Say why: the reason is kept with your name."
            return
        if self._view is None:
            return
        model = ResumeTap if self._view.can_resume else StopTap
        set_prop(self._go, "disabled", "")
        try:
            done = await self._send(model(tap_id=self._view.tap_id, reason=reason[:REASON_MAX]))
        finally:
            set_prop(self._go, "disabled", None)
        if done:
            self._dialog.close()
