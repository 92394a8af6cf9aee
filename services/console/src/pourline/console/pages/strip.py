"""The strip at the top: counts that need a person, and how far the page can be believed."""

from pourline.console.pages import words
from pourline.console.pages.levels import SENIOR
from pourline.console.pages.parts import (
    Part,
    Words,
    icon,
    set_classes,
    set_icon,
    set_prop,
)
from pourline.console.pages.staff import Staff
from pourline.console.pages.views import StripView


class Chip:
    """A count with its icon and word; quiet while it is zero."""

    def __init__(self, sign: str, tone: str) -> None:
        self._tone = tone
        self.root = Part("a", "chip", href="/alerts" if tone else "/#taps")
        with self.root:
            icon(sign)
            self._number = Words("span", "chip-number")
            self._word = Words("span", "chip-word")

    def show(self, number: int, word: str) -> None:
        """Show a count."""
        set_classes(self.root, f"chip tone-{self._tone or 'warn'}{'' if number else ' zero'}")
        self._number.text = str(number)
        self._word.text = word


class Strip:
    """The page's header."""

    def __init__(self, staff: Staff) -> None:
        with Part("header", "strip"):
            with Part("p", "brand"):
                Part("span", "brand-mark", aria_hidden="true")
                Words("span", "brand-name", "Pourline")
            with Part("nav", "chips", aria_label="Needs attention"):
                self._critical = Chip("error", "bad")
                self._warning = Chip("warning", "warn")
                self._info = Chip("info", "rest")
                self._offline = Chip("cloud_off", "")
                self._pending = Chip("sync", "")
            with Part("a", "shift-chip", href="/shift") as self._shift:
                icon("schedule")
                self._shift_text = Words("span")
            if staff.level < SENIOR:  # who may not see the shift's view is told and not led there
                set_prop(self._shift, "href", None)
            with Part("p", "link", role="status", aria_live="polite") as self._link:
                self._link_sign = icon("podcasts")
                self._link_text = Words("span", "link-text")
            with Part("div", "me"):
                self._theme()
                Words("span", "me-name", staff.username)
                with Part("form", "me-out", method="post", action="/logout"):
                    out = Part("button", "button round", type="submit", aria_label="Sign out")
                    set_prop(out, "title", f"Sign out {staff.username}")
                    with out:
                        icon("logout")

    def show(self, view: StripView) -> None:
        """Show counts and links."""
        self._critical.show(view.critical, "critical")
        self._warning.show(view.warning, "warning" if view.warning == 1 else "warnings")
        self._info.show(view.info, "info")
        self._offline.show(view.offline, "offline")
        self._pending.show(view.pending, "to sync")
        set_classes(
            self._shift, "shift-chip" if view.is_shift_open else "shift-chip tone-warn shut"
        )
        self._shift_text.text = view.shift
        self._shift.set_visibility(bool(view.shift))
        stale = " · ".join(filter(None, (view.taps_stale, view.alerts_stale)))
        set_classes(self._link, "link stale" if stale else "link")
        set_icon(self._link_sign, "link_off" if stale else "podcasts")
        live = f"Live · {words.count(view.taps, 'tap', 'taps')}"
        self._link_text.text = stale or live

    @staticmethod
    def _theme() -> None:
        toggle = Part("button", "button round", type="button", aria_label="Light or dark")
        set_prop(toggle, "title", "Light or dark")
        toggle.on("click", js_handler="() => toggleTheme()")
        with toggle:
            icon("contrast")
