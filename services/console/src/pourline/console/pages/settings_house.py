"""How the house behaves: flags, thresholds, recipients, time zone, money, units, the till."""

from typing import Any

from nicegui import ui

from pourline.console.pages.forms import Choice, key_for, once
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.parts import Part, Words, field, icon, set_classes, set_icon
from pourline.console.pages.settings_keys import GROUPS, Kind, Setting, text_of, value_of
from pourline.console.pages.shell import Screen
from pourline.contracts.base import Listing
from pourline.contracts.taps import ConfigEntry, ListConfig, PutConfig


class SettingsHouse:
    """A row a configuration key, in groups; what a row holds unsaved stays."""

    place: ui.element

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._config: dict[str, Any] = {}
        self._rows: dict[str, _Row] = {}
        self._root = Part("div", "work")

    async def load(self) -> None:
        """Ask for every key and its value."""
        page = await self._screen.ask(ListConfig(limit=1000), Listing[ConfigEntry])
        self._config = {one.key: one.value for one in page.items}

    def show(self) -> None:
        """Show the keys that the owner has, each with its value."""
        if not self._rows and self._config:
            self._lay_out()
        for key, row in self._rows.items():
            row.show(self._config.get(key))

    def _lay_out(self) -> None:
        with self._root:
            for title, settings in GROUPS:
                there = [one for one in settings if one.key in self._config]
                if not there:
                    continue
                with Part("section", "card", aria_label=title):
                    Words("h2", text=title)
                    for one in there:
                        self._rows[one.key] = _Row(self._screen, one)


class _Row:
    """One key: its words, its value, and what sets it."""

    def __init__(self, screen: Screen, setting: Setting) -> None:
        self._screen = screen
        self._setting = setting
        self._shown: object = _Row
        self._said = ""
        with Part("div", "setting", data_key=setting.key):
            with Part("div", "setting-words"):
                Words("p", "strong", setting.label)
                Words("p", "soft", setting.note)
            with Part("div", "setting-value"):
                if setting.kind is Kind.SWITCH:
                    self._build_switch()
                else:
                    self._build_field()

    def _build_switch(self) -> None:
        with Part("span", "tag") as self._tag:
            self._sign = icon("help")
            self._word = Words("span")
        label = self._setting.label
        self._off = once("Turn off", "", self._turn_off, "toggle_on")
        self._off.props["aria-label"] = f"Turn off: {label}"
        self._on = once("Turn on", "", self._turn_on, "toggle_off")
        self._on.props["aria-label"] = f"Turn on: {label}"

    def _build_field(self) -> None:
        label = self._setting.label
        self._field: ui.input | Choice
        if self._setting.options:
            self._field = Choice(label, self._setting.options)
        else:
            self._field = field(label, length=4000)
        self._fault = Words("p", "fault", role="alert")
        save = once("Save", "", self._save)
        save.props["aria-label"] = f"Save: {label}"

    def show(self, value: object) -> None:
        """Show the value in force, if it is another one; what somebody is typing stays."""
        if value == self._shown:
            return
        self._shown = value
        if self._setting.kind is Kind.SWITCH:
            is_on = value is True
            set_classes(self._tag, f"tag tone-{'good' if is_on else 'warn'}")
            set_icon(self._sign, "check_circle" if is_on else "warning")
            self._word.text = "On" if is_on else "Off"
            self._off.set_visibility(is_on)
            self._on.set_visibility(not is_on)
        elif isinstance(self._field, Choice):
            self._field.set(str(value))
        else:
            said, self._said = self._said, text_of(self._setting, value)
            if (self._field.value or "") == said:
                self._field.value = self._said

    async def _turn_off(self, key: str) -> ConfigEntry | None:
        return await self._put(value=False, key=key)

    async def _turn_on(self, key: str) -> ConfigEntry | None:
        return await self._put(value=True, key=key)

    async def _save(self, key: str) -> ConfigEntry | None:
        self._fault.text = ""
        try:
            value = value_of(self._setting, str(self._field.value or ""))
        except ValueError as error:
            self._fault.text = str(error)
            return None
        return await self._put(value=value, key=key)

    async def _put(self, *, value: object, key: str) -> ConfigEntry | None:
        if self._screen.staff.level < MANAGER:
            return None
        order = PutConfig(key=self._setting.key, value=value)
        done = await self._screen.order(order, ConfigEntry, key=key_for(key, value))
        if done is not None:
            self._screen.tell(f"{self._setting.label}: saved.")
        return done
