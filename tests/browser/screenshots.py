"""`make screenshots`: a planned evening at a real bar, and pictures of it for the documentation."""

import asyncio
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.async_api import Browser, Page, ViewportSize, async_playwright
from pourline.controller.settings import BarAddress
from pourline.controller.simulator import Fleet
from pourline.controller.simulator.training import Training, train
from pourline.testkit.bar import RunningBar, run_bar
from pourline.testkit.until import until

from tests.browser.conftest import ARGUMENTS, CHROMIUM, PASSWORD, TABLET

FOLDER: Final = Path(__file__).parents[2] / "docs" / "images"
EVENING: Final = Training(seed=7, minutes=20, speed=4, taps=8, guests=40)
COLOURS: Final = 192
"""Enough for flat colours and smooth letters; a third of the bytes."""
BYTES_MAX: Final = 150_000
SETTLED_MS: Final = 1_500
SIZES: Final = {
    "tablet": TABLET,
    "phone": ViewportSize(width=390, height=844),
    "wall": ViewportSize(width=1920, height=1080),
}


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture."""

    name: str
    path: str
    size: str = "tablet"
    scheme: Literal["light", "dark"] = "light"
    press: str = ""
    awaits: str = ""


SHOTS: Final = (
    Shot(name="console", path="/", awaits="Pouring"),
    Shot(name="console-dark", path="/", scheme="dark", awaits="Pouring"),
    Shot(name="board-dark", path="/board", size="wall", scheme="dark"),
    Shot(name="tap-screen", path="/tap/1", awaits="to spend"),
    Shot(name="menu", path="/menu"),
    Shot(name="alerts", path="/alerts"),
    Shot(name="reconcile", path="/reconcile", press="Decide"),
    Shot(name="shift", path="/shift"),
    Shot(name="visits", path="/visits", press="No. 10"),
    Shot(name="check-in", path="/check-in"),
    Shot(name="phone", path="/", size="phone"),
)


async def main() -> None:
    """Run the bar, play half an evening, take the pictures."""
    with tempfile.TemporaryDirectory(prefix="pourline-screenshots-") as folder:
        async with run_bar(Path(folder)) as bar, asyncio.TaskGroup() as group:
            token = await bar.token(level=5)
            address = BarAddress(
                http_url=bar.base_url, mqtt_url=bar.mqtt_url, token=token, data_dir=Path(folder)
            )
            evening = group.create_task(train(EVENING, address))
            await _trouble(bar)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                await _take_all(browser, bar)
                await browser.close()
            evening.cancel()


async def _trouble(bar: RunningBar) -> None:
    """Have a pour that waits for a person, then wait until the planned troubles are there."""

    async def kinds() -> set[str]:
        return {str(one["kind"]) for one in (await bar.get("/api/alerts", state="open"))["items"]}

    async def taps() -> int:
        return len((await bar.get("/api/taps"))["items"])

    await until(taps, lambda count: count == EVENING.taps, within_s=30)
    seat = await bar.seat_tap(tap_id="9", price_per_litre=650, keg_ml=30_000)
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret)]) as fleet:
        await fleet.pour(seat.tap_id, {"card_uid": "04c0ffee000001", "volume_ml": 250})
        owes = {"online": True, "pending_sync": 2, "valve": "closed"}
        fleet.publish(seat.tap_id, "status", owes, retain=True)
        await until(kinds, lambda seen: "device_offline" in seen, within_s=300)


async def _take_all(browser: Browser, bar: RunningBar) -> None:
    await bar.post("/api/staff", username="mira", password=PASSWORD, level=4)
    context = await browser.new_context(viewport=TABLET)
    page = await context.new_page()
    await page.goto(f"{bar.base_url}/login")
    await page.get_by_label("Name").fill("mira")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{bar.base_url}/")
    for shot in SHOTS:
        await _take(page, bar, shot)
    await context.close()


async def _take(page: Page, bar: RunningBar, shot: Shot) -> None:
    await page.set_viewport_size(SIZES[shot.size])
    await page.emulate_media(color_scheme=shot.scheme)
    await page.goto(f"{bar.base_url}{shot.path}")
    await page.wait_for_timeout(SETTLED_MS)
    if shot.press:
        await page.get_by_role("button", name=shot.press).first.click()
        await page.wait_for_timeout(SETTLED_MS)
    if shot.awaits:
        await page.get_by_text(shot.awaits).first.wait_for(timeout=60_000)
    path = FOLDER / f"{shot.name}.png"
    picture = Image.open(io.BytesIO(await page.screenshot()))
    picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {size // 1000} kB")  # noqa: T201 said to whoever runs it
    if size > BYTES_MAX:
        raise SystemExit(f"{path} is larger than {BYTES_MAX} bytes")


if __name__ == "__main__":
    asyncio.run(main())
