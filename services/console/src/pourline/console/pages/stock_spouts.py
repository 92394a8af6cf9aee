"""Spouts: their list, a new one with its secret, another secret, the end of one, calibration."""

from datetime import datetime
from decimal import Decimal
from functools import partial

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.asking import Ask, CommentDialog
from pourline.console.pages.forms import Field, Form, Values, once
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.listing import rows_of
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
from pourline.console.pages.stock_calibration import Calibration
from pourline.contracts.base import Command, Listing
from pourline.contracts.cellar import Item, ListItems, Unit
from pourline.contracts.spouts import ListSpoutHealth, SpoutsHealth
from pourline.contracts.taps import (
    DeactivateSpout,
    ListSpouts,
    RegisterSpout,
    RotateSpoutSecret,
    SpoutDevice,
    SpoutDeviceWithSecret,
)

BATTERY_LOW_PCT = 20
HEALTH_ASKED_MAX = 400
"""So many ids fit in one message of the bus."""


class StockSpouts:
    """A card a spout; managers only."""

    place: ui.element

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._spouts: list[SpoutDevice] = []
        self._items: list[Item] = []
        self._shown: object = None
        self._dialog = CommentDialog()
        with Part("div", "view-head"):
            button("New spout", "", self._open_new, "add")
        self._secret = SecretCard()
        self._new = Part("section", "chosen", aria_label="New spout")
        self._calibration = Calibration(screen)
        self._list = Part("section", "cards", aria_label="Spouts")

    async def load(self) -> None:
        """Ask for the spouts, and for what the one under calibration counts."""
        spouts = await rows_of(self._screen, ListSpouts(), Listing[SpoutDevice])
        asked = ListSpoutHealth(device_ids=[one.id for one in spouts[:HEALTH_ASKED_MAX]])
        health = (await self._screen.ask(asked, SpoutsHealth)).items if spouts else []
        known = {one.device_id: one.model_dump(exclude={"device_id"}) for one in health}
        spouts = [one.model_copy(update=known.get(one.id, {})) for one in spouts]
        items = await rows_of(self._screen, ListItems(), Listing[Item])
        await self._calibration.load()
        self._spouts = spouts
        self._items = [one for one in items if one.unit is not Unit.EACH]

    def show(self) -> None:
        """Show the spouts; ages move, so they are part of what is compared."""
        self._calibration.show()
        now = self._screen.board.now()
        shown = [(one, _seen(one, now)) for one in self._spouts]
        if shown == self._shown:
            return
        self._shown = shown
        self._list.clear()
        with self._list:
            for spout, seen in shown:
                self._spout(spout, seen)
            if not self._spouts:
                with Part("div", "empty"):
                    icon("liquor")
                    Words("p", text="No spouts yet.")

    def _spout(self, spout: SpoutDevice, seen: str) -> None:
        tone, sign, word = _face(spout)
        with Part("article", f"card toned tone-{tone}", aria_label=spout.name):
            with Part("header", "view-head"):
                Words("h2", text=spout.name)
                with Part("span", f"tag tone-{tone}"):
                    icon(sign)
                    Words("span", text=word)
            with Part("dl", "facts"):
                fact("Vendor", spout.vendor)
                fact("Location", spout.location)
                if seen:
                    fact("Last seen", seen)
                battery = getattr(spout, "battery_pct", None)
                if isinstance(battery, Decimal):
                    low = " · low" if battery <= BATTERY_LOW_PCT else ""
                    fact("Battery", f"{words.quantity(battery)} %{low}")
            Words("p", "soft", spout.id)
            if spout.active:
                self._actions(spout)

    def _actions(self, spout: SpoutDevice) -> None:
        with Part("div", "card-actions"):
            button("Calibrate", "primary", partial(self._calibrate, spout), "straighten")
            once("New secret", "", partial(self._rotate, spout), "key")
            button("Deactivate", "", partial(self._deactivate, spout), "block")

    def _calibrate(self, spout: SpoutDevice) -> None:
        self._new.clear()
        self._calibration.open(spout, self._items)

    async def _rotate(self, spout: SpoutDevice, key: str) -> SpoutDeviceWithSecret | None:
        if self._screen.staff.level < MANAGER:
            return None
        order = RotateSpoutSecret(device_id=spout.id)
        made = await self._screen.order(order, SpoutDeviceWithSecret, key=key)
        if made is not None:
            self._secret.show(f"New secret of {made.name}", made.secret)
        return made

    def _deactivate(self, spout: SpoutDevice) -> None:
        async def send(_: str) -> bool:
            if self._screen.staff.level < MANAGER:
                return False
            order = DeactivateSpout(device_id=spout.id)
            return await self._screen.order(order, SpoutDevice) is not None

        self._dialog.open(
            Ask(
                title=f"Deactivate {spout.name}",
                note="Nothing it sends counts from then on.",
                verb="Deactivate",
                is_grave=True,
                must_say=False,
            ),
            send,
        )

    def _open_new(self) -> None:
        self._calibration.close()
        self._new.clear()
        with self._new, Part("article", "card", aria_label="New spout"):
            with Part("header", "view-head"):
                Words("h2", text="New spout")
                icon_button("Leave", "close", self._new.clear)
            form = Form(
                self._screen,
                level=MANAGER,
                make=_make_spout,
                answer=SpoutDeviceWithSecret,
                done=self._registered,
            )
            form.build(
                "Register spout",
                (
                    Field(name="name", label="Spout's name", hint="Gin, back bar"),
                    Field(name="vendor", label="Vendor", value="GENERIC"),
                    Field(name="location", label="Location", value="main"),
                ),
                sign="add",
            )
        bring_into_view(self._new)

    def _registered(self, spout: SpoutDeviceWithSecret) -> None:
        self._new.clear()
        self._secret.show(f"Secret of {spout.name} ({spout.id})", spout.secret)


def _make_spout(values: Values) -> Command:
    return RegisterSpout(
        name=values["name"], vendor=values["vendor"], location=values["location"] or "main"
    )


def _face(spout: SpoutDevice) -> tuple[str, str, str]:
    """Return tone, icon and word for how a spout is, as far as its owner tells it."""
    if not spout.active:
        return "off", "block", "Deactivated"
    online = getattr(spout, "online", None)
    if online is None:
        return "rest", "liquor", "Registered"
    return ("good", "wifi", "Online") if online else ("warn", "cloud_off", "Silent")


def _seen(spout: SpoutDevice, now: datetime) -> str:
    at = getattr(spout, "last_seen_at", None)
    return words.age(at, now) if isinstance(at, datetime) else ""
