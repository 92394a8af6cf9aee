"""A shift at a screen, from the float to the counted cash, in few actions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect
from pourline.testkit.bar import RunningBar, bar_of_a_suite
from pourline.testkit.until import until

from tests.browser.conftest import CHROMIUM

if TYPE_CHECKING:
    from tests.browser.conftest import Staff

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser"),
]

CLOSE_ACTIONS_MAX = 5


@pytest.fixture(scope="module")
def bar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBar]:
    """A bar of its own: nobody is here but those of this module."""
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    with bar_of_a_suite(tmp_path_factory.mktemp("shift")) as bar:
        yield bar


async def no_shift(bar: RunningBar) -> bool:
    return (await bar.ask("GET", "/api/shifts/current")).status_code == 404


@pytest.mark.requirement("SH-1", "SH-4")
async def test_a_shift_opens_with_a_float_and_closes_in_at_most_five_actions(
    manager: "Staff", bar: RunningBar
) -> None:
    await manager.open("/shift")
    await manager.fill("Float in EUR", "200")
    await manager.press("Open shift")
    await expect(manager.page.get_by_role("region", name="So far")).to_contain_text("€200.00")
    opened = await bar.get("/api/shifts/current")
    assert opened["opening_float"] == 20_000

    manager.actions = 0
    await expect(manager.page.get_by_text("Nothing stands in the way")).to_be_visible()
    await manager.press("Equipment looked at")
    await manager.fill("Cash counted in EUR", "201.50")
    await expect(manager.page.get_by_text("Difference €1.50")).to_be_visible()
    await manager.press("Close shift")

    closed = manager.page.get_by_role("status", name="Closed")
    await expect(closed).to_contain_text("€1.50")
    assert manager.actions <= CLOSE_ACTIONS_MAX
    report = await bar.get(f"/api/shifts/{opened['id']}/report")
    assert (report["status"], report["counted_cash"]) == ("closed", 20_150)
    await expect(closed.get_by_role("link", name="Print the report")).to_have_attribute(
        "href", f"/shifts/{opened['id']}/report"
    )


@pytest.mark.requirement("SH-2")
async def test_a_blocker_says_where_it_is_solved_and_idle_visits_close_at_one_press(
    manager: "Staff", bar: RunningBar
) -> None:
    await bar.post("/api/shifts/open", opening_float=0)
    guests = [await bar.seat_guest(amount=1_000) for _ in range(3)]
    await manager.open("/shift")

    blocker = manager.page.get_by_role("group", name="In the way: open visits")
    await expect(blocker).to_contain_text("3 open visits")
    solve = blocker.get_by_role("link", name="Solve it there")
    await expect(solve).to_have_attribute("href", "/visits")
    await manager.press("Equipment looked at")
    await manager.press("Close shift")
    await expect(manager.page.get_by_text("Something stands in the way")).to_be_visible()
    manager.actions = 0
    await manager.press("Close all idle visits")
    receipts = manager.page.get_by_role("link", name="Guest")
    await expect(receipts).to_have_count(3)
    await expect(manager.page.get_by_text("Nothing stands in the way")).to_be_visible()
    await manager.press("Close shift")

    await until(lambda: no_shift(bar))
    assert manager.actions <= CLOSE_ACTIONS_MAX
    assert (await bar.get(f"/api/visits/{guests[0].visit_id}"))["status"] == "closed"


async def test_members_join_and_leave_and_what_is_typed_stays(
    manager: "Staff", bar: RunningBar
) -> None:
    shift = await bar.post("/api/shifts/open", opening_float=0)
    await manager.open("/shift")
    team = manager.page.get_by_role("region", name="Team")
    await manager.fill("Cash counted in EUR", "12")
    await manager.fill("Name", "Jo")
    await manager.press("Joins")
    await expect(team.get_by_text("Jo", exact=True)).to_be_visible()
    await manager.press("Jo leaves")
    await expect(manager.button("Jo leaves")).to_have_count(0)

    await expect(manager.page.get_by_label("Cash counted in EUR")).to_have_value("12")
    assert "Jo" not in (await bar.get("/api/shifts/current"))["members"]
    await bar.post(f"/api/shifts/{shift['id']}/close", equipment_checked=True)


async def test_the_service_has_no_shift_view(service: "Staff") -> None:
    await expect(service.page.get_by_role("link", name="Shift")).to_have_count(0)
    await service.open("/shift")

    await expect(service.page).to_have_url(f"{service.bar.base_url}/")
