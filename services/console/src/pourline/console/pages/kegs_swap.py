"""The swap: which keg, what becomes of the old one, and on it is; taking a keg off without one."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from pourline.console.pages import words
from pourline.console.pages.forms import key_for, once
from pourline.console.pages.kegs_stock import Cellar
from pourline.console.pages.levels import SENIOR
from pourline.console.pages.parts import (
    Part,
    Words,
    bring_into_view,
    button,
    field,
    icon_button,
    pressed,
)
from pourline.console.pages.shell import Screen
from pourline.contracts.cellar import ConnectKeg, DisconnectKeg, Disposition, Keg
from pourline.contracts.taps import ResumeTap, StopTap, Tap

RECEIVED_L = ("50", "30", "20")
DISPOSITIONS = {
    Disposition.EMPTY: "Empty",
    Disposition.IN_STOCK: "Back to stock",
    Disposition.RETURNED: "Returned",
    Disposition.DISCARDED: "Thrown away",
}
TAKES_REASON = "reason" in ConnectKeg.model_fields
TAKES_DISPOSITION = "disposition" in ConnectKeg.model_fields

Receive = Callable[[str, str, str], Awaitable[Keg | None]]
"""Takes a beverage, litres and the key of the pressing."""


class SwapPanel:
    """The panel of one tap; empty until one is chosen."""

    def __init__(self, screen: Screen, *, left: Callable[[], None], receive: Receive) -> None:
        self._screen = screen
        self._left = left
        self._receive = receive
        self._root = Part("section", "chosen", aria_label="Change keg")
        self.close()

    def close(self) -> None:
        """Show nothing."""
        self._tap_id: str | None = None
        self._keg_id: str | None = None
        self._shown: object = None
        self._disposition: Disposition | None = None
        self._shows_others = False
        self._is_off = False
        self._reason = ""
        self._root.clear()

    def open(self, tap_id: str, cellar: Cellar) -> None:
        """Offer the kegs for a tap, the suggested one taken already."""
        self.close()
        self._tap_id = tap_id
        self.show(cellar)
        bring_into_view(self._root)

    def open_off(self, tap_id: str) -> None:
        """Ask what becomes of the keg that is taken off."""
        self.close()
        self._tap_id, self._is_off = tap_id, True
        with self._root, Part("article", "card", aria_label=f"Take the keg off tap {tap_id}"):
            self._head(f"Take the keg off tap {tap_id}")
            Words("p", "soft", "What becomes of it?")
            with Part("div", "card-actions"):
                for disposition, word in DISPOSITIONS.items():
                    once(word, "", partial(self._take_off, tap_id, disposition))
        bring_into_view(self._root)

    def show(self, cellar: Cellar) -> None:
        """Show the kegs that there are now; what is chosen stays."""
        line = self._screen.board.lines.get(self._tap_id or "")
        if line is None or self._is_off:
            return
        if self._keg_id is None:
            self._keg_id = self._suggested(line.tap, cellar)
        chosen = self._keg_id, self._shows_others, self._disposition
        shown = cellar, line.tap.keg_id, line.tap.state, chosen
        if shown == self._shown:
            return
        self._shown = shown
        self._root.clear()
        with self._root, Part("article", "card", aria_label=f"Keg for tap {line.tap.id}"):
            self._head(f"Tap {line.tap.id}: {'change the' if line.tap.keg_id else 'connect a'} keg")
            self._kegs(line.tap, cellar)
            if line.tap.keg_id and TAKES_DISPOSITION:
                self._old_keg()
            self._override(line.tap, cellar)
            self._go(line.tap)

    def _head(self, title: str) -> None:
        with Part("header", "view-head"):
            Words("h2", text=title)
            icon_button("Leave", "close", self._left)

    def _suggested(self, tap: Tap, cellar: Cellar) -> str | None:
        found = cellar.suggested.get(tap.beverage_id or "")
        return found.keg.id if found and found.keg else None

    def _kegs(self, tap: Tap, cellar: Cellar) -> None:
        suggestion = cellar.suggested.get(tap.beverage_id or "")
        zone = self._screen.board.timezone
        if suggestion:
            reason = words.with_local_times(suggestion.reason, zone)
            Words("p", "soft", f"Suggested: {reason}.")
        elif tap.beverage_id:
            Words("p", "soft", f"No keg of {cellar.name_of(tap.beverage_id)} in stock.")
            self._receive_now(tap.beverage_id)
        own = cellar.of_beverage(tap.beverage_id or "")
        others = [one for one in cellar.in_stock if one not in own]
        with Part("div", "choices", role="group", aria_label="Kegs"):
            for keg in own:
                self._choice(keg, cellar, is_first=keg.id == self._suggested(tap, cellar))
            if self._shows_others or not tap.beverage_id:
                for keg in others:
                    self._choice(keg, cellar, is_first=False)
            elif others:
                button("Kegs of other beverages", "choice", self._show_others, "expand_more")

    def _receive_now(self, beverage_id: str) -> None:
        with Part("div", "choices", role="group", aria_label="Receive one now"):
            for litres in RECEIVED_L:
                once(f"Receive {litres} l", "choice", partial(self._received, beverage_id, litres))

    def _choice(self, keg: Keg, cellar: Cellar, *, is_first: bool) -> None:
        zone, unit = self._screen.board.timezone, self._screen.board.volume_unit
        received = words.moment(keg.received_at, zone)
        name = cellar.name_of(keg.beverage_id)
        text = f"{name} · {words.volume(keg.remaining_ml, unit)} · received {received}"
        one = button(f"{text} · next" if is_first else text, "choice", partial(self._take, keg.id))
        pressed(one, is_on=keg.id == self._keg_id)

    def _old_keg(self) -> None:
        Words("p", "soft", "The old keg becomes")
        with Part("div", "choices", role="group", aria_label="The old keg becomes"):
            for disposition, word in ((None, "What its level says"), *DISPOSITIONS.items()):
                one = button(word, "choice", partial(self._dispose, disposition))
                pressed(one, is_on=disposition is self._disposition)

    def _override(self, tap: Tap, cellar: Cellar) -> None:
        if not TAKES_REASON or self._keg_id in {None, self._suggested(tap, cellar)}:
            return
        why = field("Why not the suggested keg")
        why.value = self._reason
        why.on_value_change(lambda event: setattr(self, "_reason", str(event.value or "")))

    def _go(self, tap: Tap) -> None:
        with Part("div", "card-actions"):
            if tap.state.value == "stopped":
                once("Resume tap", "", self._resume, "play_arrow")
            elif tap.keg_id:
                once("Stop tap first", "", self._stop, "pan_tool")
            if self._keg_id:
                once("Connect keg", "primary", self._connect, "add_link")

    def _take(self, keg_id: str) -> None:
        self._keg_id = keg_id
        self._screen.refresh()

    def _show_others(self) -> None:
        self._shows_others = True
        self._screen.refresh()

    def _dispose(self, disposition: Disposition | None) -> None:
        self._disposition = disposition
        self._screen.refresh()

    async def _received(self, beverage_id: str, litres: str, key: str) -> Keg | None:
        keg = await self._receive(beverage_id, litres, key)
        if keg is not None:
            self._keg_id = keg.id
        return keg

    async def _stop(self, key: str) -> Tap | None:
        if self._screen.staff.level < SENIOR:
            return None
        order = StopTap(tap_id=self._tap_id or "", reason="Keg change")
        return await self._screen.order(order, Tap, key=key)

    async def _resume(self, key: str) -> Tap | None:
        if self._screen.staff.level < SENIOR:
            return None
        order = ResumeTap(tap_id=self._tap_id or "", reason="Keg changed")
        return await self._screen.order(order, Tap, key=key)

    async def _connect(self, key: str) -> Keg | None:
        if self._screen.staff.level < SENIOR or not self._tap_id or not self._keg_id:
            return None
        order: dict[str, Any] = {"tap_id": self._tap_id, "keg_id": self._keg_id}
        if TAKES_REASON and self._reason:
            order["reason"] = self._reason
        if TAKES_DISPOSITION and self._disposition:
            order["disposition"] = self._disposition
        tap_id = self._tap_id
        keg = await self._screen.order(
            ConnectKeg.model_validate(order), Keg, key=key_for(key, order)
        )
        if keg is not None:
            self._screen.tell(f"The keg is on tap {tap_id}.")
            self._left()
        return keg

    async def _take_off(self, tap_id: str, disposition: Disposition, key: str) -> Keg | None:
        if self._screen.staff.level < SENIOR:
            return None
        order = DisconnectKeg(tap_id=tap_id, disposition=disposition)
        keg = await self._screen.order(order, Keg, key=key)
        if keg is not None:
            self._screen.tell(f"The keg is off tap {tap_id}: {DISPOSITIONS[disposition].lower()}.")
            self._left()
        return keg
