"""Staff's accounts, for owners: who there is, their levels, passwords and PINs, and their end."""

from functools import partial

from nicegui import ui

from pourline.console.pages.forms import Field, Form, Make, Values, once
from pourline.console.pages.levels import OWNER
from pourline.console.pages.listing import rows_of
from pourline.console.pages.parts import Part, Words, bring_into_view, button, icon, icon_button
from pourline.console.pages.shell import Screen
from pourline.contracts.base import Command, Listing
from pourline.contracts.staff import (
    DeactivateStaff,
    ListStaff,
    ReactivateStaff,
    ResetPassword,
    SetPin,
    SetStaffLevel,
)
from pourline.contracts.taps import CreateStaff, Staff

LEVELS = {"1": "1 service", "2": "2 senior", "3": "3 supervisor", "4": "4 manager", "5": "5 owner"}


class SettingsStaff:
    """A card an account; owners only."""

    place: ui.element

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._staff: list[Staff] = []
        self._shown: object = None
        with Part("div", "view-head"):
            button("New account", "primary", self._open_new, "person_add")
        self._panel = Part("section", "chosen", aria_label="Account")
        self._list = Part("section", "cards", aria_label="Staff")

    async def load(self) -> None:
        """Ask for every account."""
        self._staff = await rows_of(self._screen, ListStaff(), Listing[Staff])

    def show(self) -> None:
        """Show the accounts, if they are others."""
        if self._staff == self._shown:
            return
        self._shown = self._staff
        self._list.clear()
        with self._list:
            for one in self._staff:
                self._account(one)

    def _account(self, one: Staff) -> None:
        tone, sign, word = (
            ("good", "check_circle", "Active") if one.active else ("off", "block", "Deactivated")
        )
        with Part("article", f"card toned tone-{tone}", aria_label=one.username):
            with Part("header", "view-head"):
                Words("h2", text=one.username)
                with Part("span", f"tag tone-{tone}"):
                    icon(sign)
                    Words("span", text=word)
            pin = "has a PIN" if one.has_pin else "no PIN"
            Words("p", "soft", f"Level {LEVELS.get(str(one.level), str(one.level))}, {pin}")
            with Part("div", "card-actions"):
                if one.active:
                    button("Level", "", partial(self._open_level, one), "military_tech")
                    button("Password", "", partial(self._open_password, one), "password")
                    button("PIN", "", partial(self._open_pin, one), "dialpad")
                    once("Deactivate", "", partial(self._deactivate, one), "block")
                else:
                    once("Let in again", "", partial(self._reactivate, one), "done")

    async def _deactivate(self, one: Staff, key: str) -> Staff | None:
        if self._screen.staff.level < OWNER:
            return None
        return await self._screen.order(DeactivateStaff(staff_id=one.id), Staff, key=key)

    async def _reactivate(self, one: Staff, key: str) -> Staff | None:
        if self._screen.staff.level < OWNER:
            return None
        return await self._screen.order(ReactivateStaff(staff_id=one.id), Staff, key=key)

    def _open_new(self) -> None:
        fields = (
            Field(name="username", label="Login name"),
            Field(name="password", label="Its password", kind="password"),
            Field(name="level", label="Level", options=LEVELS),
        )
        self._open("New account", "Create account", _make_account, fields)

    def _open_level(self, one: Staff) -> None:
        def make(values: Values) -> Command:
            return SetStaffLevel(staff_id=one.id, level=int(values["level"]))

        field = Field(name="level", label="Level", options=LEVELS, value=str(one.level))
        self._open(f"Level of {one.username}", "Set level", make, (field,))

    def _open_password(self, one: Staff) -> None:
        def make(values: Values) -> Command:
            return ResetPassword(staff_id=one.id, password=values["password"])

        field = Field(name="password", label="Its new password", kind="password")
        self._open(f"Password of {one.username}", "Set password", make, (field,))

    def _open_pin(self, one: Staff) -> None:
        def make(values: Values) -> Command:
            return SetPin(staff_id=one.id, pin=values["pin"])

        field = Field(name="pin", label="PIN, 4 to 8 digits", kind="password")
        self._open(f"PIN of {one.username}", "Set PIN", make, (field,))

    def _open(self, title: str, verb: str, make: Make, fields: tuple[Field, ...]) -> None:
        self._panel.clear()
        with self._panel, Part("article", "card", aria_label=title):
            with Part("header", "view-head"):
                Words("h2", text=title)
                icon_button("Leave", "close", self._panel.clear)
            form = Form(self._screen, level=OWNER, make=make, answer=Staff, done=self._done)
            form.build(verb, fields)
        bring_into_view(self._panel)

    def _done(self, one: Staff) -> None:
        self._panel.clear()
        self._screen.tell(f"{one.username} is changed.")


def _make_account(values: Values) -> Command:
    return CreateStaff(
        username=values["username"], password=values["password"], level=int(values["level"])
    )
