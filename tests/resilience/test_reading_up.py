"""A service that comes back reads what it missed before it decides about what devices say."""

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pourline.controller.simulator import Fleet
from pourline.kit.ids import new_id
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat, run_bar
from pourline.testkit.until import until

pytestmark = [pytest.mark.resilience, pytest.mark.asyncio(loop_scope="module")]

OLD, NEW = 100, 1_000
"""Minor units a litre."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bar(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningBar]:
    async with run_bar(tmp_path_factory.mktemp("away") / "bar") as running:
        yield running
        await running.verified()


def fleet_of(bar: RunningBar, seat: TapSeat) -> Fleet:
    return Fleet(mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret)])


async def come_in(bar: RunningBar) -> GuestSeat:
    """Be a guest with money and no visit yet."""
    seat = await bar.seat_guest()
    await bar.post(f"/api/visits/{seat.visit_id}/close", reason="comes back in a moment")
    return seat


async def test_a_visit_opened_while_the_ledger_was_away_is_known_to_its_first_pour(
    bar: RunningBar,
) -> None:
    tap = await bar.seat_tap(price_per_litre=NEW)
    async with fleet_of(bar, tap) as fleet:
        for _ in range(3):
            guest = await come_in(bar)
            bar.process_of("ledger").kill()
            visit = await bar.post("/api/visits", guest_id=guest.guest_id)

            answer = await fleet.pour(tap.tap_id, {"visit_id": visit["id"], "volume_ml": 100})

            assert (answer["status"], answer["amount"]) == ("accepted", 100)


async def test_a_keg_connected_while_the_ledger_was_away_prices_the_pours_from_it(
    bar: RunningBar,
) -> None:
    guest = await bar.seat_guest(amount=100_000)
    made = await bar.post("/api/taps", id="any", name="Takes any beverage")
    path, options = "/api/taps/any/keg", {"json": {"disposition": "in_stock"}}
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[("any", made["secret"])]) as fleet:
        await bar.post(path, keg_id=await a_keg(bar, OLD))
        for price in (NEW, OLD, NEW):
            keg_id = await a_keg(bar, price)
            bar.process_of("ledger").kill()
            assert (await bar.ask("DELETE", path, **options)).is_success
            await bar.post(path, keg_id=keg_id)

            pour = {"visit_id": guest.visit_id, "volume_ml": 20, "duration_ms": None}
            answer = await fleet.pour("any", pour)

            assert (answer["status"], answer["amount"]) == ("accepted", price // 50)


async def a_keg(bar: RunningBar, price_per_litre: int) -> str:
    name = f"Beer {new_id()}"
    beverage = await bar.post(
        "/api/beverages", name=name, kind="beer", price_per_litre=price_per_litre
    )
    keg = await bar.post("/api/kegs", beverage_id=beverage["id"], volume_ml=50_000)
    return str(keg["id"])


async def allowed(fleet: Fleet, tap: TapSeat, guest: GuestSeat) -> dict[str, object]:
    """Put the card on until the tap opens."""

    async def ask() -> dict[str, object]:
        with contextlib.suppress(TimeoutError):
            return await fleet.authorize(tap.tap_id, guest.card_uid)
        return {}

    return await until(ask, lambda answer: answer.get("decision") == "allow", within_s=30)


async def test_a_card_is_quoted_the_price_that_was_set_while_auth_lock_was_away(
    bar: RunningBar,
) -> None:
    tap = await bar.seat_tap(price_per_litre=OLD)
    guest = await bar.seat_guest()
    async with fleet_of(bar, tap) as fleet:
        fleet.publish(tap.tap_id, "status", {"online": True, "pending_sync": 0}, retain=True)
        for price in (NEW, OLD, NEW):
            bar.process_of("auth-lock").kill()
            path = f"/api/beverages/{tap.beverage_id}/price"
            await bar.post(path, price_per_litre=price)

            answer = await allowed(fleet, tap, guest)

            assert answer["price_per_litre"] == price
            await fleet.pour(tap.tap_id, {"grant_id": answer["grant_id"], "volume_ml": 0})
