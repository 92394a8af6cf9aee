"""Settings: what the bar is made of and how it behaves, for managers; staff for owners."""

from collections.abc import Callable
from typing import ClassVar

from pourline.console.pages.levels import MANAGER, OWNER
from pourline.console.pages.settings_beverages import SettingsBeverages
from pourline.console.pages.settings_house import SettingsHouse
from pourline.console.pages.settings_limits import SettingsLimits
from pourline.console.pages.settings_staff import SettingsStaff
from pourline.console.pages.settings_system import SettingsSystem
from pourline.console.pages.settings_taps import SettingsTaps
from pourline.console.pages.shell import Place, Screen
from pourline.console.pages.tabbed import Tab, TabbedView


class Settings(TabbedView):
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

    def tabs(self) -> dict[str, Callable[[Screen], Tab]]:
        """Return the tabs; accounts are the owner's."""
        makers: dict[str, Callable[[Screen], Tab]] = {
            "Taps": SettingsTaps,
            "Beverages": SettingsBeverages,
            "Limits": SettingsLimits,
            "House": SettingsHouse,
            "System": SettingsSystem,
        }
        if self.screen.staff.level >= OWNER:
            makers["Staff"] = SettingsStaff
        return makers
