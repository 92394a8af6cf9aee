"""Settings and the first run at a screen: what managers set is in force, and an empty bar pours."""

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, ViewportSize, expect
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import RunningBar, bar_of_a_suite
from pourline.testkit.until import until

from tests.browser.conftest import Staff, signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def empty_bar(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[RunningBar]":
    with bar_of_a_suite(tmp_path_factory.mktemp("empty")) as bar:
        yield bar


@pytest_asyncio.fixture(loop_scope="module")
async def owner(bar: RunningBar, browser: Browser) -> AsyncIterator[Staff]:
    staff = await signed_in(bar, browser, level=5)
    yield staff
    await staff.page.context.close()
    assert staff.faults == []


async def config(bar: RunningBar, key: str) -> Any:  # noqa: ANN401 a configuration value
    return (await bar.get(f"/api/config/{key}"))["value"]


def textbox(staff: Staff, name: str) -> Locator:
    return staff.page.get_by_role("textbox", name=name)


async def test_an_empty_bar_is_set_up_and_the_first_card_pours(
    empty_bar: RunningBar, browser: Browser
) -> None:
    staff = await signed_in(empty_bar, browser, level=4)
    page = staff.page
    await page.get_by_role("link", name="Set the bar up").click()
    await staff.fill("Beverage's name", "House Pils")
    await staff.fill("Price per litre in EUR", "6.20")
    await staff.press("Create beverage")
    await staff.fill("Tap's id, as devices name it", "1")
    await staff.fill("Tap's name", "Left wall")
    await staff.press("Create tap")
    secret = await page.get_by_role("textbox", name="Secret").input_value()
    await staff.press("I have it")
    await staff.press("Receive keg")
    await expect(page.get_by_text("House Pils, 50,000 ml, to tap 1")).to_be_visible()
    await staff.press("Connect keg")
    await staff.fill("Guest's name", "Ada First")
    await staff.fill("Card (put it on the reader)", "04:01:02:03:04:05:06")
    await staff.fill("Paid in, in EUR", "20")
    await staff.press("I have seen the ID")
    await staff.press("Open visit")
    await expect(page.get_by_text("Ready to pour")).to_be_visible()

    async with Fleet(mqtt_url=empty_bar.mqtt_url, taps=[("1", secret)]) as fleet:
        fleet.publish("1", "status", {"online": True, "pending_sync": 0}, retain=True)
        await until(lambda: empty_bar.get("/api/taps/1"), lambda tap: tap["keg_id"] is not None)
        grant = await fleet.authorize("1", "04010203040506", fields={})
        assert "grant_id" in grant, grant
        done = await fleet.pour("1", {"grant_id": grant["grant_id"], "volume_ml": 300})
    assert (done["status"], done["amount"]) == ("accepted", 186)
    assert not await staff.is_wider_than_itself()
    await page.context.close()
    assert staff.faults == []


async def test_every_step_of_the_first_run_may_be_skipped(
    empty_bar: RunningBar, browser: Browser
) -> None:
    staff = await signed_in(empty_bar, browser, level=4)
    await staff.open("/settings/first")
    step = staff.page.locator('.steps [aria-current="step"]')
    await expect(step).to_be_visible()
    while await step.text_content() != "Done":
        at = await step.text_content()
        await staff.press("Skip")
        await expect(step).not_to_have_text(str(at))
    await staff.page.context.close()


@pytest.mark.requirement("LK-7")
async def test_a_flag_says_what_off_means_and_is_turned_off_and_on(
    manager: Staff, bar: RunningBar
) -> None:
    await manager.open("/settings")
    await manager.press("House")
    row = manager.page.locator('[data-key="FF_LOST_CARD_ENFORCEMENT"]')
    await expect(row).to_contain_text("Off: a lost card pours")
    await manager.press("Turn off: Lost cards")
    await expect(row.get_by_role("button", name="Turn on")).to_be_visible()
    assert await config(bar, "FF_LOST_CARD_ENFORCEMENT") is False
    await manager.press("Turn on: Lost cards")
    await expect(row.get_by_role("button", name="Turn off")).to_be_visible()
    assert await config(bar, "FF_LOST_CARD_ENFORCEMENT") is True


async def test_volumes_are_shown_in_the_unit_that_was_set(manager: Staff, bar: RunningBar) -> None:
    seat = await bar.seat_tap(keg_ml=20_000)
    await manager.open("/settings")
    await manager.press("House")
    await manager.page.get_by_role("combobox", name="Volumes are shown in").select_option(
        "centilitres"
    )
    await manager.press("Save: Volumes are shown in")

    async def is_set() -> bool:
        return bool(await config(bar, "volume_unit") == "cl")

    await until(is_set)
    await manager.open("/")
    tile = manager.page.locator(f'[data-tap="{seat.tap_id}"]')
    await expect(tile).to_contain_text("2,000.0 cl")
    response = await bar.ask("PUT", "/api/config/volume_unit", json={"value": "ml"})
    assert response.is_success
    assert (
        await bar.ask("PUT", "/api/config/volume_unit", json={"value": "hogshead"})
    ).status_code == 422


async def test_thresholds_and_recipients_are_saved_and_a_wrong_one_is_told(
    manager: Staff, bar: RunningBar
) -> None:
    await manager.open("/settings")
    await manager.press("House")
    await textbox(manager, "A keg is low at %").fill("20")
    await manager.press("Save: A keg is low at %")
    await textbox(manager, "Alerts are mailed to").fill("a@example.org, b@example.org")
    await manager.press("Save: Alerts are mailed to")

    async def are_set() -> bool:
        return bool(
            await config(bar, "keg_low_ratio") == 0.2
            and await config(bar, "notification_recipients") == ["a@example.org", "b@example.org"]
        )

    await until(are_set)
    await textbox(manager, "A keg is low at %").fill("much")
    await manager.press("Save: A keg is low at %")
    await expect(manager.page.get_by_text("A keg is low at %: a number.")).to_be_visible()


@pytest.mark.requirement("LE-1")
async def test_another_currency_is_refused_once_money_has_moved(
    manager: Staff, bar: RunningBar
) -> None:
    await bar.seat_guest(amount=100)
    await manager.open("/settings")
    await manager.press("House")
    await expect(manager.page.get_by_label("Currency", exact=True)).to_have_value("EUR")
    await textbox(manager, "Currency").fill("USD")
    await manager.press("Save: Currency")
    told = manager.page.get_by_text("their currency stays")
    await expect(told.first).to_be_visible()
    assert await config(bar, "currency") == "EUR"


async def test_a_price_is_set_for_later(manager: Staff, bar: RunningBar) -> None:
    await bar.post("/api/beverages", name="Winter Bock", kind="beer", price_per_litre=800)
    await manager.open("/settings")
    await manager.press("Beverages")
    card = manager.page.get_by_role("article", name="Winter Bock")
    await card.get_by_role("button", name="New price").click()
    await manager.fill("Price per litre in EUR", "9")
    await manager.fill("From (empty: now)", "2199-12-01T18:00")
    await manager.press("Set price")
    await expect(
        manager.page.get_by_text("Winter Bock costs €9.00 / litre from 01 Dec")
    ).to_be_visible()
    await expect(card).to_contain_text("€8.00 / litre")


@pytest.mark.requirement("LK-8")
async def test_a_limit_profile_is_a_form_over_its_key(manager: Staff, bar: RunningBar) -> None:
    await manager.open("/settings")
    await manager.press("Limits")
    await manager.press("New limit profile")
    await manager.fill("Its name for visits", "short")
    await manager.fill("Title", "Short evenings")
    page = manager.page
    await page.get_by_label("Limit 1: in").select_option("any stretch of time")
    await manager.fill("Limit 1: minutes", "60")
    await manager.fill("Limit 1: ml", "500")
    await manager.press("Save limits")
    card = page.get_by_role("article", name="short", exact=True)
    await expect(card).to_contain_text("500 ml in 60 min")
    assert await config(bar, "limit_profile.short") == {
        "title": "Short evenings",
        "limits": [{"per": "window", "window_s": 3600, "volume_ml": 500}],
        "counts_companions": True,
        "reactivation": {"starts_anew": ["visit"]},
    }
    await card.get_by_role("button", name="Change").click()
    await expect(page.get_by_label("Limit 1: ml")).to_have_value("500")


async def test_an_owner_makes_changes_and_ends_an_account(owner: Staff, bar: RunningBar) -> None:
    page = owner.page
    await owner.open("/settings")
    await owner.press("Staff")
    await owner.press("New account")
    await owner.fill("Login name", "greta")
    await owner.fill("Its password", "short")
    await owner.press("Create account")
    await expect(page.get_by_text("at least 8 characters")).to_be_visible()
    await owner.fill("Its password", "long enough now")
    await owner.press("Create account")
    card = page.get_by_role("article", name="greta", exact=True)
    await card.get_by_role("button", name="PIN").click()
    await owner.fill("PIN, 4 to 8 digits", "4711")
    await owner.press("Set PIN")
    await expect(card).to_contain_text("has a PIN")
    await card.get_by_role("button", name="Deactivate").click()
    await expect(card).to_contain_text("Deactivated")
    login = await bar.ask(
        "POST", "/api/auth/login", json={"username": "greta", "password": "long enough now"}
    )
    assert login.status_code == 401


async def test_a_manager_sees_no_accounts_and_the_service_no_settings(
    manager: Staff, service: Staff, bar: RunningBar
) -> None:
    await manager.open("/settings")
    await expect(manager.button("Taps")).to_be_visible()
    await expect(manager.page.get_by_role("button", name="Staff", exact=True)).to_have_count(0)
    await service.open("/settings")
    assert service.page.url == f"{bar.base_url}/"
    await service.open("/settings/first")
    assert service.page.url == f"{bar.base_url}/"


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800), (1920, 1080)])
async def test_settings_are_not_wider_than_the_screen(
    manager: Staff, width: int, height: int
) -> None:
    await manager.page.set_viewport_size(ViewportSize(width=width, height=height))
    for tab in ("Taps", "Beverages", "Limits", "House"):
        await manager.open("/settings")
        await manager.press(tab)
        await expect(manager.button(tab)).to_have_attribute("aria-pressed", "true")
        await manager.page.wait_for_load_state("networkidle")
        assert not await manager.is_wider_than_itself(), tab


