"""The floor in a browser: what an operator sees, and how soon."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.async_api import ViewportSize, expect
from pourline.testkit.ending import end

if TYPE_CHECKING:
    from services.console.tests.browser.conftest import Bar, Screen

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

log = logging.getLogger(__name__)
WITHIN_MS = 15_000
"""Seen at all: a busy machine may take this long."""
REPORTS = 8


async def test_a_wrong_password_is_refused_and_the_right_one_opens_the_floor(
    screen: "Screen",
) -> None:
    await screen.sign_in(password="wrong horse")
    await expect(screen.page.get_by_role("alert")).to_have_text("Name or password is not right.")
    await screen.sign_in()
    await expect(screen.page.get_by_role("article")).to_have_count(4, timeout=WITHIN_MS)
    await screen.page.get_by_role("button", name="Sign out").click()
    await expect(screen.page.get_by_label("Password")).to_be_visible()
    await screen.page.goto(f"{screen.bar.url}/")
    assert urlsplit(screen.page.url).path == "/login"


async def test_a_tile_tells_beverage_price_level_and_state_in_words(screen: "Screen") -> None:
    await screen.sign_in()
    ready = screen.page.get_by_role("article", name="Tap 1 Left wall: Ready")
    await expect(ready).to_contain_text("Pilsner", timeout=WITHIN_MS)
    for text in ("€6.20 / litre", "18,600 ml", "62 %", "Ready"):
        await expect(ready).to_contain_text(text)
    await expect(ready.get_by_role("meter")).to_have_attribute("aria-valuenow", "62")
    low = screen.page.get_by_role("article", name="Tap 2 Window: Ready")
    await expect(low).to_contain_text("Low")
    await expect(screen.page.get_by_role("article", name="Tap 3 Bar: Out of keg")).to_be_visible()
    assert await screen.page.get_by_role("article", name="Offline").count() == 1


@contextlib.asynccontextmanager
async def flowing(bar: "Bar", volume_ml: int) -> AsyncIterator[None]:
    """Have tap 1 tell its flow again and again, as a tap does: it is shown for some seconds."""

    async def again() -> None:
        while True:
            await bar.flow("1", volume_ml)
            await asyncio.sleep(0.5)

    telling = asyncio.create_task(again())
    try:
        yield
    finally:
        await end(telling)


async def test_flow_changes_the_millilitres_without_a_reload(screen: "Screen", bar: "Bar") -> None:
    await screen.sign_in()
    poured = screen.page.locator('[data-tap="1"] .poured')
    await expect(screen.page.get_by_role("article")).to_have_count(4, timeout=WITHIN_MS)
    took = []
    for volume_ml in range(100, 100 + REPORTS):
        began = time.monotonic()
        async with flowing(bar, volume_ml):
            await expect(poured).to_have_text(f"{volume_ml} ml", timeout=WITHIN_MS)
        took.append(time.monotonic() - began)
    log.info("flow_to_screen", extra={"took_s": sorted(took)})
    async with flowing(bar, 100 + REPORTS):
        await expect(screen.page.get_by_role("article", name="Tap 1")).to_contain_text("Pouring")


async def test_an_alert_appears_is_read_aloud_and_goes(screen: "Screen", bar: "Bar") -> None:
    await screen.sign_in()
    alerts = screen.page.get_by_role("complementary", name="Alerts")
    await expect(alerts).to_contain_text("All quiet", timeout=WITHIN_MS)
    await bar.alert("a1", title="Stout is empty")
    await expect(alerts.get_by_role("heading", name="Stout is empty")).to_be_visible()
    await expect(alerts.locator('[aria-live="assertive"]')).to_contain_text("Critical: Stout")
    await expect(screen.page.get_by_role("link", name="1 critical")).to_be_visible()
    await bar.alert("a1", title="Stout is empty", state="acknowledged", acknowledged_by="ben")
    await expect(alerts).to_contain_text("Acknowledged by ben")
    await bar.resolve("a1")
    await expect(alerts).to_contain_text("All quiet")


async def test_a_refused_acknowledgement_is_told(screen: "Screen", bar: "Bar") -> None:
    await bar.alert("a2", title="Weissbier is empty")
    await screen.sign_in()
    button = screen.page.get_by_role("button", name="Acknowledge: Weissbier is empty")
    await button.press("Enter", timeout=WITHIN_MS)
    await expect(screen.page.get_by_text("Refused: alert_resolved")).to_be_visible()
    asked = [(body["alert_id"], actor) for subject, body, actor in bar.commands if "ack" in subject]
    assert asked == [("a2", "mira")]
    await bar.resolve("a2")


async def test_stopping_a_tap_needs_a_reason_and_a_senior(screen: "Screen", bar: "Bar") -> None:
    await screen.sign_in(username="service")
    await expect(screen.page.get_by_role("article")).to_have_count(4, timeout=WITHIN_MS)
    assert await screen.page.get_by_role("button", name="Stop").count() == 0
    await screen.page.get_by_role("button", name="Sign out").click()
    await screen.sign_in()
    tile = screen.page.get_by_role("article", name="Tap 1")
    await tile.get_by_role("button", name="Stop").press("Enter", timeout=WITHIN_MS)
    await screen.page.get_by_role("button", name="Stop tap").click()
    await expect(screen.page.get_by_text("Say why")).to_be_visible()
    await screen.page.get_by_role("button", name="Foam").click()
    await screen.page.get_by_role("button", name="Stop tap").click()
    await expect(screen.page.get_by_role("dialog")).to_be_hidden()
    asked = [(body, actor) for subject, body, actor in bar.commands if "tap.stop" in subject]
    assert asked == [({"tap_id": "1", "reason": "Foam"}, "mira")]


async def test_the_page_asks_nobody_but_the_console(screen: "Screen") -> None:
    await screen.sign_in()
    await expect(screen.page.get_by_role("article")).to_have_count(4, timeout=WITHIN_MS)
    await screen.page.wait_for_load_state("networkidle")
    asked = [urlsplit(url) for url in screen.requested if not url.startswith("data:")]
    assert {url.hostname for url in asked} == {"127.0.0.1"}
    assert any(url.scheme == "ws" for url in asked)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800), (1920, 1080)])
async def test_nothing_is_wider_than_the_screen(
    screen: "Screen", bar: "Bar", width: int, height: int
) -> None:
    await screen.page.set_viewport_size(ViewportSize(width=width, height=height))
    await bar.alert("a3", title="A keg with an unreasonably long name is empty again" * 2)
    await screen.sign_in()
    await expect(screen.page.get_by_role("article")).to_have_count(4, timeout=WITHIN_MS)
    await bar.flow("1", 123_456)
    await expect(screen.page.locator('[data-tap="1"] .poured')).to_have_text("123,456 ml")
    assert not await screen.is_wider_than_itself()
    await bar.resolve("a3")


async def test_light_and_dark_follow_the_system_and_the_toggle_is_remembered(
    screen: "Screen",
) -> None:
    await screen.page.emulate_media(color_scheme="dark")
    await screen.sign_in()
    await expect(screen.page.get_by_role("article")).to_have_count(4, timeout=WITHIN_MS)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = await screen.page.evaluate(background)
    await screen.page.get_by_role("button", name="Light or dark").click()
    light = await screen.page.evaluate(background)
    assert dark != light
    await screen.page.reload()
    assert await screen.page.evaluate(background) == light
