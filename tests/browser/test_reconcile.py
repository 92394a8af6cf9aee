"""Reconcile at a screen: what taps owe, what waits for a person, and the point of sale."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect
from pourline.controller.simulator import Fleet
from pourline.kit.ids import new_id
from pourline.testkit.bar import RunningBar, TapSeat
from pourline.testkit.until import until

from tests.browser.conftest import signed_in

if TYPE_CHECKING:
    from tests.browser.conftest import Staff

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser"),
]


@dataclass(kw_only=True)
class Line:
    """A tap and its controller."""

    bar: RunningBar
    tap: TapSeat
    fleet: Fleet

    def owes(self, pending: int) -> None:
        online = {"online": True, "pending_sync": pending, "valve": "closed"}
        self.fleet.publish(self.tap.tap_id, "status", online, retain=True)

    async def pour(self, **fields: object) -> dict[str, object]:
        return await self.fleet.pour(self.tap.tap_id, fields)


@pytest_asyncio.fixture(loop_scope="module")
async def line(bar: RunningBar) -> AsyncIterator[Line]:
    seat = await bar.seat_tap()
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret)]) as fleet:
        found = Line(bar=bar, tap=seat, fleet=fleet)
        found.owes(0)
        yield found
        found.owes(0)


async def held_pour(line: Line) -> str:
    client_tx_id = str(new_id())
    answer = await line.pour(client_tx_id=client_tx_id, visit_id=str(new_id()))
    assert answer["status"] == "held"
    return client_tx_id


def section(staff: "Staff", name: str) -> Locator:
    return staff.page.get_by_role("region", name=name)


async def test_a_tap_that_owes_is_settled_by_entering_its_pour_once(
    manager: "Staff", line: Line, bar: RunningBar
) -> None:
    guest = await bar.seat_guest(amount=1_000)
    await line.fleet.authorize(line.tap.tap_id, guest.card_uid)
    line.owes(1)
    await manager.open("/reconcile")

    row = section(manager, "Taps that owe pours").get_by_role(
        "group", name=f"Tap {line.tap.tap_id}"
    )
    await row.get_by_role("button", name="Enter by hand").click()
    await manager.fill("Number on the tap", "42")
    await manager.fill("Volume in ml", "300")
    chosen = manager.page.get_by_role("group", name="Visits found").get_by_role("button")
    await expect(chosen).to_have_attribute("aria-pressed", "true")
    await manager.button("Enter pour").dblclick()

    await expect(manager.page.get_by_text("Pour 000042 is in the books").first).to_be_visible()
    visit = await until(
        lambda: bar.get(f"/api/visits/{guest.visit_id}"), lambda one: one["active_tap_id"] is None
    )
    assert (visit["balance"], visit["active_tap_id"], len(visit["pours"])) == (730, None, 1)


@pytest.mark.requirement("SY-5")
async def test_a_pour_of_a_visit_that_is_closed_is_entered_by_hand(
    manager: "Staff", line: Line, bar: RunningBar
) -> None:
    guest = await bar.seat_guest(amount=1_000)
    await bar.post(f"/api/visits/{guest.visit_id}/close", reason="left")
    await manager.open("/reconcile")

    await manager.press("Enter a pour by hand")
    await manager.page.get_by_label("Tap", exact=True).click()
    await manager.page.get_by_role("option", name=line.tap.tap_id, exact=True).click()
    await manager.fill("Number on the tap", "43")
    await manager.fill("Volume in ml", "300")
    await manager.fill("Visit: name, card or number", guest.card_uid)
    await manager.press(re.compile("closed"))
    await manager.button("Enter pour").dblclick()

    await expect(manager.page.get_by_text("Pour 000043 is in the books").first).to_be_visible()
    visit = await bar.get(f"/api/visits/{guest.visit_id}")
    assert (visit["status"], visit["balance"], len(visit["pours"])) == ("closed", 730, 1)


async def test_a_dead_letter_is_read_without_its_secret_and_a_replay_says_what_is_still_wrong(
    manager: "Staff", line: Line, bar: RunningBar
) -> None:
    line.fleet.publish(line.tap.tap_id, "pour", {"client_tx_id": "x", "secret": "s3cr3t"})

    async def aside() -> int:
        return len((await bar.get("/api/dead-letters"))["items"])

    await until(aside)
    await manager.open("/reconcile")
    await manager.press(re.compile("Dead letters"))
    letter = section(manager, "Dead letters").get_by_role("article").first
    await expect(letter.get_by_text("ledger--pour")).to_be_visible()
    await expect(letter.locator("pre")).to_contain_text('"secret":"***"')
    name = await letter.get_attribute("aria-label")
    await letter.get_by_role("button", name="Replay").dblclick()

    told = manager.page.get_by_text("It failed again: short_id: Field required")
    await expect(told.first).to_be_visible()
    same = manager.page.get_by_role("article", name=name or "", exact=True)
    await expect(same).to_have_count(1)
    assert await aside() == 1, "it is one message, and one letter"
    assert not await manager.is_wider_than_itself()


async def test_a_dead_letter_is_closed_once_somebody_says_why(
    manager: "Staff", line: Line, bar: RunningBar
) -> None:
    line.fleet.publish(line.tap.tap_id, "pour", {"client_tx_id": "y", "number": "of no use"})

    async def aside() -> list[dict[str, object]]:
        items: list[dict[str, object]] = (await bar.get("/api/dead-letters"))["items"]
        return [one for one in items if f".{line.tap.tap_id}." in str(one["subject"])]

    (letter,) = await until(aside)
    await manager.open("/reconcile")
    await manager.press(re.compile("Dead letters"))
    name = f"Dead letter {letter['service']} {letter['id']}"
    card = manager.page.get_by_role("article", name=name, exact=True)
    await card.get_by_role("button", name="Close").click()
    dialog = manager.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Close").click()
    await expect(dialog.get_by_text("Say why: it is kept with your name.")).to_be_visible()
    await dialog.get_by_role("button", name="Device mended").click()
    await dialog.get_by_role("button", name="Close").dblclick()

    told = manager.page.get_by_text(f"{letter['service']} {letter['id']} is closed.")
    await expect(told.first).to_be_visible()
    await expect(card).to_have_count(0)
    assert await aside() == []
    closed = (await bar.get("/api/dead-letters", closed="true"))["items"]
    same = [
        one for one in closed if (one["service"], one["id"]) == (letter["service"], letter["id"])
    ]
    assert [one["closed_because"] for one in same] == ["Device mended"]


async def test_who_is_no_manager_has_no_dead_letters(bar: RunningBar, browser: Browser) -> None:
    supervisor = await signed_in(bar, browser, level=3)
    await supervisor.open("/reconcile")

    await expect(section(supervisor, "Held pours")).to_be_visible()
    await expect(supervisor.button(re.compile("Dead letters"))).to_have_count(0)
    await supervisor.page.context.close()


@pytest.mark.requirement("SY-7")
async def test_a_held_pour_is_billed_to_the_visit_that_was_searched_for(
    manager: "Staff", line: Line, bar: RunningBar
) -> None:
    guest = await bar.seat_guest(amount=1_000)
    name = (await bar.get(f"/api/guests/{guest.guest_id}"))["name"]
    pour_id = await held_pour(line)
    await manager.open("/reconcile")

    held = section(manager, "Held pours")
    await held.get_by_role("button", name="Decide").first.click()
    await manager.press("The guest pays")
    await manager.fill("Visit: name, card or number", guest.card_uid)
    await manager.press(name)
    await manager.press("Asked the guest")
    await manager.press("Decide so")

    await expect(held.get_by_role("button", name="Decide")).to_have_count(0)
    pour = await bar.get(f"/api/pours/{pour_id}")
    assert (pour["visit_id"], pour["amount"], pour["decision"]) == (guest.visit_id, 270, "bill")


async def test_a_mismatch_is_settled_and_money_given_back_once(
    manager: "Staff", line: Line, bar: RunningBar
) -> None:
    guest = await bar.seat_guest(amount=1_000)
    path = f"/api/visits/{guest.visit_id}/reconcile-pour"
    await bar.post(path, short_id="000077", tap_id=line.tap.tap_id, volume_ml=500)
    late = await line.pour(visit_id=guest.visit_id, short_id="000077", volume_ml=300)
    assert late["status"] == "mismatch"
    await manager.open("/reconcile")

    mismatches = section(manager, "Mismatches")
    await mismatches.get_by_role("button", name="Settle").first.click()
    await manager.fill("Give back in EUR (none: leave empty)", "1.80")
    await manager.fill("What was done", "Read the display wrongly")
    await manager.page.get_by_label("Form").get_by_role("button", name="Settle").dblclick()

    await expect(mismatches.get_by_role("button", name="Settle")).to_have_count(0)
    assert (await bar.get(f"/api/visits/{guest.visit_id}"))["balance"] == 730


async def test_a_pos_notification_is_marked_sent_by_hand_or_tried_again(
    manager: "Staff", bar: RunningBar
) -> None:
    await bar.ask("PUT", "/api/config/pos_adapter", json={"value": "webhook"})
    guest = await bar.seat_guest(amount=1_234)

    async def waiting() -> int:
        events = (await bar.get("/api/pos/events", status="queued"))["items"]
        return len([one for one in events if one["payload"].get("amount") == 1_234])

    await until(waiting)
    await manager.open("/reconcile")
    await manager.press("Waiting")
    row = section(manager, "Point of sale").get_by_role("group", name="€12.34").first
    await row.get_by_role("button", name="Sent by hand").click()

    await until(waiting, lambda count: count == 0)
    await bar.ask("PUT", "/api/config/pos_adapter", json={"value": "log"})
    assert guest.visit_id


async def test_seniors_see_what_waits_and_only_supervisors_decide(
    bar: RunningBar, browser: Browser, line: Line
) -> None:
    pour_id = await held_pour(line)
    senior = await signed_in(bar, browser, level=2)
    await senior.open("/reconcile")

    held = section(senior, "Held pours")
    await expect(held.get_by_text("A supervisor decides").first).to_be_visible()
    await expect(senior.button("Decide")).to_have_count(0)
    rows = await senior.page.locator(".due").all()
    for row in rows:
        assert await row.locator(".button.primary").count() <= 1
    await bar.post(f"/api/pours/{pour_id}/decide", decision="reject", reason="never ran")
    await expect(held.get_by_text("A supervisor decides")).to_have_count(0)
    await senior.page.context.close()


async def test_the_service_is_led_back_to_the_floor(service: "Staff") -> None:
    await service.open("/reconcile")

    await expect(service.page).to_have_url(f"{service.bar.base_url}/")
