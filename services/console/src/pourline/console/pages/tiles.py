"""A tap's tile: what it is, how it is, what runs."""

from collections.abc import Callable

from nicegui import ui

from pourline.console.pages.parts import (
    Part,
    Words,
    button,
    icon,
    set_classes,
    set_icon,
    set_prop,
    set_width,
)
from pourline.console.pages.views import TapView
from pourline.console.pages.words import tap_name

SHORT_ID = 5
"""A longer id is written small."""

Order = Callable[[TapView], None]


class Tile:
    """One tap on the floor."""

    def __init__(self, view: TapView, *, order: Order | None) -> None:
        self._view: TapView | None = None
        self.root = Part("article", "tile", data_tap=view.tap_id)
        with self.root:
            self._head(view)
            self._drink()
            self._level()
            with Part("footer", "foot-row"):
                self._live()
                self._stop_or_resume(order)
        self.show(view)

    def show(self, view: TapView) -> None:
        """Show `view`; only what differs is sent."""
        if view == self._view:
            return
        self._view = view
        live = " pouring" if view.poured and view.face.tone == "live" else ""
        set_classes(self.root, f"tile tone-{view.face.tone}{live}{' low' if view.warning else ''}")
        name = tap_name(view.tap_id, view.name)
        set_prop(self.root, "aria-label", f"{name}: {view.face.word}")
        self._name.text = view.name
        set_icon(self._sign, view.face.icon)
        self._word.text = view.face.word
        self._beverage.text = view.beverage
        self._price.text = view.price
        self._show_level(view)
        self._show_live(view)

    def _head(self, view: TapView) -> None:
        with Part("header", "tile-head"):
            with Part("h2", "tile-name"):
                long = " long" if len(view.tap_id) > SHORT_ID else ""
                Words("span", f"tile-id{long}", view.tap_id, title=view.tap_id)
                self._name = Words("span", "tile-title")
            with Part("p", "state"):
                self._sign = icon("help")
                self._word = Words("span", "state-word")

    def _drink(self) -> None:
        with Part("div", "drink"):
            self._beverage = Words("p", "beverage")
            self._price = Words("p", "price")

    def _level(self) -> None:
        with Part("div", "level"):
            self._bar = Part("div", "bar", role="meter", aria_valuemin="0", aria_valuemax="100")
            set_prop(self._bar, "aria-label", "Keg level")
            with self._bar:
                self._fill = Part("div", "fill")
            with Part("p", "level-text"):
                self._volume = Words("span", "level-volume")
                self._low = Part("span", "level-low")
                with self._low:
                    icon("warning")
                    self._warning = Words("span")
                self._percent = Words("span", "level-percent")

    def _stop_or_resume(self, order: Order | None) -> None:
        if order:
            self._stop = button("Stop", "stop", lambda: self._ordered(order), "pan_tool")
            self._resume = button("Resume", "", lambda: self._ordered(order), "play_arrow")
        else:
            self._stop = self._resume = ui.element("span")

    def _live(self) -> None:
        with Part("div", "live"):
            self._guest = Words("p", "guest")
            with Part("p", "running"):
                self._poured = Words("span", "poured")
                self._cost = Words("span", "cost")
            self._note = Words("p", "note")
            self._foot = Words("p", "foot")

    def _show_level(self, view: TapView) -> None:
        shown = 0 if view.percent is None else view.percent
        set_prop(self._bar, "aria-valuenow", str(shown))
        set_prop(self._bar, "aria-valuetext", f"{view.level}, {shown} %")
        set_width(self._fill, shown)
        self._volume.text = view.level
        self._warning.text = view.warning
        self._low.set_visibility(bool(view.warning))
        self._percent.text = "" if view.percent is None else f"{view.percent} %"

    def _show_live(self, view: TapView) -> None:
        self._guest.text = view.guest
        self._poured.text = view.poured
        self._cost.text = view.cost
        self._foot.text = "" if view.poured and view.guest else view.foot
        self._note.text = view.note
        if self._stop is self._resume:
            return
        self._stop.set_visibility(not view.can_resume)
        self._resume.set_visibility(view.can_resume)

    def _ordered(self, order: Order) -> None:
        if self._view:
            order(self._view)


class Tiles:
    """All tiles, in the order of their taps."""

    def __init__(self, *, order: Order | None, may_set_up: bool = False) -> None:
        self._order = order
        self._may_set_up = may_set_up
        self._tiles: dict[str, Tile] = {}
        self._grid = Part("section", "tiles", aria_label="Taps")
        with self._grid:
            self._empty()

    def show(self, views: list[TapView], *, known: bool) -> None:
        """Show `views`; another set of taps is laid out anew, which is rare."""
        if [view.tap_id for view in views] != list(self._tiles):
            self._lay_out(views)
        for view in views:
            self._tiles[view.tap_id].show(view)
        self._nothing.set_visibility(not views)
        self._nothing_yet.text = "No taps yet." if known else "Waiting for the taps…"
        self._set_up.set_visibility(known and self._may_set_up)

    def _lay_out(self, views: list[TapView]) -> None:
        self._grid.clear()
        with self._grid:
            self._empty()
            self._tiles = {view.tap_id: Tile(view, order=self._order) for view in views}

    def _empty(self) -> None:
        self._nothing = Part("div", "empty")
        with self._nothing:
            icon("sports_bar")
            self._nothing_yet = Words("p")
            self._set_up = Part("a", "button primary", href="/settings/first")
            with self._set_up:
                icon("flag")
                Words("span", text="Set the bar up")