async def test_the_systems_health_is_told_service_by_service_to_managers(
    manager: "Staff", bar: RunningBar
) -> None:
    await bar.seat_guest(amount=100)  # the ledger has committed something, and told it
    await manager.open("/settings")
    await manager.press("System")

    services = manager.page.get_by_role("region", name="Services")
    ledger = services.get_by_role("article", name="ledger", exact=True)
    await expect(ledger.get_by_text("Ready")).to_be_visible()
    for said in ("Up for", "Waits: pour", "To be told", "Dead letters", "Last commit"):
        await expect(ledger.get_by_text(said)).to_be_visible()
    names = await services.get_by_role("article").count()
    parts = (await bar.get("/health/ready"))["parts"]
    assert names == len(parts)
    assert not await manager.is_wider_than_itself()


async def test_the_strip_says_whether_a_shift_is_open(manager: "Staff", bar: RunningBar) -> None:
    await manager.open("/settings")
    strip = manager.page.locator(".strip")
    await expect(strip.get_by_text("No shift open")).to_be_visible()

    await bar.post("/api/shifts/open", opening_float=0)

    await expect(strip.get_by_text(re.compile("Shift .*just now"))).to_be_visible()


async def test_what_is_being_typed_stays_when_the_value_changes_elsewhere(
    manager: Staff, bar: RunningBar
) -> None:
    await manager.open("/settings")
    await manager.press("House")
    ratio = textbox(manager, "A keg is low at %")
    await ratio.fill("33")
    for value, other in ((0.11, "11"), (0.12, "12")):
        await bar.ask("PUT", "/api/config/keg_low_ratio", json={"value": value})
        await bar.ask("PUT", "/api/config/stale_lock_s", json={"value": int(other) * 60})
        stale = manager.page.locator('[data-key="stale_lock_s"] input')
        await expect(stale).to_have_value(str(int(other) * 60))
        await expect(ratio).to_have_value("33")
