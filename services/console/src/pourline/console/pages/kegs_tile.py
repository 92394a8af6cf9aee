"""A tap in the cellar: its keg, how full, and what may be done with it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from pourline.console.pages import words
from pourline.console.pages.forms import once
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
from pourline.console.pages.views import RESUMABLE, TapView
from pourline.contracts.device import TapState
from pourline.contracts.losses import KegForecast
from pourline.contracts.taps import Tap

Act = Callable[[str, str], Awaitable[object]]
"""Takes the tap and the key of the pressing."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What may be done with a tap: the first two open a panel, the others are done at once."""

    swap: Callable[[str], None]
    off: Callable[[str], None]
    clean: Act
    resume: Act


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What stands below the level: how long the keg lasts, and when the line is to be cleaned."""

    cleaning: str = ""
    outlook: str = ""


def outlook_words(one: KegForecast | None, zone: ZoneInfo) -> str:
    """Say when a keg will be empty and how long it has been open, in its owner's words."""
    if one is None:
        return ""
    said = f"{'No forecast' if one.rate_ml_day is None else 'Lasts for long'}: {one.basis}"
    if one.runs_out_at is not None:
        said = f"Runs out about {words.moment(one.runs_out_at, zone)} ({one.basis})"
    if one.fresh_days:
        said += f" · open for {words.count(one.fresh_days, 'day', 'days')}"
    return said


class KegTile:
    """One tap; it changes in place, so that no press is lost."""

    def __init__(self, tap_id: str, orders: Orders | None) -> None:
        self._tap_id = tap_id
        self._shown: object = None
        self._root = Part("article", "card toned", data_tap=tap_id)
        with self._root:
            with Part("header", "tile-head"):
                self._name = Words("h2")
                with Part("p", "state"):
                    self._sign = icon("help")
                    self._word = Words("span")
            self._beverage = Words("p", "strong")
            self._level()
            self._outlook = Words("p", "soft")
            self._cleaning = Words("p", "soft")
            self._actions(orders)

    def _level(self) -> None:
        with Part("div", "level"):
            self._bar = Part("div", "bar", role="meter", aria_valuemin="0", aria_valuemax="100")
            set_prop(self._bar, "aria-label", f"Keg level of tap {self._tap_id}")
            with self._bar:
                self._fill = Part("div", "fill")
            with Part("p", "level-text"):
                self._volume = Words("span")
                self._low = Part("span", "level-low")
                with self._low:
                    icon("warning")
                    self._warning = Words("span")
                self._percent = Words("span", "level-percent")

    def _actions(self, orders: Orders | None) -> None:
        with Part("div", "card-actions") as self._buttons:
            if orders is None:
                return
            self._swap = button("Change keg", "primary", partial(orders.swap, self._tap_id), "sync")
            self._connect = button(
                "Connect keg", "primary", partial(orders.swap, self._tap_id), "add_link"
            )
            self._off = button("Take off", "", partial(orders.off, self._tap_id), "link_off")
            self._clean = once(
                "Clean line", "", partial(orders.clean, self._tap_id), "cleaning_services"
            )
            self._cleaned = once("Cleaning done", "", partial(orders.resume, self._tap_id), "done")
            self._resume = once(
                "Resume tap", "", partial(orders.resume, self._tap_id), "play_arrow"
            )

    def show(self, view: TapView, tap: Tap, notes: Notes) -> None:
        """Show the tap; only what differs is sent."""
        shown = view, tap.keg_id, tap.state, notes
        if shown == self._shown:
            return
        self._shown = shown
        low = " low" if view.warning else ""
        set_classes(self._root, f"card toned tone-{view.face.tone}{low}")
        name = words.tap_name(view.tap_id, view.name)
        set_prop(self._root, "aria-label", name)
        self._name.text = name
        set_icon(self._sign, view.face.icon)
        self._word.text = view.face.word
        self._beverage.text = view.beverage
        self._cleaning.text, self._outlook.text = notes.cleaning, notes.outlook
        self._show_level(view)
        if len(self._buttons.default_slot.children):
            self._show_actions(tap)

    def _show_level(self, view: TapView) -> None:
        percent = view.percent or 0
        set_prop(self._bar, "aria-valuenow", str(percent))
        set_prop(self._bar, "aria-valuetext", f"{view.level}, {percent} %")
        set_width(self._fill, percent)
        self._volume.text = view.level
        self._warning.text = view.warning
        self._low.set_visibility(bool(view.warning))
        self._percent.text = "" if view.percent is None else f"{view.percent} %"

    def _show_actions(self, tap: Tap) -> None:
        rests, cleans = tap.state in RESUMABLE, tap.state is TapState.CLEANING
        self._swap.set_visibility(tap.keg_id is not None)
        self._connect.set_visibility(tap.keg_id is None)
        self._off.set_visibility(tap.keg_id is not None)
        self._clean.set_visibility(not rests)
        self._cleaned.set_visibility(cleans)
        self._resume.set_visibility(rests and not cleans)
