"""Money in and out of a guest's account: an amount a thumb can choose, done once however often."""

from functools import partial

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.parts import Part, Words, button, field, set_prop
from pourline.console.pages.shell import Screen
from pourline.contracts.books import PaidOut, PayOut
from pourline.contracts.money import Booked, Refund, TopUp, VisitMoney
from pourline.kit.ids import new_id

SUPERVISOR = 3
PRESETS = (10, 20, 50)
"""Major units that a thumb can choose."""


TOP_UPS = 2
"""The first buttons: money in, in cash and by card."""


class Till:
    """Top-up, and for supervisors refund and pay-out, of one guest."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._guest_id = ""
        self._key = str(new_id())
        self._buttons: list[ui.element] = []
        self._free = 0

    def build(self) -> None:
        """Lay the form out, empty."""
        self._guest_id = ""
        currency = self._screen.board.currency
        with Part("div", "till", role="group", aria_label="Money") as self._root:
            with Part("div", "choices") as self._choices:
                for major in PRESETS:
                    shown = words.money(words.amount_of(str(major), currency) or 0, currency)
                    button(f"+ {shown}", "choice", partial(self._fill, str(major)))
            self._amount = field(f"Amount in {currency}", hint="20.00", length=13)
            self._amount.props("inputmode=decimal")
            self._fault = Words("p", "fault", role="alert")
            with Part("div", "card-actions"):
                self._buttons = [button("Top up, cash", "primary", partial(self._top_up, "cash"))]
                self._buttons.append(button("Top up, card", "", partial(self._top_up, "card")))
                self._rest: ui.element = Part("span")
                if self._screen.staff.level >= SUPERVISOR:
                    self._buttons.append(button("Refund", "", self._refund))
                    self._rest = button("Pay out", "", self._pay_out)
                    self._buttons.append(self._rest)
        self._free = -1
        self._is_busy = False

    def show(self, guest_id: str, money: VisitMoney | None, *, is_open: bool) -> None:
        """Be the form of this guest; what is being filled in stays.

        A visit that is over takes no money in, and is paid back what is left.
        """
        if guest_id != self._guest_id:
            self._guest_id, self._key = guest_id, str(new_id())
        free = max(money.balance - money.held, 0) if money else 0
        may_pay_back = self._screen.staff.level >= SUPERVISOR
        self._root.set_visibility(is_open or (free > 0 and may_pay_back))
        for one in (self._choices, *self._buttons[:TOP_UPS]):
            one.set_visibility(is_open)
        if free == self._free:
            return
        self._free = free
        self._rest.clear()
        with self._rest:
            Words("span", text=f"Pay out {words.money(free, self._screen.board.currency)}")
        self._rest.set_visibility(free > 0 and may_pay_back)

    def _fill(self, text: str) -> None:
        self._amount.value = text

    async def _top_up(self, method: str) -> None:
        amount = self._read()
        if amount:
            order = TopUp(guest_id=self._guest_id, amount=amount, method=method)
            await self._send(order, "paid in", amount)

    async def _refund(self) -> None:
        amount = self._read()
        if amount:
            await self._send(Refund(guest_id=self._guest_id, amount=amount), "paid back", amount)

    def _read(self) -> int:
        amount = words.amount_of(str(self._amount.value or ""), self._screen.board.currency)
        self._fault.text = "" if amount else "Say how much, like 20 or 20.50."
        return amount or 0

    async def _send(self, order: TopUp | Refund, done: str, amount: int) -> None:
        if self._is_busy:
            return
        self._lock(is_on=True)
        try:
            booked = await self._screen.order(order, Booked, key=self._key)
        finally:
            self._lock(is_on=False)
        if booked is None:
            return
        self._key, self._amount.value = str(new_id()), ""
        self._screen.tell(f"{words.money(amount, self._screen.board.currency)} {done}.")

    async def _pay_out(self) -> None:
        if self._is_busy:
            return
        self._lock(is_on=True)
        try:
            paid = await self._screen.order(PayOut(guest_id=self._guest_id), PaidOut, key=self._key)
        finally:
            self._lock(is_on=False)
        if paid is None:
            return
        self._key = str(new_id())
        self._screen.tell(f"{words.money(paid.amount, self._screen.board.currency)} paid back.")

    def _lock(self, *, is_on: bool) -> None:
        self._is_busy = is_on
        for one in self._buttons:
            set_prop(one, "disabled", "" if is_on else None)
