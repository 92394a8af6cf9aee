"""Making a bar over HTTP: beverages, taps with kegs, guests with cards and money."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from pourline.controller.simulator.bar import BarClient, Body
from pourline.controller.simulator.guests import KEG_ML, Guest

OPENING_BALANCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class NewBeverage:
    """A beverage to put on the list; the price in minor units, alcohol in percent."""

    name: str
    kind: str
    price_per_litre: int
    abv: int


Make = Callable[[str, str, Body], Awaitable[Body]]
"""Posts a body to a path under a key that names it: the second call with a key makes nothing."""


class Builder:
    """Creates each thing once; `make` decides what once means."""

    def __init__(self, make: Make) -> None:
        self._make = make

    async def beverage(self, key: str, new: NewBeverage) -> str:
        """Create a beverage; return its id."""
        body: Body = {
            "name": new.name,
            "kind": new.kind,
            "price_per_litre": new.price_per_litre,
            "abv": new.abv,
        }
        return str((await self._make(f"beverage-{key}", "/api/beverages", body))["id"])

    async def tap(self, tap_id: str, *, name: str, beverage_id: str, keg_ml: int = KEG_ML) -> str:
        """Create a tap with a keg on it, full unless told otherwise; return its secret."""
        body: Body = {"id": tap_id, "name": name, "beverage_id": beverage_id}
        made = await self._make(f"tap-{tap_id}", "/api/taps", body)
        keg_id = await self.keg(f"on-{tap_id}", beverage_id, volume_ml=keg_ml)
        await self._make(f"connect-{tap_id}", f"/api/taps/{tap_id}/keg", {"keg_id": keg_id})
        return str(made["secret"])

    async def keg(self, key: str, beverage_id: str, *, volume_ml: int = KEG_ML) -> str:
        """Take delivery of a keg; return its id."""
        body: Body = {"beverage_id": beverage_id, "volume_ml": volume_ml}
        return str((await self._make(f"keg-{key}", "/api/kegs", body))["id"])

    async def guest(
        self, key: str, *, name: str, card_uid: str, money: int = OPENING_BALANCE
    ) -> Guest:
        """Register a guest of age, with money, a visit and a card."""
        body: Body = {"name": name, "age_verified": True}
        guest_id = str((await self._make(f"guest-{key}", "/api/guests", body))["id"])
        path = f"/api/guests/{guest_id}/topup"
        await self._make(f"money-{key}", path, {"amount": money})
        visit: Body = {"guest_id": guest_id, "card_uid": card_uid}
        await self._make(f"visit-{key}", "/api/visits", visit)
        return Guest(guest_id, card_uid)


def making(bar: BarClient) -> Make:
    """Return a `make` for a bar that is built once and forgotten."""

    async def make(key: str, path: str, body: Body) -> Body:
        del key
        return await bar.post(path, body)

    return make
