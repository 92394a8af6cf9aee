"""Check-in and visits at a screen: few actions, money once, and what each level may do."""

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import ViewportSize, expect
from pourline.testkit.bar import RunningBar
from pourline.testkit.until import until

if TYPE_CHECKING:
    from tests.browser.conftest import Staff

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser"),
]

CHECK_IN_ACTIONS_MAX = 4


async def visit_of(bar: RunningBar, name: str) -> dict[str, object]:
    async def found() -> dict[str, object]:
        page = await bar.get("/api/visits/active", q=name)
        return dict(page["items"][0]) if page["items"] else {}

    return await until(found)


async def test_a_new_guest_is_in_with_card_and_money_after_four_actions(
    service: "Staff", bar: RunningBar
) -> None:
    await service.open("/check-in")

    await service.fill("Guest's name", "Nora Quill")
    await service.press("I have seen the ID")
    await service.press("€20.00")
    await service.fill("Card", "04:A1:B2:C3:D4:E5:F6")
    await service.page.keyboard.press("Enter")  # as the reader does behind a card

    await expect(service.page.get_by_text("Nora Quill is in")).to_be_visible()
    visit = await visit_of(bar, "Nora Quill")
    assert service.actions <= CHECK_IN_ACTIONS_MAX
    assert (visit["card_uid"], visit["balance"]) == ("04a1b2c3d4e5f6", 2_000)
    assert visit["guest"]["age_verified"] is True  # type: ignore[index]


async def test_a_known_guest_is_suggested_and_not_registered_again(
    service: "Staff", bar: RunningBar
) -> None:
    guest = await bar.post("/api/guests", name="Otto Reuter", age_verified=True)
    await service.open("/check-in")

    await service.fill("Guest's name", "Otto")
    await service.press("Otto Reuter")
    await service.press("Open visit")

    visit = await visit_of(bar, "Otto Reuter")
    assert visit["guest"]["id"] == guest["id"]  # type: ignore[index]
    assert service.actions <= CHECK_IN_ACTIONS_MAX


async def test_a_refused_card_keeps_what_was_done_and_the_next_one_opens(
    service: "Staff", bar: RunningBar
) -> None:
    seat = await bar.seat_guest()
    await service.open("/check-in")
    await service.fill("Guest's name", "Pia Storm")
    await service.press("I have seen the ID")
    await service.fill("Card", seat.card_uid)
    await service.press("Open visit")
    await expect(service.page.get_by_role("alert").last).to_contain_text("card", ignore_case=True)

    await service.fill("Card", "04ffeeddccbbaa")
    await service.press("Open visit")

    await visit_of(bar, "Pia Storm")
    assert len((await bar.get("/api/guests", q="Pia Storm"))["items"]) == 1


async def test_a_double_tap_on_refund_refunds_once(manager: "Staff", bar: RunningBar) -> None:
    seat = await bar.seat_guest(amount=5_000)
    name = (await bar.get(f"/api/guests/{seat.guest_id}"))["name"]
    await manager.open("/visits")
    await manager.press(name)
    await manager.fill("Amount in EUR", "7.50")

    await manager.button("Refund").dblclick()

    await expect(manager.page.get_by_text("€7.50 paid back.").first).to_be_visible()
    await expect(manager.page.locator(".q-notification__badge")).to_have_count(0)
    await expect(manager.page.get_by_role("article")).to_contain_text("€42.50")
    assert (await bar.get(f"/api/guests/{seat.guest_id}"))["balance"] == 4_250


async def test_a_lost_card_is_reported_listed_let_pour_and_found_again(
    manager: "Staff", bar: RunningBar
) -> None:
    seat = await bar.seat_guest()
    name = (await bar.get(f"/api/guests/{seat.guest_id}"))["name"]
    await manager.open("/visits")
    await manager.press(name)
    await manager.press("Card is lost")
    await manager.press("Stolen")
    await manager.page.get_by_role("dialog").get_by_role("button", name="Report lost").click()

    lost = manager.page.get_by_role("group", name=f"Card {seat.card_uid}")
    await expect(lost).to_contain_text("Stolen")
    await lost.get_by_role("button", name="Let it pour").click()
    await manager.press("Its owner has it")
    await manager.page.get_by_role("dialog").get_by_role("button", name="Let it pour").click()
    await expect(lost).to_contain_text("Pours until")
    [listed] = [
        one
        for one in (await bar.get("/api/lost-cards"))["items"]
        if one["card_uid"] == seat.card_uid
    ]
    assert listed["override_until"]

    await lost.get_by_role("button", name="It is back").click()
    await manager.press("Found")
    await manager.page.get_by_role("dialog").get_by_role("button", name="Take off").click()
    await expect(lost).to_have_count(0)


async def test_who_comes_back_for_the_money_of_a_closed_visit_is_paid(
    manager: "Staff", bar: RunningBar
) -> None:
    seat = await bar.seat_guest(amount=2_000)
    await bar.post(f"/api/visits/{seat.visit_id}/close", reason="Went home")
    await manager.open("/visits")
    await manager.fill("Name, card, phone or number", seat.card_uid)
    rows = manager.page.get_by_label("Open visits").get_by_role("button")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("closed")
    await rows.click()
    card = manager.page.get_by_role("article")
    await expect(card).to_contain_text("Went home")
    await expect(card.get_by_role("link", name="Receipt")).to_be_visible()
    await expect(manager.button("Top up, cash")).not_to_be_visible()

    await manager.press("Pay out €20.00")

    await expect(card).to_contain_text("€0.00")
    assert (await bar.get(f"/api/guests/{seat.guest_id}"))["balance"] == 0


async def test_a_visit_is_found_changed_by_others_and_closed(
    manager: "Staff", bar: RunningBar
) -> None:
    seat = await bar.seat_guest(amount=1_000)
    await manager.open("/visits")
    await manager.fill("Name, card, phone or number", seat.card_uid)
    rows = manager.page.get_by_label("Open visits").get_by_role("button")
    await expect(rows).to_have_count(1)
    await rows.click()
    card = manager.page.get_by_role("article")
    await expect(card).to_contain_text("€10.00")

    await bar.post(f"/api/guests/{seat.guest_id}/topup", amount=500)
    await expect(card).to_contain_text("€15.00")
    await manager.press("Close visit")
    await manager.press("Left")
    await manager.page.get_by_role("dialog").get_by_role("button", name="Close visit").click()

    await expect(rows).to_contain_text("closed")
    assert (await bar.get(f"/api/visits/{seat.visit_id}"))["status"] == "closed"


async def test_the_service_sees_no_button_that_it_may_not_press(
    service: "Staff", bar: RunningBar
) -> None:
    seat = await bar.seat_guest()
    name = (await bar.get(f"/api/guests/{seat.guest_id}"))["name"]
    await service.open("/visits")
    await service.press(name)

    await expect(service.button("Top up, cash")).to_be_visible()
    for forbidden in ("Refund", "Pay out", "Serve no more", "Force unlock"):
        await expect(service.button(forbidden)).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800), (1920, 1080)])
async def test_no_view_is_wider_than_the_screen(
    manager: "Staff", bar: RunningBar, width: int, height: int
) -> None:
    seat = await bar.seat_guest()
    name = (await bar.get(f"/api/guests/{seat.guest_id}"))["name"]
    await manager.page.set_viewport_size(ViewportSize(width=width, height=height))
    for path in ("/", "/check-in", "/visits", "/alerts"):
        await manager.open(path)
        if path == "/visits":
            await manager.press(name)
        await expect(manager.page.get_by_role("navigation", name="Views")).to_be_visible()
        assert not await manager.is_wider_than_itself(), path
