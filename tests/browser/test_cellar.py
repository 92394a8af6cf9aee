"""Kegs, stock and spouts at a screen: few actions, the suggested keg, exact counts."""

import hashlib
import hmac
import json
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Locator, ViewportSize, expect
from pourline.testkit.bar import RunningBar
from pourline.testkit.until import until

if TYPE_CHECKING:
    from tests.browser.conftest import Staff

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser"),
]

SWAP_ACTIONS_MAX = 6


def tap_card(staff: "Staff", tap_id: str) -> Locator:
    return staff.page.locator(f'[data-tap="{tap_id}"]')


async def press_in(staff: "Staff", place: Locator, name: str) -> None:
    staff.actions += 1
    await place.get_by_role("button", name=name).first.click()


@pytest.mark.requirement("KG-2")
async def test_a_keg_is_swapped_in_at_most_six_actions_by_the_oldest_receipt(
    manager: "Staff", bar: RunningBar
) -> None:
    seat = await bar.seat_tap()
    old = "2020-01-01T10:00:00Z"
    newer = await bar.post("/api/kegs", beverage_id=seat.beverage_id, volume_ml=30_000)
    oldest = await bar.post(
        "/api/kegs", beverage_id=seat.beverage_id, volume_ml=20_000, received_at=old
    )
    await manager.open("/kegs")

    await press_in(manager, tap_card(manager, seat.tap_id), "Change keg")
    panel = manager.page.get_by_role("article", name=f"Keg for tap {seat.tap_id}")
    await expect(panel).to_contain_text("oldest receipt")
    await expect(panel).to_contain_text("01 Jan")
    await press_in(manager, panel, "Stop tap first")
    await expect(panel.get_by_role("button", name="Resume tap")).to_be_visible()
    await press_in(manager, panel, "Connect keg")

    async def is_on() -> bool:
        return bool((await bar.get(f"/api/taps/{seat.tap_id}"))["keg_id"] == oldest["id"])

    await until(is_on)
    await press_in(manager, tap_card(manager, seat.tap_id), "Resume tap")
    assert manager.actions <= SWAP_ACTIONS_MAX
    kegs = {one["id"]: one["status"] for one in await bar.walk("/api/kegs")}
    assert kegs[newer["id"]] == "in_stock"
    assert kegs[oldest["id"]] == "connected"


async def test_another_beverage_is_refused_with_its_words(
    manager: "Staff", bar: RunningBar
) -> None:
    seat = await bar.seat_tap()
    other = await bar.post("/api/beverages", name="Plum wine", kind="wine", price_per_litre=1500)
    await bar.post("/api/kegs", beverage_id=other["id"], volume_ml=10_000)
    await bar.post("/api/kegs", beverage_id=seat.beverage_id, volume_ml=10_000)
    await manager.open("/kegs")

    await press_in(manager, tap_card(manager, seat.tap_id), "Change keg")
    panel = manager.page.get_by_role("article", name=f"Keg for tap {seat.tap_id}")
    await press_in(manager, panel, "Kegs of other beverages")
    await press_in(manager, panel, "Plum wine")
    taken = panel.locator('[aria-pressed="true"]').filter(has_text="Plum wine")
    await expect(taken).to_be_visible()
    await press_in(manager, panel, "Connect keg")

    told = manager.page.get_by_text("The tap pours another beverage")
    await expect(told.first).to_be_visible()
    assert (await bar.get(f"/api/taps/{seat.tap_id}"))["keg_id"] == seat.keg_id


async def test_a_tap_without_stock_takes_a_keg_that_is_received_in_the_same_panel(
    manager: "Staff", bar: RunningBar
) -> None:
    seat = await bar.seat_tap()
    await manager.open("/kegs")

    await press_in(manager, tap_card(manager, seat.tap_id), "Take off")
    panel = manager.page.get_by_role("article", name=f"Take the keg off tap {seat.tap_id}")
    await press_in(manager, panel, "Returned")
    await press_in(manager, tap_card(manager, seat.tap_id), "Connect keg")
    swap = manager.page.get_by_role("article", name=f"Keg for tap {seat.tap_id}")
    await press_in(manager, swap, "Receive 30 l")
    await press_in(manager, swap, "Connect keg")

    async def is_on() -> dict[str, object]:
        tap = await bar.get(f"/api/taps/{seat.tap_id}")
        return tap if tap["keg_id"] not in {None, seat.keg_id} else {}

    assert (await until(is_on))["remaining_ml"] == 30_000
    kegs = {one["id"]: one["status"] for one in await bar.walk("/api/kegs")}
    assert kegs[seat.keg_id] == "returned"


async def test_a_line_is_cleaned_and_pours_again(manager: "Staff", bar: RunningBar) -> None:
    seat = await bar.seat_tap()
    await manager.open("/kegs")
    card = tap_card(manager, seat.tap_id)

    await press_in(manager, card, "Clean line")
    await expect(card.get_by_role("button", name="Cleaning done")).to_be_visible()
    assert (await bar.get(f"/api/taps/{seat.tap_id}"))["state"] == "cleaning"
    await press_in(manager, card, "Cleaning done")

    await expect(card.get_by_role("button", name="Clean line")).to_be_visible()
    assert (await bar.get(f"/api/taps/{seat.tap_id}"))["state"] == "active"


