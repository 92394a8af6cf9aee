"""The alert board: what needs a person, most urgent first, told aloud to screen readers."""

from collections.abc import Awaitable, Callable

from pourline.console.pages import words
from pourline.console.pages.parts import (
    Part,
    Words,
    button,
    icon,
    set_classes,
    set_icon,
    set_prop,
)
from pourline.console.pages.views import AlertView

SHOWN_MAX = 50
"""Nobody reads further in one go; the rest is counted."""

Acknowledge = Callable[[AlertView], Awaitable[None]]


class Row:
    """One alert."""

    def __init__(self, view: AlertView, *, acknowledge: Acknowledge) -> None:
        self._view = view
        self._acknowledge = acknowledge
        self.root = Part("li", "alert", data_alert=view.alert_id)
        with self.root:
            self._sign = icon(view.face.icon)
            with Part("div", "alert-text"):
                with Part("p", "alert-head"):
                    self._word = Words("span", "alert-word")
                    self._age = Words("span", "alert-age")
                self._title = Words("h3", "alert-title")
                self._message = Words("p", "alert-message")
                with Part("p", "alert-seen") as self._seen:
                    icon("done_all")
                    self._by = Words("span")
                self._button = button("Acknowledge", "small", self._pressed, "done")
        self.show(view)

    def show(self, view: AlertView) -> None:
        """Show `view`."""
        self._view = view
        seen = bool(view.acknowledged)
        set_classes(self.root, f"alert tone-{view.face.tone}{' seen' if seen else ''}")
        set_icon(self._sign, view.face.icon)
        self._word.text = view.face.word
        self._age.text = view.age
        self._title.text = view.title
        self._message.text = view.message
        self._by.text = view.acknowledged
        self._seen.set_visibility(seen)
        self._button.set_visibility(not seen)
        set_prop(self._button, "aria-label", f"Acknowledge: {view.title}")

    async def _pressed(self) -> None:
        set_prop(self._button, "disabled", "")
        try:
            await self._acknowledge(self._view)
        finally:
            set_prop(self._button, "disabled", None)


class Alerts:
    """The board of alerts beside the taps; on a phone it folds to the most urgent one."""

    def __init__(self, *, acknowledge: Acknowledge) -> None:
        self._acknowledge = acknowledge
        self._rows: dict[str, Row] = {}
        self._announced: set[str] | None = None
        self._root = Part("aside", "alerts folded", id="alerts", aria_label="Alerts")
        with self._root:
            with Part("h2", "alerts-head"):
                Words("span", text="Alerts")
                self._count = Words("span", "alerts-count")
            with Part("div", "quiet") as self._quiet:
                icon("nightlight")
                Words("p", text="All quiet. Nothing needs you.")
            self._list = Part("ul", "alert-list")
            self._more = Words("p", "more")
            self._unfold = button("", "unfold", self._toggle)
            self._urgent = Words("div", "sr-only", aria_live="assertive", role="alert")
            self._polite = Words("div", "sr-only", aria_live="polite", role="status")
        with self._unfold:
            self._unfold.clear()
            self._unfold_text = Words("span")

    def show(self, views: list[AlertView]) -> None:
        """Show `views` in their order and tell what is new."""
        shown = views[:SHOWN_MAX]
        for gone in self._rows.keys() - {view.alert_id for view in shown}:
            self._rows.pop(gone).root.delete()
        for place, view in enumerate(shown):
            self._place(place, view)
        self._count.text = str(len(views)) if views else ""
        self._quiet.set_visibility(not views)
        hidden = len(views) - len(shown)
        self._more.text = f"and {hidden} more" if hidden else ""
        self._unfold.set_visibility(len(views) > 1)
        self._set_unfold_text()
        self._announce(views)

    def _place(self, place: int, view: AlertView) -> None:
        row = self._rows.get(view.alert_id)
        if row is None:
            with self._list:
                row = self._rows[view.alert_id] = Row(view, acknowledge=self._acknowledge)
        else:
            row.show(view)
        children = self._list.default_slot.children
        if children[place] is not row.root:
            row.root.move(target_index=place)

    def _announce(self, views: list[AlertView]) -> None:
        """Tell new alerts aloud; those that stood before the page was opened only by number."""
        ids = {view.alert_id for view in views}
        if self._announced is None:
            self._polite.text = words.count(len(views), "alert stands", "alerts stand")
        else:
            new = [view for view in views if view.alert_id not in self._announced]
            for view in reversed(new):
                region = self._urgent if view.face.tone == "bad" else self._polite
                region.text = f"{view.face.word}: {view.title}. {view.message}"
        self._announced = ids

    def _toggle(self) -> None:
        folded = "folded" in self._root.classes
        set_classes(self._root, "alerts" if folded else "alerts folded")
        self._set_unfold_text()

    def _set_unfold_text(self) -> None:
        folded = "folded" in self._root.classes
        rest = words.count(len(self._rows) - 1, "more alert", "more alerts")
        self._unfold_text.text = f"Show {rest}" if folded else "Show fewer"
        set_prop(self._unfold, "aria-expanded", "false" if folded else "true")
