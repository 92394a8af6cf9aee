"""Settings: what the bar is made of and how it behaves, for managers; staff for owners."""

from functools import partial
from typing import ClassVar

from pourline.console.pages.levels import MANAGER, OWNER
from pourline.console.pages.parts import Part, Words, button, pressed
from pourline.console.pages.settings_beverages import SettingsBeverages
from pourline.console.pages.settings_house import SettingsHouse
from pourline.console.pages.settings_limits import SettingsLimits
from pourline.console.pages.settings_staff import SettingsStaff
from pourline.console.pages.settings_system import SettingsSystem
from pourline.console.pages.settings_taps import SettingsTaps
from pourline.console.pages.shell import Place, Screen, View

Tab = (
    SettingsTaps
    | SettingsBeverages
    | SettingsLimits
    | SettingsHouse
    | SettingsSystem
    | SettingsStaff
)


class Settings(View):
    """Tabs; only the one that is seen is asked for."""

    PLACE = Place(path="/settings", word="Settings", sign="settings", level=MANAGER)
    NEWS: ClassVar[frozenset[str]] = frozenset(
        {
            "config.changed",
            "tap.registered",
            "beverage.created",
            "price.changed",
            "tokens.revoked",
        }
    )

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._tabs: dict[str, Tab] = {}
        self._at = "Taps"
        self._is_fresh = False

    def build(self) -> None:
        """Lay out the tabs, the first one shown."""
        names = self._names()
        with Part("div", "view-body"):
            with Part("header", "view-head"):
                Words("h1", text="Settings")
                with Part("div", "choices", role="group", aria_label="Show"):
                    self._buttons = {
                        name: button(name, "choice", partial(self._turn_to, name)) for name in names
                    }
            for name, tab in names.items():
                with Part("div", "work") as place:
                    self._tabs[name] = tab(self.screen)
                place.set_visibility(name == self._at)
                self._tabs[name].place = place
        self._mark()

    def _names(self) -> dict[str, type[Tab]]:
        names: dict[str, type[Tab]] = {
            "Taps": SettingsTaps,
            "Beverages": SettingsBeverages,
            "Limits": SettingsLimits,
            "House": SettingsHouse,
            "System": SettingsSystem,
        }
        if self.screen.staff.level >= OWNER:
            names["Staff"] = SettingsStaff
        return names

    async def load(self) -> None:
        """Ask for what the tab shows."""
        at = self._at
        await self._tabs[at].load()
        self._is_fresh = at == self._at

    def show(self) -> None:
        """Show what was answered."""
        if self._is_fresh:
            self._tabs[self._at].show()

    def _turn_to(self, name: str) -> None:
        self._at, self._is_fresh = name, False
        for each, tab in self._tabs.items():
            tab.place.set_visibility(each == name)
        self._mark()
        self.screen.refresh()

    def _mark(self) -> None:
        for name, one in self._buttons.items():
            pressed(one, is_on=name == self._at)