@pytest.mark.requirement("SP-12")
async def test_a_count_shows_the_discrepancy_and_a_double_press_counts_once(
    manager: "Staff", bar: RunningBar
) -> None:
    item = await bar.post("/api/items", name="Juniper gin", unit="ml", low_stock_threshold=700)
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=1400)
    await manager.open("/stock")

    await manager.press("Juniper gin")
    await manager.press("Count")
    await manager.fill("Counted, in ml", "650,5")
    await manager.button("Save count").dblclick()

    card = manager.page.get_by_role("article", name="Juniper gin")
    await expect(card).to_contain_text("discrepancy -749.5 ml")
    row = manager.page.locator(f'[data-item="{item["id"]}"]')
    await expect(row).to_contain_text("Low")
    entries = (await bar.get("/api/inventory/ledger", item_id=item["id"]))["items"]
    assert [one["delta"] for one in entries] == [-749.5, 1400]


async def test_stock_below_zero_is_said_in_words_and_its_ledger_comes_as_a_sheet(
    manager: "Staff", bar: RunningBar
) -> None:
    item = await bar.post("/api/items", name="Limes", unit="each")
    await manager.open("/stock")
    await manager.press("Limes")
    await manager.press("Correct")
    await manager.fill("Change by, in each", "-3")
    await manager.fill("Reason", "Mouldy")
    await manager.press("Correct stock")

    row = manager.page.locator(f'[data-item="{item["id"]}"]')
    await expect(row).to_contain_text("Below zero")
    address = f"{bar.base_url}/sheets/inventory-ledger.csv?item_id={item['id']}"
    sheet = await manager.page.request.get(address)
    assert "Mouldy" in await sheet.text()


async def test_a_package_names_what_limits_it(manager: "Staff", bar: RunningBar) -> None:
    rum = await bar.post("/api/items", name="Rum", unit="ml")
    await bar.post("/api/stock/receipts", item_id=rum["id"], quantity=100)
    await manager.open("/stock")
    await manager.press("Packages")
    await manager.press("New package")
    await manager.fill("Package's name", "Daiquiri")
    await manager.fill("Price in EUR", "9.50")
    await manager.page.get_by_label("Part 1", exact=True).select_option("Rum (ml)")
    await manager.page.get_by_label("Quantity of part 1").fill("40")
    await manager.press("Create package")

    card = manager.page.get_by_role("article", name="Daiquiri")
    await expect(card).to_contain_text("2 can be sold")
    await expect(card).to_contain_text("Limited by Rum: 100 there, 40 needed")


@pytest.mark.requirement("SP-2")
async def test_a_spout_is_registered_and_calibrated_on_live_pulses(
    manager: "Staff", bar: RunningBar
) -> None:
    item = await bar.post("/api/items", name="Vodka", unit="ml")
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=1000)
    await manager.open("/stock")
    await manager.press("Spouts")
    await manager.press("New spout")
    await manager.fill("Spout's name", "Vodka spout")
    await manager.press("Register spout")
    secret = await manager.page.get_by_role("textbox", name="Secret").input_value()
    assert len(secret) == 64
    await manager.press("I have it")
    card = manager.page.get_by_role("article", name="Vodka spout")
    await press_in(manager, card, "Calibrate")
    await manager.page.get_by_label("Item it pours").select_option("Vodka (ml)")
    device = (await bar.get("/hardware/spout/devices"))["items"][-1]["id"]

    await pour(bar, device, secret, pulses=100)
    await manager.fill("Measured ml of pour 1", "41")
    await pour(bar, device, secret, pulses=300)
    await manager.fill("Measured ml of pour 2", "119")
    await expect(manager.page.get_by_text("0.4 ml per pulse, from 2 pours")).to_be_visible()
    await manager.press("Save calibration")

    async def is_booked() -> bool:
        rows = (await bar.get("/api/inventory"))["items"]
        return any(one["item_id"] == item["id"] and one["current_stock"] == 840 for one in rows)

    await until(is_booked)


async def pour(bar: RunningBar, device: str, secret: str, *, pulses: int) -> None:
    body = json.dumps({"deviceId": device, "pulses": pulses, "eventId": f"{device}-{pulses}"})
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    headers = {"X-Spout-Signature": signature, "Content-Type": "application/json"}
    response = await bar.ask("POST", "/hardware/spout/ingest", content=body, headers=headers)
    assert response.status_code == 202, response.text


async def test_the_service_sees_no_button_of_the_cellar_that_it_may_not_press(
    service: "Staff", bar: RunningBar
) -> None:
    seat = await bar.seat_tap()
    await service.open("/kegs")
    await expect(tap_card(service, seat.tap_id)).to_be_visible()
    for forbidden in ("Change keg", "Take off", "Clean line", "Receive a keg"):
        await expect(service.button(forbidden)).to_have_count(0)
    await bar.post("/api/items", name="Salt", unit="each")
    await service.open("/stock")
    await service.press("Salt")
    await expect(service.page.get_by_role("article", name="Salt")).to_be_visible()
    for forbidden in ("Receive", "Correct", "New item", "Stop tracking", "Spouts"):
        await expect(service.button(forbidden)).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800), (1920, 1080)])
async def test_cellar_and_stock_are_not_wider_than_the_screen(
    manager: "Staff", bar: RunningBar, width: int, height: int
) -> None:
    seat = await bar.seat_tap()
    await bar.post("/api/items", name=f"An item with a long name for {width} dots", unit="ltr")
    await manager.page.set_viewport_size(ViewportSize(width=width, height=height))
    await manager.open("/kegs")
    await press_in(manager, tap_card(manager, seat.tap_id), "Change keg")
    assert not await manager.is_wider_than_itself()
    await manager.open("/stock")
    await manager.press(f"An item with a long name for {width} dots")
    await expect(manager.button("Receive")).to_be_visible()
    assert not await manager.is_wider_than_itself()
