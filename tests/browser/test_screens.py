"""Every screen at once: a lost console, two people at one visit, twenty screens, and who reads."""

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, expect
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import RunningBar, TapSeat
from pourline.testkit.until import until

from tests.browser.conftest import TABLET, Staff, signed_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser"),
]

SCREENS = 20
CHANGES = 10
VIEWS = (
    "/",
    "/check-in",
    "/visits",
    "/alerts",
    "/kegs",
    "/stock",
    "/reconcile",
    "/shift",
    "/reports",
    "/settings",
    "/settings/first",
    "/board",
)
GLASS = ("/menu", "/tap/{tap}", "/login")
PHONE = ViewportSize(width=390, height=844)
THUMB_PX = 44
"""Smallest target that a finger hits (WCAG 2.2, success criterion 2.5.5)."""
GRAVE = frozenset({"serious", "critical"})
IS_SHOWN = """() => {
  const popup = document.getElementById("popup");
  const view = document.querySelector(".view");
  return popup !== null && view !== null
    && getComputedStyle(popup).visibility === "visible"
    && getComputedStyle(view).pointerEvents === "none";
}"""
WATCH = """() => {
  window.seen = {};
  const look = () => {
    const text = document.body.innerText;
    for (const found of text.matchAll(/(\\d[\\d,]*) ml/g)) {
      window.seen[found[1]] ??= performance.timeOrigin + performance.now();
    }
  };
  const all = {subtree: true, childList: true, characterData: true, attributes: true};
  new MutationObserver(look).observe(document.body, all);
  look();
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tap(bar: RunningBar) -> AsyncIterator[tuple[TapSeat, Fleet]]:
    seat = await bar.seat_tap()
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret)]) as fleet:
        online = {"online": True, "pending_sync": 0, "valve": "closed"}
        fleet.publish(seat.tap_id, "status", online, retain=True)
        yield seat, fleet


async def lively(bar: RunningBar, seat: TapSeat, fleet: Fleet) -> None:
    """Have something of everything: a shift, a visit, a held pour, a critical alert."""
    await bar.ask("POST", "/api/shifts/open", json={"opening_float": 5_000})
    guest, loser = await bar.seat_guest(), await bar.seat_guest()
    await fleet.pour(seat.tap_id, {"visit_id": guest.visit_id})
    await fleet.pour(seat.tap_id, {"card_uid": "04deadbeef0101"})
    await bar.post("/api/lost-cards", card_uid=loser.card_uid)
    await fleet.authorize(seat.tap_id, loser.card_uid)
    fleet.publish(seat.tap_id, "pour", {"volume_ml": "much"})


async def tabs(page: Page) -> AsyncIterator[str]:
    """Turn to each further tab of a view, one after the other."""
    choices = page.locator(".view-head").get_by_role("group", name="Show").get_by_role("button")
    for choice in (await choices.all())[1:]:
        await choice.click()
        await expect(choice).to_have_attribute("aria-pressed", "true")
        yield (await choice.inner_text()).strip()


async def grave_faults(page: Page) -> list[str]:
    """Return what axe-core calls serious or critical, with where it is."""
    found = await Axe().run(page)
    return [
        f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
        for one in found.response["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"][:4]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_view_has_a_serious_fault_for_whoever_cannot_see_it_well(
    manager: "Staff", bar: RunningBar, tap: tuple[TapSeat, Fleet], scheme: str
) -> None:
    seat, fleet = tap
    await lively(bar, seat, fleet)
    page = manager.page
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    faults: dict[str, list[str]] = {}
    for path in VIEWS + GLASS:
        await manager.open(path.format(tap=seat.tap_id))
        await expect(page.locator("main").first).to_be_visible()
        if path == "/visits":
            await page.get_by_label("Open visits").get_by_role("button").first.click()
            await expect(page.get_by_role("article")).to_be_visible()
        if path == "/reconcile":
            await manager.press("Decide")
        if path == "/shift":
            await expect(page.get_by_role("region", name="So far")).to_be_visible()
        if found := await grave_faults(page):
            faults[path] = found
        async for tab in tabs(page):
            if found := await grave_faults(page):
                faults[f"{path} {tab}"] = found
    for path, tab, name in (("/reconcile", "Dead letters", "Replay"), ("/settings", "System", "")):
        await manager.open(path)
        await manager.press(re.compile(tab))
        shown = page.get_by_role("button", name=name) if name else page.get_by_text("Up for")
        await expect(shown.first).to_be_visible()
        if found := await grave_faults(page):
            faults[f"{path} {tab}"] = found
    assert faults == {}


@pytest.mark.parametrize("width", [390, 1280, 1920])
async def test_no_screen_is_wider_than_itself(
    manager: "Staff", bar: RunningBar, tap: tuple[TapSeat, Fleet], width: int
) -> None:
    seat, fleet = tap
    await lively(bar, seat, fleet)
    await manager.page.set_viewport_size(ViewportSize(width=width, height=900))
    for path in VIEWS + GLASS:
        await manager.open(path.format(tap=seat.tap_id))
        await expect(manager.page.locator("main").first).to_be_visible()
        if path == "/reconcile":
            await manager.press("Decide")
        await settled_layout(manager, path)
        async for tab in tabs(manager.page):
            await settled_layout(manager, f"{path} {tab}")


async def settled_layout(staff: "Staff", where: str) -> None:
    await staff.page.wait_for_timeout(400)  # a layout that settles late is wide late
    assert not await staff.is_wider_than_itself(), where


async def test_every_view_is_one_tap_away_on_a_phone(manager: "Staff") -> None:
    """Nothing of the rail is out of sight, and what a thumb has to hit is large enough."""
    await manager.page.set_viewport_size(PHONE)
    await manager.open("/shift")
    rail = manager.page.get_by_role("navigation", name="Views")
    await expect(rail).to_be_visible()
    links = await rail.get_by_role("link").all()
    assert len(links) == 10
    for link in links:
        await expect(link).to_be_in_viewport(ratio=1)
        box = await link.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= THUMB_PX
    for number, link in enumerate(links):
        address = await link.get_attribute("href")
        await link.click()
        await manager.page.wait_for_url(f"**{address}")
        here = manager.page.locator("[aria-current=page]")
        await expect(here).to_be_in_viewport(ratio=1)
        assert await rail.get_by_role("link").nth(number).get_attribute("aria-current") == "page"


async def test_the_tool_that_looks_for_faults_finds_one(manager: "Staff") -> None:
    await manager.open("/")
    await manager.page.evaluate("document.body.append(document.createElement('button'))")

    assert any("button-name" in fault for fault in await grave_faults(manager.page))


async def test_two_people_at_one_visit_never_overwrite_each_other(
    manager: "Staff", bar: RunningBar, browser: Browser
) -> None:
    seat = await bar.seat_guest(amount=1_000)
    name = (await bar.get(f"/api/guests/{seat.guest_id}"))["name"]
    other = await signed_in(bar, browser, level=4)
    for staff in (manager, other):
        await staff.open("/visits")
        await staff.press(name)
    await manager.fill("Amount in EUR", "5")
    await other.fill("Amount in EUR", "7")

    await asyncio.gather(manager.press("Top up, cash"), other.press("Top up, cash"))

    for staff in (manager, other):
        card = staff.page.get_by_role("article")
        await expect(card).to_contain_text("€22.00")
    assert (await bar.get(f"/api/guests/{seat.guest_id}"))["balance"] == 2_200
    await other.page.context.close()


async def test_a_lost_console_shows_at_once_and_heals_by_itself(
    manager: "Staff",
    bar: RunningBar,
    tap: tuple[TapSeat, Fleet],
    capsys: pytest.CaptureFixture[str],
) -> None:
    seat, fleet = tap
    page = manager.page
    await manager.open("/")
    tile = page.locator("article, .tile").filter(has_text=seat.tap_id).first
    await expect(tile).to_be_visible()
    popup = page.locator("#popup")
    # Looked at in the page, at every frame: the console may be back before anybody asks again.
    shown = asyncio.create_task(page.wait_for_function(IS_SHOWN))
    begun = time.perf_counter()
    bar.process_of("console").kill()
    await shown
    shown_ms = (time.perf_counter() - begun) * 1_000

    await bar.ready()
    guest = await bar.seat_guest()
    await fleet.pour(seat.tap_id, {"visit_id": guest.visit_id, "volume_ml": 123})

    await expect(page.get_by_text("123 ml").first).to_be_visible()
    await expect(popup).not_to_be_visible()
    await expect(page.locator(".view")).to_have_css("pointer-events", "auto")
    healed_ms = (time.perf_counter() - begun) * 1_000
    with capsys.disabled():
        print(  # noqa: T201 what was measured is told and fails nothing
            f"\na lost console shows after {shown_ms:.0f} ms,"
            f" and all is true again after {healed_ms:.0f} ms"
        )


@contextlib.asynccontextmanager
async def screens(bar: RunningBar, browser: Browser) -> AsyncIterator[list[BrowserContext]]:
    """Give twenty screens of one person, in contexts that share nothing but the login."""
    first = await signed_in(bar, browser, level=4)
    state = await first.page.context.storage_state()
    contexts = [
        await browser.new_context(viewport=TABLET, storage_state=state) for _ in range(SCREENS)
    ]
    try:
        yield contexts
    finally:
        for context in (*contexts, first.page.context):
            await context.close()


async def test_twenty_screens_show_every_change(
    bar: RunningBar,
    browser: Browser,
    tap: tuple[TapSeat, Fleet],
    capsys: pytest.CaptureFixture[str],
) -> None:
    seat, fleet = tap
    guest = await bar.seat_guest(amount=100_000)
    async with screens(bar, browser) as contexts:
        # One screen after the other is switched on, beside those that already show the floor.
        pages = []
        views_ms = []
        for context in contexts:
            pages.append(await context.new_page())
            views_ms.append(await first_view_ms(pages[-1], bar, seat))
        for page in pages:
            await page.evaluate(WATCH)
        waits_ms: list[float] = []
        for number in range(CHANGES):
            volume = 211 + number
            sent_ms = time.time() * 1_000
            await fleet.pour(seat.tap_id, {"visit_id": guest.visit_id, "volume_ml": volume})
            for page in pages:
                await page.wait_for_function(f"'{volume}' in window.seen")
                waits_ms.append(await page.evaluate(f"window.seen['{volume}']") - sent_ms)
    assert len(waits_ms) == SCREENS * CHANGES
    views_ms.sort()
    waits_ms.sort()
    load = psutil.getloadavg()[0]
    with capsys.disabled():
        print(  # noqa: T201 what was measured is told and fails nothing
            f"\nfirst view: median {views_ms[SCREENS // 2]:.0f} ms, worst {views_ms[-1]:.0f} ms"
            f" (goal 1500); a change on {SCREENS} screens:"
            f" median {waits_ms[len(waits_ms) // 2]:.0f} ms,"
            f" p99 {waits_ms[int(len(waits_ms) * 0.99) - 1]:.0f} ms (goal 500); load {load:.1f}"
        )


async def first_view_ms(page: Page, bar: RunningBar, seat: TapSeat) -> float:
    begun = time.perf_counter()
    await page.goto(bar.base_url, wait_until="commit")
    await page.locator(".tile").filter(has_text=seat.tap_id).first.wait_for()
    return (time.perf_counter() - begun) * 1_000


async def test_a_pin_opens_a_shared_screen_at_level_two(bar: RunningBar, browser: Browser) -> None:
    name, password = f"pin-{os.urandom(4).hex()}", "a long enough password"
    account = await bar.post("/api/staff", username=name, password=password, level=4)
    await bar.post(f"/api/staff/{account['id']}/pin", pin="480217")
    context = await browser.new_context(viewport=TABLET)
    page = await context.new_page()
    await page.goto(f"{bar.base_url}/login")
    for pin in ("111111", "480217"):
        await page.get_by_label("Name").fill(name)
        await page.get_by_label("Password").fill(pin)
        await page.get_by_role("button", name="Use PIN").click()
        if pin == "111111":
            await expect(page.get_by_role("alert")).to_have_text("Name or PIN is not right.")

    await expect(page).to_have_url(f"{bar.base_url}/")
    await expect(page.get_by_text(name)).to_be_visible()
    await page.goto(f"{bar.base_url}/settings")
    await expect(page.locator("#main")).not_to_contain_text("Staff")
    await context.close()


async def test_a_screen_that_nobody_signed_in_at_keeps_no_secret(
    bar: RunningBar, browser: Browser
) -> None:
    guest = await bar.seat_guest()
    name = (await bar.get(f"/api/guests/{guest.guest_id}"))["name"]
    context = await browser.new_context(viewport=TABLET)
    page = await context.new_page()
    for path in ("/board", "/reconcile", "/shift", f"/visits/{guest.visit_id}/receipt"):
        await page.goto(f"{bar.base_url}{path}")
        await expect(page).to_have_url(f"{bar.base_url}/login")
    await page.goto(f"{bar.base_url}/menu")

    async def words() -> str:
        return str(await page.locator("body").inner_text())

    said = await until(words)
    assert name not in said
    await context.close()
