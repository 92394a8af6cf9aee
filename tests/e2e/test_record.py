"""Whatever people change is on the record: who, what, when, why, before and after."""

import pytest
from pourline.testkit.bar import Json, RunningBar
from pourline.testkit.until import until

pytestmark = pytest.mark.requirement("VI-6")


async def on_record(bar: RunningBar, subject: str, *actions: str) -> list[Json]:
    """Return a subject's entries, oldest first, once these actions are among them."""

    async def entries() -> list[Json]:
        found: list[Json] = (await bar.get("/api/audit", subject=subject))["items"]
        return found[::-1]

    def are_there(found: list[Json]) -> bool:
        return set(actions) <= {one["action"] for one in found}

    found = await until(entries, are_there)
    assert {one["actor"] for one in found} == {"tests"}
    return [one for one in found if one["action"] in actions]


async def test_a_price_is_on_record_with_what_it_was(bar: RunningBar) -> None:
    made = await bar.post("/api/beverages", name="Bock", kind="beer", price_per_litre=900)
    await bar.post(f"/api/beverages/{made['id']}/price", price_per_litre=950)

    created, changed = await on_record(
        bar, f"beverage:{made['id']}", "beverage_created", "price_changed"
    )

    assert created["after"]["price_per_litre"] == 900
    assert changed["before"] == {"price_per_litre": 900}
    assert changed["after"]["price_per_litre"] == 950


async def test_money_paid_in_and_back_is_on_record_with_its_note(bar: RunningBar) -> None:
    guest = await bar.seat_guest(amount=0)
    path = f"/api/guests/{guest.guest_id}"
    await bar.post(f"{path}/topup", amount=500, note="from the tip jar")
    await bar.post(f"{path}/refund", amount=200, note="leaves early")

    paid_in, paid_back = await on_record(bar, f"guest:{guest.guest_id}", "topped_up", "refunded")

    assert (paid_in["reason"], paid_in["before"]) == ("from the tip jar", {"balance": 0})
    assert (paid_back["before"]["balance"], paid_back["after"]["balance"]) == (500, 300)
    assert paid_back["after"]["amount"] == 200


async def test_what_comes_into_the_cellar_is_on_record(bar: RunningBar) -> None:
    tap = await bar.seat_tap()
    item = await bar.post("/api/items", name="Aperol", unit="ml")
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=1000)
    spout = await bar.post("/hardware/spout/devices", name="S", vendor="SANDBOX")
    calibration = {"deviceId": spout["id"], "inventoryItemId": item["id"], "mlPerPulse": 0.5}
    await bar.post("/hardware/spout/calibrate", **calibration)

    [keg] = await on_record(bar, f"keg:{tap.keg_id}", "keg_received")
    _, received = await on_record(bar, f"item:{item['id']}", "item_created", "stock_received")
    [calibrated] = await on_record(bar, f"spout:{spout['id']}", "spout_calibrated")

    assert keg["after"]["volume_ml"] == 50_000
    assert (received["after"]["quantity"], received["after"]["unit"]) == (1000, "ml")
    assert float(calibrated["after"]["ml_per_pulse"]) == 0.5


async def test_who_dealt_with_an_alert_and_what_they_said_stays(bar: RunningBar) -> None:
    item = await bar.post("/api/items", name="Campari", unit="ml", low_stock_threshold=50)
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=10)
    await bar.post(f"/api/inventory/{item['id']}/adjust", delta=-1, reason="spilled")

    async def alert_of_it() -> list[Json]:
        open_ones = (await bar.get("/api/alerts", limit="1000"))["items"]
        return [one for one in open_ones if one["subject"]["id"] == item["id"]]

    [alert, *_] = await until(alert_of_it)
    await bar.post(f"/api/alerts/{alert['id']}/acknowledge", comment="on its way")
    await bar.post(f"/api/alerts/{alert['id']}/resolve", comment="ordered")

    seen, over = await on_record(
        bar, f"alert:{alert['id']}", "alert_acknowledged", "alert_resolved"
    )

    assert (seen["reason"], over["reason"]) == ("on its way", "ordered")
    assert over["after"]["kind"] == alert["kind"]


async def test_a_package_is_on_record(bar: RunningBar) -> None:
    item = await bar.post("/api/items", name="Soda", unit="ml")
    package = await bar.post(
        "/api/packages", name="Spritz", price=700, items=[{"item_id": item["id"], "quantity": 5}]
    )

    [made] = await on_record(bar, f"package:{package['id']}", "package_created")

    assert (made["after"]["name"], made["after"]["price"]) == ("Spritz", 700)
