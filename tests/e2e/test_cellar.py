"""The cellar from outside: seed 000's examples, spouts' secrets and health, kegs' losses."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from pourline.kit.ids import new_id
from pourline.testkit import spouts
from pourline.testkit.bar import RunningBar
from pourline.testkit.until import until

pytestmark = pytest.mark.xdist_group("bar")

Json = dict[str, Any]


def signed(secret: str, body: str) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    return {"X-Spout-Signature": signature, "Content-Type": "application/json"}


async def ingest(bar: RunningBar, secret: str, **fields: object) -> tuple[int, Json]:
    body = json.dumps(fields)
    path = "/hardware/spout/ingest"
    answer = await bar.ask("POST", path, content=body, headers=signed(secret, body))
    return answer.status_code, answer.json()


async def a_spout(bar: RunningBar, vendor: str = "SANDBOX") -> tuple[Json, str]:
    device = await bar.post("/hardware/spout/devices", name="Gin", vendor=vendor)
    item = await bar.post("/api/items", name="Gin", unit="ml")
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=1000)
    return device, item["id"]


@pytest.mark.requirement("SP-1", "SP-2", "SP-3", "SP-4", "SP-5")
async def test_the_examples_of_seed_000_work_as_they_are_written(bar: RunningBar) -> None:
    registered = await bar.ask(
        "POST",
        "/hardware/spout/devices",
        content='{"name": "Bar Spout #1", "vendor": "SANDBOX", "branchId": "branch-001"}',
    )
    device = registered.json()
    item = await bar.post("/api/items", name="Vodka", unit="ltr")
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=0.7)
    calibrated = await bar.ask(
        "POST",
        "/hardware/spout/calibrate",
        content=f'{{"deviceId": "{device["id"]}", "inventoryItemId": "{item["id"]}", '
        '"mlPerPulse": 1.5}',
    )
    body = f"""{{
    "deviceId": "{device["id"]}",
    "pulses": 100,
    "occurredAt": "2025-10-27T22:00:00Z"
  }}"""
    poured = await bar.ask(
        "POST",
        "/hardware/spout/ingest",
        content=body,
        headers=signed(device["secret"], body),
    )

    assert (registered.status_code, device["location"]) == (201, "branch-001")
    assert len(device["secret"]) == 64
    assert int(device["secret"], 16) >= 0
    assert (calibrated.status_code, calibrated.json()["ml_per_pulse"]) == (201, 1.5)
    assert (poured.status_code, poured.json()["status"]) == (202, "accepted")
    assert poured.json()["volume_ml"] == 150
    [batch] = (await bar.get("/api/stock/batches", item_id=item["id"]))["items"]
    assert batch["remaining"] == 0.55
    events = await bar.get("/hardware/spout/events", deviceId=device["id"])
    assert [one["volume_ml"] for one in events["items"]] == [150]


@pytest.mark.requirement("SP-1")
async def test_the_old_secret_counts_beside_the_new_one_until_the_next_rotation(
    bar: RunningBar,
) -> None:
    device, item_id = await a_spout(bar)
    await bar.post(
        "/hardware/spout/calibrate",
        deviceId=device["id"],
        inventoryItemId=item_id,
        mlPerPulse=1,
    )
    path = f"/hardware/spout/devices/{device['id']}/rotate-secret"
    secrets = [device["secret"]]

    async def statuses() -> list[int]:
        return [
            (await ingest(bar, one, deviceId=device["id"], pulses=1, eventId=str(new_id())))[0]
            for one in secrets
        ]

    before = await statuses()
    secrets.append((await bar.post(path))["secret"])
    once = await statuses()
    secrets.append((await bar.post(path))["secret"])
    twice = await statuses()

    assert (before, once, twice) == ([202], [202, 202], [401, 202, 202])


@pytest.mark.requirement("SP-9")
async def test_a_vendors_own_payload_is_read_by_a_map_in_the_configuration(
    bar: RunningBar,
) -> None:
    device, item_id = await a_spout(bar, vendor="Steadypour")
    await bar.post(
        "/hardware/spout/calibrate",
        deviceId=device["id"],
        inventoryItemId=item_id,
        mlPerPulse=0.001,
        channel=2,
    )
    value = {
        "pulses": {"path": "drink.ml", "scale": 1000},
        "event_id": "drink.serial",
        "channel": "head",
        "occurred_at": {"path": "drink.at", "format": "epoch_s"},
    }
    put = await bar.ask("PUT", "/api/config/spout_map.steadypour", json={"value": value})
    wrong = await bar.ask("PUT", "/api/config/spout_map.x", json={"value": {"pulse": "a"}})
    fields = {"head": 2, "drink": {"ml": 44.4, "serial": 17, "at": 1777665600}}
    body = json.dumps(fields)
    address = f"/hardware/spout/ingest?deviceId={device['id']}"

    async def said() -> Json:
        headers = signed(device["secret"], body)
        answer: Json = (await bar.ask("POST", address, content=body, headers=headers)).json()
        return answer

    answer = await until(said, lambda one: one.get("status") == "accepted")

    assert (put.status_code, wrong.status_code) == (200, 422)
    assert (answer["event_id"], answer["volume_ml"]) == ("17", 44.4)
    assert (await said())["status"] == "duplicate"


@pytest.mark.requirement("SP-10")
async def test_the_list_of_devices_shows_how_each_is(bar: RunningBar) -> None:
    device, _ = await a_spout(bar)
    word = {"online": True, "battery_pct": 63, "rssi_dbm": -71, "firmware": "2.0"}
    async with spouts.lines(bar, connections=1) as lines:
        lines.say(0, spouts.word(device["id"], "health", word))

        async def listed() -> Json:
            items = await bar.walk("/hardware/spout/devices")
            return next(one for one in items if one["id"] == device["id"])

        seen = await until(listed, lambda one: one.get("online") is True)

    assert (seen["battery_pct"], seen["rssi_dbm"], seen["firmware"]) == (63, -71, "2.0")
    assert seen["last_seen_at"]
    assert "secret" not in seen


@pytest.mark.requirement("SP-5", "SP-8")
async def test_stock_is_exact_however_often_and_in_whatever_order_spouts_repeat(
    bar: RunningBar,
) -> None:
    seats = await spouts.seat(bar, spouts=6, items=2)
    poured = spouts.evening(seats, events=40, seed=1)
    clean = spouts.left_of(poured)
    async with spouts.lines(bar) as lines:
        await lines.flood(spouts.jumbled(poured, times=5, seed=1))

        async def stock() -> Json:
            found = await spouts.stock_of(bar)
            return {item: found[item] for item in clean}

        await until(stock, lambda found: found == clean, within_s=30)


@pytest.mark.requirement("KG-5", "KG-6")
async def test_a_line_is_cleaned_with_a_staff_card_and_the_keg_says_what_it_cost(
    bar: RunningBar,
) -> None:
    seat, staff = await bar.seat_tap(), await bar.seat_guest()
    # A pour began its duration before its report: not before the cleaning it belongs to.
    fields = {"volume_ml": 1, "duration_ms": 4, "age_ms": 0, "visit_id": staff.visit_id}
    cards = {"value": [staff.card_uid.lower()]}
    assert (await bar.ask("PUT", "/api/config/staff_cards", json=cards)).is_success
    await bar.post(f"/api/taps/{seat.tap_id}/cleaning", reason="monday")
    async with spouts.lines(bar, connections=1) as lines:
        root = f"tap/{seat.tap_id}"
        asked = {"request_id": str(new_id()), "card_uid": staff.card_uid}
        lines.say(0, spouts.tap_word(root, "authorize", asked))

        async def visit() -> Json:
            return await bar.get(f"/api/visits/{staff.visit_id}")

        await until(visit, lambda one: one["active_tap_id"] == seat.tap_id)
        tx = {"client_tx_id": str(new_id()), "short_id": "000001"}
        tx["request_id"] = asked["request_id"]
        lines.say(0, spouts.tap_word(root, "pour", tx | fields))
        after = await until(visit, lambda one: one["active_tap_id"] is None)
    tap = await bar.post(f"/api/taps/{seat.tap_id}/resume", reason="done")

    async def losses() -> Json:
        return await bar.get(f"/api/kegs/{seat.keg_id}/yield")

    lost = await until(losses, lambda one: one["losses"]["cleaning"] > 0)
    [pour] = after["pours"]
    assert (pour["amount"], pour["price_per_litre"]) == (0, 0)
    assert tap["state"] == "active"
    assert tap["cleaned_at"] < tap["cleaning_due_at"]
    assert (lost["losses"]["cleaning"], lost["poured_ml"]) == (1, 0)
    assert (lost["remaining_ml"], lost["fresh_days"]) == (49_999, 0)
    items = (await bar.get("/api/kegs/forecast"))["items"]
    assert seat.keg_id in [one["keg_id"] for one in items]


@pytest.mark.requirement("KG-2")
async def test_another_keg_than_the_suggested_one_is_on_record_with_its_reason(
    bar: RunningBar,
) -> None:
    seat = await bar.seat_tap()
    made = [
        await bar.post("/api/kegs", beverage_id=seat.beverage_id, volume_ml=9_000) for _ in "ab"
    ]
    suggestion = await bar.get("/api/kegs/suggestion", beverage_id=seat.beverage_id)
    path = f"/api/taps/{seat.tap_id}/keg"
    await bar.post(path, keg_id=made[1]["id"], reason="the other is warm", disposition="empty")

    audit = await bar.get("/api/audit", subject=f"tap:{seat.tap_id}")
    line = next(one for one in audit["items"] if one["action"] == "keg_connected_out_of_line")
    assert suggestion["keg"]["id"] == made[0]["id"]
    assert [one["id"] for one in suggestion["candidates"]] == [one["id"] for one in made]
    assert line["reason"] == "the other is warm"
    assert line["after"]["suggested_keg_id"] == made[0]["id"]
    kegs = await bar.walk("/api/kegs", beverage_id=seat.beverage_id)
    assert {one["id"]: one["status"] for one in kegs}[seat.keg_id] == "empty"
