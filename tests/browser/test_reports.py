"""Reports at a screen: what was poured is in the plots, each with its table and its sheet."""

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import ViewportSize, expect
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import RunningBar
from pourline.testkit.until import until

if TYPE_CHECKING:
    from tests.browser.conftest import Staff

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser"),
]

PLOTS = 4


async def poured(bar: RunningBar) -> str:
    """Have a guest pour 500 ml, and 120 ml run without a card; return the beverage's name."""
    tap = await bar.seat_tap(price_per_litre=1_000)
    guest = await bar.seat_guest()
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(tap.tap_id, tap.secret)]) as fleet:
        fleet.publish(tap.tap_id, "status", {"online": True, "pending_sync": 0}, retain=True)
        grant = await fleet.authorize(tap.tap_id, guest.card_uid, fields={})
        await fleet.pour(tap.tap_id, {"grant_id": grant["grant_id"], "volume_ml": 500})
        await fleet.pour(tap.tap_id, {"volume_ml": 120})
    beverages = await bar.walk("/api/beverages")
    return str(next(one["name"] for one in beverages if one["id"] == tap.beverage_id))


async def test_what_was_poured_is_in_plots_tables_and_sheets(
    manager: "Staff", bar: RunningBar
) -> None:
    name = await poured(bar)
    await manager.open("/reports")
    page = manager.page

    drinks = page.get_by_role("article", name="By beverage")
    row = drinks.get_by_role("row").filter(has_text=name)
    await expect(row).to_contain_text("500 ml")
    await expect(row).to_contain_text("€5.00")
    lost = page.get_by_role("article", name=re.compile("received, poured, lost"))
    await expect(lost).to_contain_text("ran without a card: 120 ml")
    await expect(page.locator("svg.plot")).to_have_count(PLOTS)
    hours = page.get_by_role("article", name="Poured by hour")
    await hours.get_by_text("As a table").click()
    await expect(hours.get_by_role("row").filter(has_text="500 ml").first).to_be_visible()
    sheet = await page.request.get(f"{bar.base_url}/sheets/pours.csv")
    assert "volume_ml" in await sheet.text()
    address = await drinks.get_by_role("link", name="CSV").get_attribute("href")
    sums = await page.request.get(f"{bar.base_url}{address}")
    assert len((await sums.text()).splitlines()) > 1


async def test_a_pour_of_now_comes_without_a_reload_and_yesterday_has_none(
    manager: "Staff", bar: RunningBar
) -> None:
    await manager.open("/reports")
    drinks = manager.page.get_by_role("article", name="By beverage")
    await expect(drinks).to_be_visible()
    name = await poured(bar)
    await expect(drinks).to_contain_text(name)

    await manager.press("Day before")
    await expect(drinks).to_contain_text("Nothing was poured.")
    await manager.press("Day after")
    await expect(drinks).to_contain_text(name)
    await expect(manager.button("Day after")).to_be_disabled()


async def test_the_same_sums_come_over_rest_from_level_two_on(bar: RunningBar) -> None:
    await poured(bar)

    async def has_poured() -> bool:
        return bool((await bar.get("/api/reports/pours", by="beverage"))["items"])

    await until(has_poured)
    day = (await bar.get("/api/reports/pours", by="day"))["items"][-1]
    hours = (await bar.get("/api/reports/pours", by="hour"))["items"]
    assert sum(one["pours"] for one in hours) == day["pours"] > 0
    sheet = await bar.ask("GET", "/api/reports/pours", params={"by": "day", "format": "csv"})
    assert sheet.text.splitlines()[0].startswith("begins_at,ends_at,day")
    token = await bar.token(level=1)
    refused = await bar.ask(
        "GET", "/api/reports/pours", headers={"Authorization": f"Bearer {token}"}
    )
    assert refused.status_code == 403
    wrong = await bar.ask("GET", "/api/reports/pours", params={"timezone": "Moon/Sea"})
    assert wrong.status_code == 422


async def test_the_service_sees_no_reports(service: "Staff", bar: RunningBar) -> None:
    await service.open("/reports")
    assert service.page.url == f"{bar.base_url}/"


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800), (1920, 1080)])
async def test_reports_are_not_wider_than_the_screen(
    manager: "Staff", width: int, height: int
) -> None:
    await manager.page.set_viewport_size(ViewportSize(width=width, height=height))
    await manager.open("/reports")
    await expect(manager.page.locator("svg.plot").first).to_be_visible()
    assert not await manager.is_wider_than_itself()
