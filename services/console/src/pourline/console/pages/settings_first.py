"""The first run: from an empty bar to a first guest with a card, step by step, each skippable."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import ClassVar

from pourline.console.pages import words
from pourline.console.pages.forms import Field, Form, Values, amount, key_for, number, once
from pourline.console.pages.kegs import ML_PER_LITRE, SIZES_L
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.listing import rows_of
from pourline.console.pages.parts import Part, Words, button, field, icon, pressed
from pourline.console.pages.secrets import SecretCard
from pourline.console.pages.settings_beverages import beverage_fields, make_beverage
from pourline.console.pages.settings_taps import make_tap, tap_fields
from pourline.console.pages.shell import Place, Screen, View
from pourline.contracts.base import Command, Listing
from pourline.contracts.cellar import (
    Beverage,
    ConnectKeg,
    Keg,
    KegStatus,
    ListBeverages,
    ListKegs,
    ReceiveKeg,
)
from pourline.contracts.guests import CreateGuest, Guest, OpenVisit, Visit
from pourline.contracts.money import Booked, TopUp
from pourline.contracts.taps import ListTaps, Tap, TapWithSecret

STEPS = ("Beverage", "Tap", "Keg", "Connect", "Guest", "Done")


class FirstRun(View):
    """One step at a time; what is there already is not asked for again."""

    PLACE = Place(path="/settings/first", word="First run", sign="flag", level=MANAGER)
    NEWS: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._beverages: list[Beverage] = []
        self._taps: list[Tap] = []
        self._kegs: list[Keg] = []
        self._at: int | None = None

    def build(self) -> None:
        """Lay out the steps' names and the place of the present one."""
        with Part("div", "view-body"):
            with Part("header", "view-head"):
                Words("h1", text="Set the bar up")
            with Part("ol", "choices steps", aria_label="Steps"):
                self._names = [Words("li", "tag", name) for name in STEPS]
            self._secret = SecretCard()
            self._step = Part("section", "chosen", aria_label="Step")

    async def load(self) -> None:
        """Ask what there is already."""
        self._beverages = await rows_of(self.screen, ListBeverages(), Listing[Beverage])
        self._taps = await rows_of(self.screen, ListTaps(), Listing[Tap])
        query = ListKegs(status=KegStatus.IN_STOCK)
        self._kegs = await rows_of(self.screen, query, Listing[Keg])
        if self._at is None:
            self._go_to(self._first_missing())

    def show(self) -> None:
        """Show nothing anew: each step is laid out when it is reached."""

    def _first_missing(self) -> int:
        if not self._beverages:
            return 0
        if not self._taps:
            return 1
        if any(tap.keg_id for tap in self._taps):
            return 4
        return 3 if self._kegs else 2

    def _go_to(self, step: int) -> None:
        self._at = step
        for place, name in enumerate(self._names):
            here = place == step
            name.classes(replace=f"tag tone-{'good' if place < step else 'rest'}")
            name.props["aria-current"] = "step" if here else "false"
            name.update()
        builds: tuple[Callable[[], None], ...] = (
            self._beverage,
            self._tap,
            self._keg,
            self._connect,
            self._guest,
            self._done,
        )
        self._step.clear()
        with self._step, Part("article", "card", aria_label=STEPS[step]):
            builds[step]()
            if step < len(STEPS) - 1:
                with Part("div", "card-actions"):
                    button("Skip", "", partial(self._go_to, step + 1), "skip_next")

    def _beverage(self) -> None:
        Words("h2", text="What do you pour?")
        form = Form(
            self.screen,
            level=MANAGER,
            make=partial(make_beverage, self.screen),
            answer=Beverage,
            done=self._poured,
        )
        form.build("Create beverage", beverage_fields(self.screen))

    def _poured(self, beverage: Beverage) -> None:
        self._beverages.append(beverage)
        self._go_to(1)

    def _tap(self) -> None:
        Words("h2", text="Where do you pour it?")
        form = Form(
            self.screen, level=MANAGER, make=make_tap, answer=TapWithSecret, done=self._tapped
        )
        form.build("Create tap", tap_fields({one.id: one.name for one in self._beverages}))

    def _tapped(self, tap: TapWithSecret) -> None:
        self._taps.append(tap)
        self._step.clear()
        title = f"Secret of tap {tap.id}"
        self._secret.show(title, tap.secret, seen=partial(self._go_to, 2))

    def _keg(self) -> None:
        Words("h2", text="What is in the cellar?")
        if not self._beverages:
            Words("p", "soft", "Without a beverage there is no keg of it.")
            return
        form = Form(
            self.screen, level=MANAGER, make=self._make_keg, answer=Keg, done=self._received
        )
        names = {one.id: one.name for one in self._beverages}
        form.build(
            "Receive keg",
            (
                Field(name="beverage", label="Beverage", options=names),
                Field(name="size", label="Size", options=SIZES_L),
                Field(name="litres", label="Litres, if another size", hint="19.5"),
            ),
        )

    def _make_keg(self, values: Values) -> Command:
        litres: Decimal = number(values["size"] or values["litres"], "Litres")
        return ReceiveKeg(beverage_id=values["beverage"], volume_ml=litres * ML_PER_LITRE)

    def _received(self, keg: Keg) -> None:
        self._kegs.append(keg)
        self._go_to(3)

    def _connect(self) -> None:
        Words("h2", text="Connect the keg")
        found = self._pair()
        if found is None:
            Words("p", "soft", "There is no tap and keg that fit. Later it is done under Kegs.")
            return
        tap, keg = found
        name = next((one.name for one in self._beverages if one.id == keg.beverage_id), "")
        size = words.volume(keg.remaining_ml, self.screen.board.volume_unit)
        Words("p", text=f"{name}, {size}, to tap {tap.id}")
        once("Connect keg", "primary", partial(self._connected, tap, keg), "add_link")

    def _pair(self) -> tuple[Tap, Keg] | None:
        """Return a tap without a keg and a keg that it may pour."""
        for tap in self._taps:
            for keg in self._kegs:
                if not tap.keg_id and tap.beverage_id in {None, keg.beverage_id}:
                    return tap, keg
        return None

    async def _connected(self, tap: Tap, keg: Keg, key: str) -> Keg | None:
        if self.screen.staff.level < MANAGER:
            return None
        order = ConnectKeg(tap_id=tap.id, keg_id=keg.id)
        done = await self.screen.order(order, Keg, key=key)
        if done is not None:
            self._go_to(4)
        return done

    def _guest(self) -> None:
        Words("h2", text="Who comes first?")
        with Part("div", "form"):
            self._name = field("Guest's name")
            self._card = field("Card (put it on the reader)")
            self._paid = field(f"Paid in, in {self.screen.board.currency}", hint="20")
            self._is_adult = False
            self._id = button("I have seen the ID", "choice", self._toggle_id, "badge")
            pressed(self._id, is_on=False)
            self._fault = Words("p", "fault", role="alert")
            with Part("div", "card-actions"):
                once("Open visit", "primary", self._open_visit, "how_to_reg")

    def _toggle_id(self) -> None:
        self._is_adult = not self._is_adult
        pressed(self._id, is_on=self._is_adult)

    async def _open_visit(self, key: str) -> Visit | None:
        """Check the first guest in; what was done when a later step fails is not done again."""
        self._fault.text = ""
        try:
            visit = await self._check_in(key)
        except ValueError:
            self._fault.text = "A name, the card's number, and money like 20."
            return None
        if visit is not None:
            self._go_to(5)
        return visit

    async def _check_in(self, key: str) -> Visit | None:
        name, card = str(self._name.value or ""), str(self._card.value or "").strip()
        paid = str(self._paid.value or "").strip()
        money = amount(paid, self.screen.board.currency, "Paid in") if paid else 0
        guest = await self.screen.order(
            CreateGuest(name=name, age_verified=self._is_adult),
            Guest,
            key=key_for(key, (name, self._is_adult)),
        )
        if guest is None:
            return None
        if money:
            order = TopUp(guest_id=guest.id, amount=money)
            if await self.screen.order(order, Booked, key=key_for(key, money)) is None:
                return None
        visit = OpenVisit(guest_id=guest.id, card_uid=card or None)
        return await self.screen.order(visit, Visit, key=key_for(key, card))

    def _done(self) -> None:
        Words("h2", text="Ready to pour")
        Words(
            "p",
            "soft",
            "Put the secret into the tap's controller, start it, and lay the card on its reader.",
        )
        with Part("div", "card-actions"), Part("a", "button primary", href="/"):
            icon("sports_bar")
            Words("span", text="To the floor")
