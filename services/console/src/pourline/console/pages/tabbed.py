"""A view of several tabs behind buttons, of which only the one that is seen is asked for."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from nicegui import ui

from pourline.console.pages.parts import Part, Words, button, pressed
from pourline.console.pages.shell import Screen, View


class Tab(Protocol):
    """What stands behind one button; it lays itself out when it is made, in its `place`."""

    place: ui.element

    async def load(self) -> None:
        """Ask for what it shows."""
        ...

    def show(self) -> None:
        """Show what was answered."""
        ...


class TabbedView(View):
    """Tabs by their names, the first one shown at first."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._tabs: dict[str, Tab] = {}
        self._makers = self.tabs()
        self._at = next(iter(self._makers))
        self._is_fresh = False

    def tabs(self) -> dict[str, Callable[[Screen], Tab]]:
        """Return what makes each tab that this member of staff may see."""
        raise NotImplementedError

    def beside(self) -> None:
        """Lay out what stands beside the buttons: nothing, unless the view has something."""

    def build(self) -> None:
        """Lay out the tabs, the first one shown."""
        with Part("div", "view-body"):
            with Part("header", "view-head"):
                Words("h1", text=self.PLACE.word)
                with Part("div", "choices", role="group", aria_label="Show"):
                    self._buttons = {
                        name: button(name, "choice", partial(self._turn_to, name))
                        for name in self._makers
                    }
                self.beside()
            for name, make in self._makers.items():
                with Part("div", "work") as place:
                    self._tabs[name] = make(self.screen)
                place.set_visibility(name == self._at)
                self._tabs[name].place = place
        self._mark()

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
