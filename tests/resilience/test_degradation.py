"""With any one service standing still the rest of the bar works, and catches up afterwards."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat, run_bar
from pourline.testkit.until import until

pytestmark = [pytest.mark.resilience, pytest.mark.asyncio(loop_scope="module")]

EACH = ("auth-lock", "ledger", "keg-fifo", "alerts", "shift", "pos-adapter")
OWNED = {
    "/api/taps": "auth-lock",
    "/api/visits/active": "auth-lock",
    "/api/pours": "ledger",
    "/api/inventory": "ledger",
    "/api/kegs": "keg-fifo",
    "/api/items": "keg-fifo",
    "/api/alerts": "alerts",
    "/api/notifications": "alerts",
    "/api/shifts/current": "shift",
    "/api/pos/events": "pos-adapter",
    "/api/packages/availability": "pos-adapter",
}
"""A question to each owner; it is 503 while its owner stands still, and only then."""
DENIES = {"auth-lock", "ledger"}
"""Without these no tap opens: nobody could say who pays, or whether they can."""


@dataclass(kw_only=True)
class House:
    """A bar with a tap and a guest who has a grant."""

    bar: RunningBar
    tap: TapSeat
    guest: GuestSeat
    other_tap: TapSeat
    other_guest: GuestSeat
    fleet: Fleet
    poured: list[str] = field(default_factory=list)

    async def statuses(self) -> dict[str, int]:
        """Ask everybody something at once; who does not answer is named."""
        answers = await asyncio.gather(*(self.bar.ask("GET", path) for path in OWNED))
        found = dict(zip(OWNED, answers, strict=True))
        down = {path: one.json()["part"] for path, one in found.items() if one.status_code == 503}
        assert down.items() <= OWNED.items()
        return {path: one.status_code for path, one in found.items()}

    async def authorize(self) -> dict[str, Any]:
        return await self.fleet.authorize(self.tap.tap_id, self.guest.card_uid)

    async def others_decision(self) -> object:
        """Put another guest's card on another tap; it asks no longer than devices do."""
        tap_id, card_uid = self.other_tap.tap_id, self.other_guest.card_uid
        with contextlib.suppress(TimeoutError):
            return (await self.fleet.authorize(tap_id, card_uid))["decision"]
        return "none"

    async def free_other(self) -> None:
        """End what a late answer may have locked, as staff would."""
        path = f"/api/visits/{self.other_guest.visit_id}/force-unlock"
        await self.bar.ask("POST", path, json={"reason": "nobody poured"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder: Path = tmp_path_factory.mktemp("degraded")
    async with run_bar(folder / "bar") as bar:
        tap, other_tap = await bar.seat_tap(), await bar.seat_tap()
        guest, other_guest = await bar.seat_guest(amount=1_000_000), await bar.seat_guest()
        await bar.post("/api/shifts/open")
        taps = [(one.tap_id, one.secret) for one in (tap, other_tap)]
        async with Fleet(mqtt_url=bar.mqtt_url, taps=taps) as fleet:
            for tap_id, _ in taps:
                online = {"online": True, "pending_sync": 0}
                fleet.publish(tap_id, "status", online, retain=True)
            yield House(
                bar=bar,
                tap=tap,
                guest=guest,
                other_tap=other_tap,
                other_guest=other_guest,
                fleet=fleet,
            )
        await bar.verified()


@pytest.mark.requirement("RT-3", "PO-2")
@pytest.mark.parametrize("service", EACH)
async def test_the_rest_works_and_everything_catches_up(house: House, service: str) -> None:
    bar, tap = house.bar, house.tap
    grant = await house.authorize()
    assert grant["decision"] == "allow"
    process = bar.process_of(service)
    process.suspend()
    try:
        statuses, ready, decision, hired = await asyncio.gather(
            house.statuses(),
            bar.ask("GET", "/health/ready"),
            house.others_decision(),
            bar.ask("POST", "/hardware/spout/devices", json={"name": "S", "vendor": "SANDBOX"}),
        )
        pour = asyncio.create_task(
            house.fleet.pour(tap.tap_id, {"grant_id": grant["grant_id"], "volume_ml": 100})
        )
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    result = await pour

    unanswered = {path for path, status in statuses.items() if status != 200}
    assert unanswered == {path for path, owner in OWNED.items() if owner == service}
    assert {statuses[path] for path in unanswered} == {503}
    assert hired.status_code == (503 if service == "auth-lock" else 201), "who reads it may be away"
    assert ready.status_code == 503
    assert ready.json()["parts"][service]["ready"] is False
    assert result["status"] in ("accepted", "duplicate")
    assert (decision == "allow") is (service not in DENIES)
    await bar.ready()
    await house.free_other()
    await until(house.statuses, lambda found: set(found.values()) == {200})
    await _everybody_knows(house, str(result["client_tx_id"]))


async def _everybody_knows(house: House, client_tx_id: str) -> None:
    """The pour opened its lock, left its keg, is in the shift and at the point of sale."""
    house.poured.append(client_tx_id)
    bar = house.bar

    async def known() -> tuple[object, ...]:
        visit = await bar.get(f"/api/visits/{house.guest.visit_id}")
        tap = await bar.get(f"/api/taps/{house.tap.tap_id}")
        shift = await bar.get("/api/shifts/current")
        told = await bar.get("/api/pos/events", limit="100")
        sold = {one["reference"] for one in told["items"] if one["status"] == "sent"}
        return (
            visit["active_tap_id"],
            tap["remaining_ml"],
            shift["figures"]["pours"],
            set(house.poured) <= sold,
        )

    count = len(house.poured)
    await until(known, lambda found: found == (None, 50_000 - 100 * count, count, True))
