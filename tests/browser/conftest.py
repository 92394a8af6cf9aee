"""A whole bar with its console in a real browser; what staff press is counted."""

import re
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from uuid import uuid5

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, ViewportSize, async_playwright, expect
from pourline.kit.ids import new_id
from pourline.testkit.bar import RunningBar, bar_of_a_suite

CHROMIUM = shutil.which("chromium") or shutil.which("chromium", path="/usr/bin")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PASSWORD = "a long enough password"
WITHIN_MS = 30_000
"""Seen at all: a busy machine may take this long."""
TABLET = ViewportSize(width=1280, height=800)

expect.set_options(timeout=WITHIN_MS)


@pytest.fixture(scope="module")
def bar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBar]:
    """Run a bar for the module."""
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    with bar_of_a_suite(tmp_path_factory.mktemp("bar")) as bar:
        yield bar


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Start one browser for the module."""
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@dataclass(kw_only=True)
class Staff:
    """Somebody at a screen; `actions` counts what was pressed and filled in."""

    page: Page
    bar: RunningBar
    actions: int = 0
    faults: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        """Go to a view; no action of a task: one tap on the rail."""
        await self.page.goto(f"{self.bar.base_url}{path}")

    async def press(self, name: str | re.Pattern[str]) -> None:
        """Press a button by its name, once it is there."""
        self.actions += 1
        await self.button(name).click()

    async def fill(self, label: str, text: str) -> None:
        """Fill in a field."""
        self.actions += 1
        await self.page.get_by_label(label).fill(text)

    def button(self, name: str | re.Pattern[str]) -> Locator:
        """Return a button by its name."""
        return self.page.get_by_role("button", name=name).first

    async def is_wider_than_itself(self) -> bool:
        """Return whether the page scrolls sideways."""
        wide = await self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        return bool(wide)


async def signed_in(bar: RunningBar, browser: Browser, *, level: int) -> Staff:
    """Return somebody of a level at a screen of their own."""
    username = f"staff-{str(uuid5(new_id(), 'name'))[:8]}"
    await bar.post("/api/staff", username=username, password=PASSWORD, level=level)
    context = await browser.new_context(viewport=TABLET)
    staff = Staff(page=await context.new_page(), bar=bar)
    staff.page.on("pageerror", lambda error: staff.faults.append(str(error)))
    await staff.page.goto(f"{bar.base_url}/login")
    await staff.page.get_by_label("Name").fill(username)
    await staff.page.get_by_label("Password").fill(PASSWORD)
    await staff.page.get_by_role("button", name="Sign in").click()
    await staff.page.wait_for_url(f"{bar.base_url}/")
    return staff


@pytest_asyncio.fixture(loop_scope="module")
async def manager(bar: RunningBar, browser: Browser) -> AsyncIterator[Staff]:
    """Sit a manager at a screen."""
    staff = await signed_in(bar, browser, level=4)
    yield staff
    await staff.page.context.close()
    assert staff.faults == []


@pytest_asyncio.fixture(loop_scope="module")
async def service(bar: RunningBar, browser: Browser) -> AsyncIterator[Staff]:
    """Sit somebody of the service at a screen."""
    staff = await signed_in(bar, browser, level=1)
    yield staff
    await staff.page.context.close()
    assert staff.faults == []
