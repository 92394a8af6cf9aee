"""The alert board on a wall: live, ordered, large; and alerts with a comment."""

import pytest
from playwright.async_api import ViewportSize, expect
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import RunningBar
from pourline.testkit.until import until

from tests.browser.conftest import Staff

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser"),
]

READ_FROM_3_M_PX = 36
"""Three metres want letters of some 12 mm: 36 px on a wall screen of 32 inches at 1920x1080."""
WALL = ViewportSize(width=1920, height=1080)


async def lost_card_alert(bar: RunningBar) -> str:
    """Have a lost card put on a tap: critical at once."""
    seat, guest = await bar.seat_tap(), await bar.seat_guest()
    await bar.post("/api/lost-cards", card_uid=guest.card_uid)
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret)]) as fleet:
        await fleet.authorize(seat.tap_id, guest.card_uid)
    return f"A lost card is on tap {seat.tap_id}"


async def open_alerts(bar: RunningBar) -> list[dict[str, object]]:
    return list((await bar.get("/api/alerts", state="open"))["items"])


async def test_the_wall_is_quiet_then_tells_the_oldest_critical_alert_first_and_large(
    manager: "Staff", bar: RunningBar
) -> None:
    page = manager.page
    await page.set_viewport_size(WALL)
    await manager.open("/board")
    await expect(page.get_by_text("All quiet")).to_be_visible()

    first = await lost_card_alert(bar)
    titles = page.get_by_role("listitem").get_by_role("heading")
    await expect(titles).to_have_text([first])
    second = await lost_card_alert(bar)
    await expect(titles.first).to_have_text(first)
    await expect(page.get_by_text(second)).to_be_visible()

    row = page.get_by_role("listitem").first
    await expect(row).to_contain_text("Critical")
    await expect(page.get_by_text("All quiet")).not_to_be_visible()
    size = await titles.first.evaluate("one => parseFloat(getComputedStyle(one).fontSize)")
    assert size >= READ_FROM_3_M_PX
    assert not await manager.is_wider_than_itself()


async def test_sound_is_silent_until_armed_and_beeps_for_a_new_critical_alert(
    manager: "Staff", bar: RunningBar
) -> None:
    page = manager.page
    await page.add_init_script(
        "window.tones = 0; const old = AudioContext.prototype.createOscillator;"
        "AudioContext.prototype.createOscillator = function() {"
        " window.tones++; return old.call(this); };"
    )
    await manager.open("/board")
    await expect(page.get_by_role("status")).to_contain_text("Live")
    assert await page.evaluate("window.tones") == 0
    await manager.press("Sound on")
    await page.wait_for_function("window.tones === 1")

    await lost_card_alert(bar)

    await page.wait_for_function("window.tones === 4")


async def test_an_alert_is_acknowledged_with_a_comment_that_everybody_sees(
    manager: "Staff", bar: RunningBar
) -> None:
    title = await lost_card_alert(bar)

    async def is_open() -> bool:
        return any(one["title"] == title for one in await open_alerts(bar))

    await until(is_open)
    await manager.open("/alerts")
    await manager.press("Critical")
    card = manager.page.get_by_role("article", name=title)
    await card.get_by_role("button", name="With a comment").click()
    await manager.press("On my way")
    await manager.page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()

    await expect(card).to_have_count(0)
    await manager.press("Acknowledged")
    await expect(card).to_contain_text("On my way")


async def test_the_wall_wants_a_login(service: "Staff") -> None:
    await service.page.context.clear_cookies()
    await service.open("/board")

    await expect(service.page).to_have_url(f"{service.bar.base_url}/login")
