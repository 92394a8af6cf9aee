"""Taps: their list, and a new one with the secret of its controller."""

from collections.abc import Mapping

from nicegui import ui

from pourline.console.pages.forms import Field, Form, Values
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.listing import freshened, rows_of
from pourline.console.pages.parts import (
    Part,
    Words,
    bring_into_view,
    button,
    fact,
    icon,
    icon_button,
)
from pourline.console.pages.secrets import SecretCard
from pourline.console.pages.shell import Screen
from pourline.console.pages.words import tap_name
from pourline.contracts.base import Command, Listing
from pourline.contracts.cards import AS_PRINTED, READER_PROFILES
from pourline.contracts.cellar import Beverage, ListBeverages
from pourline.contracts.taps import CreateTap, ListTaps, Tap, TapWithSecret


class SettingsTaps:
    """A card a tap."""

    place: ui.element

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._taps: list[Tap] = []
        self._beverages: list[Beverage] = []
        self._shown: object = None
        with Part("div", "view-head"):
            button("New tap", "primary", self._open_new, "add")
        self._secret = SecretCard()
        self._new = Part("section", "chosen", aria_label="New tap")
        self._list = Part("section", "cards", aria_label="Taps")

    async def load(self) -> None:
        """Ask for taps and what they can pour."""
        self._taps = await rows_of(self._screen, ListTaps(), Listing[Tap])
        self._beverages = await rows_of(self._screen, ListBeverages(), Listing[Beverage])

    def show(self) -> None:
        """Show the taps, if what is set about them is different."""
        shown = [
            (one.id, one.name, one.location, one.beverage, one.reader_profile) for one in self._taps
        ]
        if shown == self._shown:
            return
        self._shown = shown
        self._list.clear()
        with self._list:
            for tap_id, name, location, beverage, reader in shown:
                with Part("article", "card", aria_label=f"Tap {tap_id}"):
                    Words("h2", text=tap_name(tap_id, name))
                    with Part("dl", "facts"):
                        fact("Pours", beverage or "whatever is connected")
                        fact("Location", location)
                        fact("Cards are read as", reader)
            if not shown:
                with Part("div", "empty"):
                    icon("sports_bar")
                    Words("p", text="No taps yet.")

    async def _open_new(self) -> None:
        await freshened(self.load)
        self._new.clear()
        with self._new, Part("article", "card", aria_label="New tap"):
            with Part("header", "view-head"):
                Words("h2", text="New tap")
                icon_button("Leave", "close", self._new.clear)
            form = Form(
                self._screen, level=MANAGER, make=make_tap, answer=TapWithSecret, done=self._created
            )
            names = {one.id: one.name for one in self._beverages}
            form.build("Create tap", tap_fields(names), sign="add")
        bring_into_view(self._new)

    def _created(self, tap: TapWithSecret) -> None:
        self._new.clear()
        self._secret.show(f"Secret of tap {tap.id}", tap.secret)


def tap_fields(beverages: Mapping[str, str]) -> tuple[Field, ...]:
    """Return what is asked about a new tap."""
    return (
        Field(name="id", label="Tap's id, as devices name it", hint="1"),
        Field(name="name", label="Tap's name", hint="Left wall"),
        Field(
            name="beverage",
            label="Pours",
            options={**beverages, "": "Whatever is connected"},
        ),
        Field(name="location", label="Location", value="main"),
        Field(
            name="reader",
            label="Its reader writes cards as",
            options={one: one for one in READER_PROFILES},
            value=AS_PRINTED,
        ),
    )


def make_tap(values: Values) -> Command:
    """Return the order for a new tap; raises `ValidationError`."""
    return CreateTap(
        id=values["id"],
        name=values["name"],
        beverage_id=values["beverage"] or None,
        location=values["location"] or "main",
        reader_profile=values["reader"],
    )
