"""Check-in with one hand: a name, the ID, a card, money; four actions at most.

Each step has a key of its own for one filling: what was done when a later step failed is not done
again by the next press.
"""

from functools import partial
from typing import ClassVar

from pourline.console.pages import words
from pourline.console.pages.parts import Part, Words, button, field, pressed, set_prop
from pourline.console.pages.shell import Place, Screen, View
from pourline.contracts.base import Listing
from pourline.contracts.guests import (
    CreateGuest,
    Guest,
    OpenVisit,
    SearchGuests,
    VerifyAge,
    Visit,
)
from pourline.contracts.money import Booked, TopUp
from pourline.contracts.taps import ConfigEntry, ListConfig
from pourline.kit.ids import new_id

FOUND_MAX = 4
NAME_MIN = 2
PRESETS = (0, 10, 20, 50)
PROFILE_PREFIX = "limit_profile."


class CheckIn(View):
    """The form that opens a visit."""

    PLACE = Place(path="/check-in", word="Check-in", sign="how_to_reg")
    NEWS: ClassVar[frozenset[str]] = frozenset({"config.changed"})

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._known: list[Guest] = []
        self._profiles: list[str] = []
        self._shown: object = None
        self._is_busy = False
        self._begin()

    def _begin(self) -> None:
        self._guest: Guest | None = None
        self._has_seen_id = False
        self._profile: str | None = None
        self._amount = 0
        self._key = str(new_id())

    def build(self) -> None:
        """Lay the form out, the cursor in the name."""
        with Part("div", "view-body"):
            with Part("header", "view-head"):
                Words("h1", text="Check-in")
            with Part("div", "card form"):
                self._name = field("Guest's name").props("autofocus")
                self._name.on_value_change(lambda _: self._named())
                self._suggested = Part("div", "choices", role="group", aria_label="Known guests")
                self._id = button("I have seen the ID", "choice", self._toggle_id, "badge")
                self._limits = Part("div", "choices", role="group", aria_label="Limits")
                self._money = Part("div", "choices", role="group", aria_label="Paid in, cash")
                self._card = field("Card (put it on the reader)")
                self._card.on("keydown.enter", self._open, args=[])
                self._fault = Words("p", "fault", role="alert")
                with Part("div", "card-actions"):
                    self._go = button("Open visit", "primary", self._open, "how_to_reg")

    async def load(self) -> None:
        """Ask for guests of that name and for the limits that there are."""
        name = str(self._name.value or "").strip()
        known: list[Guest] = []
        if len(name) >= NAME_MIN and self._guest is None:
            query = SearchGuests(q=name, limit=FOUND_MAX)
            known = (await self.screen.ask(query, Listing[Guest])).items
        if not self._profiles:
            page = await self.screen.ask(ListConfig(limit=1000), Listing[ConfigEntry])
            keys = [one.key for one in page.items if one.key.startswith(PROFILE_PREFIX)]
            self._profiles = [key.removeprefix(PROFILE_PREFIX) for key in keys]
        self._known = known

    def show(self) -> None:
        """Show suggestions and what is chosen."""
        shown = (
            self._known,
            self._profiles,
            self._guest,
            self._has_seen_id,
            self._profile,
            self._amount,
        )
        if shown == self._shown:
            return
        self._shown = shown
        pressed(self._id, is_on=self._is_adult())
        self._show_known()
        self._show_limits()
        self._show_money()

    def _show_known(self) -> None:
        self._suggested.clear()
        with self._suggested:
            for guest in [self._guest] if self._guest else self._known:
                here = " · is here" if guest.active_visit_id else ""
                one = button(f"{guest.name}{here}", "choice", partial(self._take, guest), "person")
                pressed(one, is_on=guest is self._guest)

    def _show_limits(self) -> None:
        self._limits.clear()
        with self._limits:
            for name in self._profiles:
                one = button(name, "choice", partial(self._limit, name), "speed")
                pressed(one, is_on=name == self._profile)

    def _show_money(self) -> None:
        self._money.clear()
        currency = self.screen.board.currency
        with self._money:
            for major in PRESETS:
                amount = words.amount_of(str(major), currency) or 0
                text = words.money(amount, currency) if amount else "Pays later"
                one = button(text, "choice", partial(self._pay, amount))
                pressed(one, is_on=amount == self._amount)

    def _is_adult(self) -> bool:
        return self._has_seen_id or bool(self._guest and self._guest.age_verified)

    def _named(self) -> None:
        self._key = str(new_id())
        if self._guest and self._name.value != self._guest.name:
            self._guest = None
        self.screen.refresh()

    def _take(self, guest: Guest) -> None:
        self._guest = None if guest is self._guest else guest
        if self._guest:
            self._name.value = guest.name
        self.show()

    def _toggle_id(self) -> None:
        self._has_seen_id = not self._has_seen_id
        self.show()

    def _limit(self, name: str) -> None:
        self._profile = None if name == self._profile else name
        self.show()

    def _pay(self, amount: int) -> None:
        self._amount = amount
        self.show()

    async def _open(self) -> None:
        name = str(self._name.value or "").strip()
        if self._is_busy:
            return
        if not name:
            self._fault.text = "Who is it?"
            return
        self._fault.text, self._is_busy = "", True
        set_prop(self._go, "disabled", "")
        try:
            visit = await self._check_in(name, str(self._card.value or "").strip())
        finally:
            self._is_busy = False
            set_prop(self._go, "disabled", None)
        if visit:
            self._done(visit)

    async def _check_in(self, name: str, card: str) -> Visit | None:
        """Do what is left to do; each step is told its refusal and ends the way here."""
        guest = self._guest or await self.screen.order(
            CreateGuest(name=name, age_verified=self._has_seen_id), Guest, key=f"{self._key}-guest"
        )
        if guest is None:
            return None
        if self._has_seen_id and not guest.age_verified:
            await self.screen.order(VerifyAge(guest_id=guest.id), Guest)
        order = OpenVisit(guest_id=guest.id, card_uid=card or None, limit_profile=self._profile)
        visit = await self.screen.order(order, Visit, key=f"{self._key}-visit-{card}")
        if visit and self._amount:
            paid = TopUp(guest_id=guest.id, amount=self._amount)
            if await self.screen.order(paid, Booked, key=f"{self._key}-money") is None:
                return None
        return visit

    def _done(self, visit: Visit) -> None:
        said = f"{visit.guest.name} is in: visit {visit.number}."
        self.screen.tell(" ".join([said, *visit.warnings]), is_bad=bool(visit.warnings))
        self._begin()
        self._name.value = self._card.value = ""
        self._name.run_method("focus")
        self.screen.refresh()
        self.show()
