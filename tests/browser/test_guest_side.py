"""What guests see: the screen beside a tap, the menu, a page of their own; no one else's name."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, ViewportSize, expect
from pourline.controller.simulator import Fleet
from pourline.kit.ids import new_id
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat
from pourline.testkit.until import until

from tests.browser.conftest import Staff

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser"),
]

PHONE = ViewportSize(width=390, height=844)


@pytest_asyncio.fixture(loop_scope="module")
async def glass(bar: RunningBar, browser: Browser) -> AsyncIterator[Page]:
    """A screen that nobody has signed in at."""
    context = await browser.new_context(viewport=ViewportSize(width=1280, height=800))
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    cookies = await context.cookies()
    await context.close()
    assert (faults, cookies) == ([], [])


@dataclass(kw_only=True)
class Scene:
    """A tap with its controller."""

    bar: RunningBar
    tap: TapSeat
    fleet: Fleet

    async def guest(self, name: str, *, amount: int = 1_000, **fields: object) -> GuestSeat:
        guest = await self.bar.post("/api/guests", name=name, age_verified=True)
        await self.bar.post(f"/api/guests/{guest['id']}/topup", amount=amount)
        card = f"04{guest['id'].replace('-', '')[-12:]}"
        visit = await self.bar.post("/api/visits", guest_id=guest["id"], card_uid=card, **fields)
        return GuestSeat(guest_id=guest["id"], visit_id=visit["id"], card_uid=card)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(bar: RunningBar) -> AsyncIterator[Scene]:
    seat = await bar.seat_tap(keg_ml=10_000)
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret)]) as fleet:
        online = {"online": True, "pending_sync": 0, "valve": "closed"}
        fleet.publish(seat.tap_id, "status", online, retain=True)
        yield Scene(bar=bar, tap=seat, fleet=fleet)


async def put_config(bar: RunningBar, key: str, value: object) -> None:
    assert (await bar.ask("PUT", f"/api/config/{key}", json={"value": value})).is_success


@pytest_asyncio.fixture(loop_scope="module")
async def millilitres_again(bar: RunningBar) -> AsyncIterator[None]:
    """Leave the bar in millilitres for those who come after."""
    yield
    await put_config(bar, "volume_unit", "ml")


async def test_the_screen_beside_a_tap_goes_with_the_guest_and_knows_a_first_name_only(
    glass: Page, scene: Scene, bar: RunningBar
) -> None:
    guest = await scene.guest("Viola Zimmermann-Quast")
    await glass.goto(f"{bar.base_url}/tap/{scene.tap.tap_id}")
    body = glass.locator("body")
    await expect(body).to_contain_text("Welcome")
    await expect(body).to_contain_text("€0.90 / 100 ml")

    grant = await scene.fleet.authorize(scene.tap.tap_id, guest.card_uid)
    await expect(body).to_contain_text("Hello Viola")
    await expect(body).to_contain_text("€10.00 to spend · up to 1,111 ml now")
    flow = {"grant_id": grant["grant_id"], "volume_ml": 120, "pulses": 240, "rate_ml_s": 60}

    async def shown() -> str:  # a tap tells its flow again and again
        scene.fleet.publish(scene.tap.tap_id, "flow", flow, qos=0)
        await asyncio.sleep(0.2)
        return await body.inner_text()

    await until(shown, lambda text: "120 ml" in text and "€1.08" in text)
    await scene.fleet.pour(scene.tap.tap_id, {"grant_id": grant["grant_id"], "volume_ml": 300})
    await expect(body).to_contain_text("Cheers")
    await expect(body).to_contain_text("€2.70")

    assert "Zimmermann" not in await glass.content()
    await glass.get_by_role("button", name="Foam problem?").dblclick()
    await expect(body).to_contain_text("the staff know")

    async def told() -> int:
        alerts = (await bar.get("/api/alerts", state="open"))["items"]
        return sum(one["kind"] == "foam_reported" for one in alerts)

    await until(told, lambda count: count == 1)
    said = (await bar.get("/api/audit", subject=f"tap:{scene.tap.tap_id}"))["items"]
    assert [one["actor"] for one in said if one["action"] == "tap_foam_reported"] == ["guest"]


@pytest.mark.requirement("LK-8")
async def test_the_screen_beside_a_tap_says_what_a_spending_limit_leaves_of_a_balance(
    glass: Page, scene: Scene, bar: RunningBar
) -> None:
    limits = [{"per": "visit", "amount": 300}]
    await put_config(bar, "limit_profile.three", {"title": "Three euros", "limits": limits})
    guest = await scene.guest("Theo Sparsam", amount=5_000, limit_profile="three")
    await scene.fleet.pour(scene.tap.tap_id, {"visit_id": guest.visit_id, "volume_ml": 278})
    await glass.goto(f"{bar.base_url}/tap/{scene.tap.tap_id}")

    await scene.fleet.authorize(scene.tap.tap_id, guest.card_uid)

    await expect(glass.locator("body")).to_contain_text("€0.50 to spend · up to 55 ml now")


@pytest.mark.usefixtures("millilitres_again")
async def test_every_screen_follows_the_unit_of_the_bar(
    glass: Page, scene: Scene, manager: "Staff", bar: RunningBar
) -> None:
    await bar.post("/api/shifts/open", opening_float=0)
    guest = await scene.guest("Uta Ounce", amount=2_000)
    for visit_id in (guest.visit_id, str(new_id())):  # one is held: nobody knows the visit
        pour = {"visit_id": visit_id, "volume_ml": 300}
        await scene.fleet.pour(scene.tap.tap_id, pour)
    await manager.open("/shift")
    so_far = manager.page.get_by_role("region", name="So far")
    await expect(so_far).to_contain_text("300 ml")

    await put_config(bar, "volume_unit", "oz")

    await expect(so_far).to_contain_text("10.1 oz")
    await manager.open("/reconcile")
    held = manager.page.get_by_role("region", name="Held pours")
    await expect(held).to_contain_text(f"10.1 oz at tap {scene.tap.tap_id}")
    await manager.press("Decide")
    form = manager.page.get_by_role("article", name="Decide")
    await expect(form).to_contain_text("10.1 oz")
    for path in ("/menu", f"/tap/{scene.tap.tap_id}"):
        await glass.goto(f"{bar.base_url}{path}")
        await expect(glass.locator("body")).to_contain_text("€0.27 / oz")
    await scene.fleet.authorize(scene.tap.tap_id, guest.card_uid)
    await expect(glass.locator("body")).to_contain_text("€17.30 to spend · up to 65.0 oz now")
    await manager.open(f"/visits/{guest.visit_id}/receipt")
    await expect(manager.page.locator("body")).to_contain_text("300 ml")
    own = await manager.page.get_by_role("link", name="/g/").get_attribute("href") or ""
    await glass.goto(own)
    await expect(glass.get_by_label("Pours")).to_contain_text("10.1 oz")


async def test_a_refused_card_is_told_in_plain_words_and_what_to_do(
    glass: Page, scene: Scene, bar: RunningBar
) -> None:
    guest = await scene.guest("Wilma Poor", amount=10)
    await glass.goto(f"{bar.base_url}/tap/{scene.tap.tap_id}")
    await expect(glass.locator("body")).to_contain_text("Welcome")

    await scene.fleet.authorize(scene.tap.tap_id, guest.card_uid)

    body = glass.locator("body")
    both = re.compile("Not enough on your account.*Please pay in at the bar.", re.DOTALL)
    await expect(body).to_contain_text(both)
    await expect(body).to_contain_text("Welcome")


async def test_the_menu_says_what_runs_and_what_is_out_and_names_nobody(
    glass: Page, scene: Scene, bar: RunningBar
) -> None:
    guest = await scene.guest("Xaver Namenlos", amount=50_000)
    await glass.goto(f"{bar.base_url}/menu")
    name = (await bar.get(f"/api/taps/{scene.tap.tap_id}"))["beverage"]
    row = glass.get_by_role("listitem").filter(has_text=name)
    await expect(row).to_contain_text("On tap")
    await expect(row).to_contain_text("€0.90 / 100 ml")

    for volume_ml, word in ((9_000, "Almost gone"), (1_000, "Out")):
        pour = {"visit_id": guest.visit_id, "volume_ml": volume_ml, "duration_ms": 60_000}
        await scene.fleet.pour(scene.tap.tap_id, pour)
        await expect(row).to_contain_text(word)

    assert "Xaver" not in await glass.content()


async def test_a_guests_own_page_is_reached_from_the_visit_and_by_nobody_who_guesses(
    glass: Page, scene: Scene, manager: "Staff", bar: RunningBar
) -> None:
    guest = await scene.guest("Yara Eigen", amount=2_000)
    await scene.fleet.pour(scene.tap.tap_id, {"visit_id": guest.visit_id, "volume_ml": 100})
    await manager.open("/visits")
    await manager.press("Yara Eigen")
    await manager.page.get_by_text("Guest's own page").click()
    link = manager.page.get_by_role("link", name="/g/")
    address = await link.get_attribute("href") or ""
    await expect(manager.page.locator(".own-code svg")).to_be_visible()

    await glass.set_viewport_size(PHONE)
    await glass.goto(address)
    await expect(glass.get_by_role("heading", name="Hello Yara")).to_be_visible()
    await expect(glass.get_by_label("Balance")).to_contain_text("€19.10")
    await expect(glass.get_by_label("Pours")).to_contain_text("100 ml")
    assert not await glass.evaluate("document.documentElement.scrollWidth > innerWidth")

    key = address.rsplit("/", 1)[1]
    raw = bytearray(base64.urlsafe_b64decode(key + "=="))
    raw[-1] ^= 1
    forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    async with httpx.AsyncClient(base_url=bar.base_url, timeout=30) as client:
        good = await client.get(f"/g/{key}")
        wrong = [await client.get(f"/g/{one}") for one in (forged, guest.visit_id, "x", "%00")]
        glass_pages = [await client.get(path) for path in ("/menu", f"/tap/{scene.tap.tap_id}")]
    assert (good.headers["cache-control"], "set-cookie" in good.headers) == ("no-store", False)
    for page in glass_pages:
        assert "no-store" in page.headers["cache-control"]
        assert "set-cookie" not in page.headers
    assert [one.status_code for one in wrong] == [404, 404, 404, 404]
    assert all("Yara" not in one.text for one in wrong)


async def test_the_receipt_shows_the_way_to_the_guests_page(manager: "Staff", scene: Scene) -> None:
    guest = await scene.guest("Zita Papier")
    await manager.open(f"/visits/{guest.visit_id}/receipt")

    await expect(manager.page.locator(".own-code svg")).to_be_visible()
    await expect(manager.page.get_by_role("link", name="/g/")).to_be_visible()
