"""Guests and what the staff do for them: top up, open a visit, change a keg."""

import contextlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pourline.controller.simulator.bar import BarClient, Body, Refused

log = logging.getLogger(__name__)

TOP_UP: Final = 2_000
"""Minor units that a guest who has run dry pays in."""
KEG_ML: Final = 30_000


@dataclass(slots=True)
class Guest:
    """A person with a card."""

    guest_id: str
    card_uid: str


@dataclass(slots=True)
class Keg:
    """What is left of the keg on a tap, as far as the simulator knows."""

    beverage_id: str
    remaining_ml: Decimal


class Staff:
    """Does over HTTP what a bar's staff do by hand; a refusal is logged and left.

    `beverages` says by tap id what belongs on a tap.
    """

    def __init__(self, bar: BarClient, *, beverages: Mapping[str, str]) -> None:
        self._bar = bar
        self._beverages = beverages

    async def help(self, guest: Guest, reason: str) -> None:
        """Do what a guest needs whose card was refused for this reason."""
        match reason:
            case "insufficient_balance":
                await self.top_up(guest, TOP_UP)
            case "no_active_visit" | "unknown_card":
                await self.welcome(guest)
            case _:
                log.info("guest_refused", extra={"reason": reason})

    async def top_up(self, guest: Guest, amount: int) -> None:
        """Take a guest's money."""
        await self._bar.post(f"/api/guests/{guest.guest_id}/topup", {"amount": amount})

    async def welcome(self, guest: Guest) -> None:
        """Open a visit with the guest's card."""
        body: Body = {"guest_id": guest.guest_id, "card_uid": guest.card_uid}
        await self._try("/api/visits", body)

    async def say_goodbye(self, guest: Guest) -> None:
        """Close the guest's visit, if there is one and nothing of it is under way."""
        found = await self._bar.get("/api/visits/active", q=guest.card_uid)
        visits = found.get("items")
        for visit in visits if isinstance(visits, list) else []:
            if visit.get("card_uid") == guest.card_uid:
                await self._try(f"/api/visits/{visit['id']}/close", {"reason": "guest left"})

    async def report_lost(self, guest: Guest) -> str:
        """Report a guest's card as lost; return the visit it was bound to, empty without one."""
        found = await self._bar.get("/api/visits/active", q=guest.card_uid)
        visits = found.get("items")
        await self._bar.post("/api/lost-cards", {"card_uid": guest.card_uid, "note": "lost"})
        bound = (
            [one for one in visits if one.get("card_uid") == guest.card_uid]
            if isinstance(visits, list)
            else []
        )
        return str(bound[0]["id"]) if bound else ""

    async def replace_card(self, guest: Guest, visit_id: str) -> None:
        """Give a visit a card that nobody has had yet."""
        card_uid = f"04{secrets.token_hex(6)}"
        await self._bar.post(f"/api/visits/{visit_id}/card", {"card_uid": card_uid})
        guest.card_uid = card_uid

    async def stop(self, tap_id: str, reason: str) -> None:
        """Keep a tap shut."""
        await self._bar.post(f"/api/taps/{tap_id}/stop", {"reason": reason})

    async def resume(self, tap_id: str, reason: str) -> None:
        """Let a tap pour again."""
        await self._bar.post(f"/api/taps/{tap_id}/resume", {"reason": reason})

    async def give_back(self, guest: Guest, amount: int, reason: str) -> None:
        """Set a guest's account right in the guest's favour."""
        body: Body = {"amount": amount, "reason": reason}
        await self._try(f"/api/guests/{guest.guest_id}/correction", body)

    async def look_at_keg(self, tap_id: str) -> Keg:
        """Ask what is left on a tap; a tap without a keg has nothing."""
        tap = await self._bar.get(f"/api/taps/{tap_id}")
        remaining_ml = Decimal(str(tap.get("remaining_ml") or 0))
        return Keg(self._beverages[tap_id], remaining_ml)

    async def change_keg(self, tap_id: str, keg: Keg) -> None:
        """Connect the keg that stock suggests, or a newly delivered one."""
        keg_id = await self._suggested(keg.beverage_id)
        if keg_id is None:
            delivered: Body = {"beverage_id": keg.beverage_id, "volume_ml": KEG_ML}
            keg_id = str((await self._bar.post("/api/kegs", delivered))["id"])
        await self._try(f"/api/taps/{tap_id}/keg", {"keg_id": keg_id})
        keg.remaining_ml = (await self.look_at_keg(tap_id)).remaining_ml

    async def _suggested(self, beverage_id: str) -> str | None:
        with contextlib.suppress(Refused):
            answer = await self._bar.get("/api/kegs/suggestion", beverage_id=beverage_id)
            suggested = answer.get("keg")
            if isinstance(suggested, dict):
                return str(suggested["id"])
        return None

    async def _try(self, path: str, body: Body) -> None:
        try:
            await self._bar.post(path, body)
        except Refused as error:
            log.info("bar_refused", extra={"path": path, "code": error.code})
