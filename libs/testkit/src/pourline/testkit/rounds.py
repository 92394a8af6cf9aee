"""One short evening that touches every service, over the outer contract; it must come out exactly.

For whatever should change nothing: newer tables, other clocks, another version.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pourline.controller.simulator import Fleet
from pourline.testkit.bar import GuestSeat, Json, RunningBar, TapSeat
from pourline.testkit.until import until

PRICE = 900
AMOUNT = 10_000
VOLUME_ML = 250
COST = VOLUME_ML * PRICE // 1000
POURS = 4
NOTHING: Mapping[str, object] = {}


@dataclass(kw_only=True)
class Round:
    """What one evening left behind, for the next one to find."""

    tap: TapSeat
    guest: GuestSeat
    shift_id: str
    report: Json


async def play_round(bar: RunningBar, *, unknown: Mapping[str, object] = NOTHING) -> Round:
    """Open a shift, let a guest drink, sell, run low, close; raises `AssertionError` if it differs.

    `unknown` are fields that no message has, added to everything that is sent.
    """
    shift = await bar.post("/api/shifts/open", opening_float=5_000, **unknown)
    tap = await bar.seat_tap(price_per_litre=PRICE, tap_id=f"r{os.urandom(4).hex()}")
    guest = await bar.seat_guest(amount=AMOUNT)
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(tap.tap_id, tap.secret)]) as fleet:
        online = {"online": True, "pending_sync": 0, **unknown}
        fleet.publish(tap.tap_id, "status", online, retain=True)
        await _drink(bar, fleet, tap, guest, unknown)
    await _stock(bar, unknown)
    await _money(bar, guest, unknown)
    await bar.post(f"/api/visits/{guest.visit_id}/close", reason="closing time", **unknown)
    report = await _close(bar, shift["id"])
    return Round(tap=tap, guest=guest, shift_id=shift["id"], report=report)


async def _drink(
    bar: RunningBar, fleet: Fleet, tap: TapSeat, guest: GuestSeat, unknown: Mapping[str, object]
) -> None:
    stranger = await fleet.authorize(tap.tap_id, f"04{os.urandom(6).hex()}", fields=unknown)
    assert (stranger["decision"], stranger["reason"]) == ("deny", "unknown_card"), stranger
    for _ in range(POURS):
        grant = await fleet.authorize(tap.tap_id, guest.card_uid, fields=unknown)
        assert grant["decision"] == "allow", grant
        pour = {"grant_id": grant["grant_id"], "volume_ml": VOLUME_ML, **unknown}
        result = await fleet.pour(tap.tap_id, pour)
        assert (result["status"], result["amount"]) == ("accepted", COST), result
    visit = await until(
        lambda: bar.get(f"/api/visits/{guest.visit_id}"), lambda one: one["active_tap_id"] is None
    )
    assert (visit["balance"], visit["held"]) == (AMOUNT - POURS * COST, 0), visit
    await until(
        lambda: bar.get(f"/api/taps/{tap.tap_id}"),
        lambda one: one["remaining_ml"] == 50_000 - POURS * VOLUME_ML,
    )


async def _stock(bar: RunningBar, unknown: Mapping[str, object]) -> None:
    item = await bar.post("/api/items", name="Gin", unit="ml", low_stock_threshold=100, **unknown)
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=1_000, **unknown)
    spout = await bar.post("/hardware/spout/devices", name="Gin", vendor="SANDBOX", **unknown)
    calibration = {"inventoryItemId": item["id"], "mlPerPulse": 0.5, **unknown}
    await bar.post("/hardware/spout/calibrate", deviceId=spout["id"], **calibration)
    tonic = await bar.post("/api/items", name="Tonic", unit="each", **unknown)
    await bar.post("/api/stock/receipts", item_id=tonic["id"], quantity=10, **unknown)
    part = {"item_id": tonic["id"], "quantity": 2}
    package = await bar.post("/api/packages", name="Set", price=900, items=[part], **unknown)

    async def sellable() -> int:
        found = await bar.get(f"/api/packages/{package['id']}/availability")
        return int(found["max_sellable"])

    await until(sellable, lambda one: one == 5)
    line = {"package_id": package["id"], "quantity": 1}
    sale = f"sale-{os.urandom(6).hex()}"
    await bar.post("/api/sales", lines=[line], transaction_id=sale, **unknown)
    await until(sellable, lambda one: one == 4)
    await bar.post(f"/api/inventory/{item['id']}/adjust", delta=-950, reason="spilt", **unknown)

    async def alerts() -> list[Json]:
        listed: list[Json] = (await bar.get("/api/alerts", limit="1000"))["items"]
        return [one for one in listed if one["subject"]["id"] == item["id"]]

    [alert] = await until(alerts, lambda found: len(found) == 1)
    assert alert["kind"] == "low_stock", alert
    await bar.post(f"/api/alerts/{alert['id']}/acknowledge", comment="seen", **unknown)
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=1_000, **unknown)
    await until(alerts, lambda found: [one["state"] for one in found] == ["resolved"])


async def _money(bar: RunningBar, guest: GuestSeat, unknown: Mapping[str, object]) -> None:
    path = f"/api/guests/{guest.guest_id}"
    await bar.post(f"{path}/topup", amount=700, **unknown)
    await bar.post(f"{path}/refund", amount=300, **unknown)
    rows = await bar.walk(f"{path}/statement")
    assert sum(row["amount"] for row in rows) == AMOUNT - POURS * COST + 400, rows


async def _close(bar: RunningBar, shift_id: str) -> Json:
    """Close the shift, once what it waits for is in, and return its report."""

    async def close() -> Json:
        body = {"equipment_checked": True}
        response = await bar.ask("POST", f"/api/shifts/{shift_id}/close", json=body)
        answer: Json = response.json() | {"status_code": response.status_code}
        return answer

    closed = await until(close, lambda one: one["status_code"] == 200)
    assert closed["status_code"] == 200, closed

    async def report() -> Json:
        return await bar.get(f"/api/shifts/{shift_id}/report")

    return await until(report, lambda one: one["figures"]["pours"] >= POURS)
