"""Dialogs: one question, reasons a thumb can choose, one button that says what it does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from nicegui import ui

from pourline.console.pages.parts import Part, Words, button, set_classes, set_prop

TEXT_MAX = 120

Send = Callable[[str], Awaitable[bool]]
"""Takes what was written; returns whether it was done, and the dialog closes."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a dialog asks; `is_grave` colours its button, `must_say` wants a text."""

    title: str
    verb: str
    note: str = ""
    label: str = "Reason"
    reasons: tuple[str, ...] = ()
    is_grave: bool = False
    must_say: bool = True


class CommentDialog:
    """Asks for a text and sends it."""

    def __init__(self) -> None:
        self._send: Send | None = None
        self._is_busy = False
        self._ask = Ask(title="", verb="")
        with ui.dialog() as self._dialog, Part("div", "dialog"):
            self._title = Words("h2", "dialog-title")
            self._note = Words("p", "dialog-note")
            self._reasons = Part("div", "reasons")
            self._text = ui.input("Reason").props(f"outlined maxlength={TEXT_MAX}")
            self._text.classes("reason").on("keydown.enter", self._confirm, args=[])
            self._fault = Words("p", "fault", role="alert")
            with Part("div", "dialog-buttons"):
                button("Cancel", "", self._dialog.close)
                self._go = button("", "primary", self._confirm)
        with self._go:
            self._go.clear()
            self._go_text = Words("span")

    def open(self, ask: Ask, send: Send) -> None:
        """Ask, and hand what is written to `send`."""
        self._ask, self._send = ask, send
        self._title.text, self._note.text = ask.title, ask.note
        self._go_text.text = ask.verb
        set_classes(self._go, f"button {'danger' if ask.is_grave else 'primary'}")
        self._text.props(f'label="{ask.label}"')
        self._fault.text, self._text.value = "", ""
        self._reasons.clear()
        with self._reasons:
            for reason in ask.reasons:
                button(reason, "chip-button", partial(self._choose, reason))
        self._dialog.open()

    def _choose(self, reason: str) -> None:
        self._text.value = reason

    async def _confirm(self) -> None:
        text = str(self._text.value or "").strip()
        if self._ask.must_say and not text:
            self._fault.text = "Say why: it is kept with your name."
            return
        if self._send is None or self._is_busy:
            return
        self._is_busy = True
        set_prop(self._go, "disabled", "")
        try:
            done = await self._send(text[:TEXT_MAX])
        finally:
            self._is_busy = False
            set_prop(self._go, "disabled", None)
        if done:
            self._dialog.close()
