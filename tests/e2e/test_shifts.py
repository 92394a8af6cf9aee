"""Closing a shift: never over a blocker, whatever races; its figures to the unit, over HTTP."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import pytest
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat, bar_of_a_suite, refusal
from pourline.testkit.until import until

pytestmark = [pytest.mark.xdist_group("shifts"), pytest.mark.long]

GUESTS = 3
Json = dict[str, Any]


@pytest.fixture(scope="module")
def bar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBar]:
    """A bar of its own: elsewhere somebody is always here."""
    with bar_of_a_suite(tmp_path_factory.mktemp("shifts")) as bar:
        yield bar


@pytest.fixture
async def shift(bar: RunningBar) -> AsyncIterator[Json]:
    """An open shift that is over at the end, whatever became of it."""
    shift = await bar.post("/api/shifts/open", opening_float=10_000)
    yield shift
    for visit in (await bar.get("/api/visits/active"))["items"]:
        if visit["active_tap_id"]:
            await bar.post(f"/api/visits/{visit['id']}/force-unlock", reason="the test is over")
        await bar.post(f"/api/visits/{visit['id']}/close", reason="the test is over")
    for pour in (await bar.get("/api/pours", status="held"))["items"]:
        await bar.post(
            f"/api/pours/{pour['client_tx_id']}/decide", decision="reject", reason="over"
        )
    await bar.ask("POST", f"/api/shifts/{shift['id']}/close", json={"equipment_checked": True})


@pytest.fixture
async def tap(bar: RunningBar) -> AsyncIterator[tuple[TapSeat, Fleet]]:
    seat = await bar.seat_tap()
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret)]) as fleet:
        online = {"online": True, "pending_sync": 0, "valve": "closed"}
        fleet.publish(seat.tap_id, "status", online, retain=True)
        yield seat, fleet
        fleet.publish(seat.tap_id, "status", online, retain=True)
        await until(
            lambda: bar.get(f"/api/taps/{seat.tap_id}"), lambda found: found["pending_sync"] == 0
        )


async def close(bar: RunningBar, shift: Json, **body: object) -> tuple[int, Json]:
    told = {"equipment_checked": True} | body
    response = await bar.ask("POST", f"/api/shifts/{shift['id']}/close", json=told)
    return response.status_code, response.json()


async def leave(bar: RunningBar, guest: GuestSeat) -> None:
    await bar.post(f"/api/visits/{guest.visit_id}/close", reason="left")


@pytest.mark.requirement("SH-1", "SH-2")
async def test_an_active_visit_blocks_and_an_empty_bar_closes(bar: RunningBar, shift: Json) -> None:
    guest = await bar.seat_guest()

    before = await bar.get(f"/api/shifts/{shift['id']}/precheck")
    status, problem = await close(bar, shift)
    await leave(bar, guest)
    after = await bar.get(f"/api/shifts/{shift['id']}/precheck")
    closed, report = await close(bar, shift, counted_cash=9_900, comment="all fine")
    again, _ = await close(bar, shift)

    blocker = {"code": "active_visits", "count": 1, "ids": [guest.visit_id]}
    assert (before["can_close"], before["blockers"]) == (False, [blocker])
    assert (status, problem["code"], problem["blockers"]) == (409, "shift_blocked", [blocker])
    assert (after["can_close"], after["blockers"]) == (True, [])
    assert (closed, report["status"], again) == (200, "closed", 409)
    assert report["counted_cash"] == 9_900
    assert report["cash_difference"] == 9_900 - report["cash_expected"]
    await bar.seat_guest()  # the fence is gone with the answer

    async def lines() -> list[Json]:
        found: list[Json] = (await bar.get("/api/audit", subject=f"shift:{shift['id']}"))["items"]
        return found

    said, began = await until(lines, lambda found: len(found) == 2)
    assert (began["action"], began["after"]["opening_float"]) == ("shift_opened", 10_000)
    assert (said["action"], said["reason"]) == ("shift_closed", "all fine")
    assert said["after"]["counted_cash"] == 9_900


@pytest.mark.requirement("SH-2", "SY-1")
async def test_pours_to_sync_and_held_pours_block(
    bar: RunningBar, shift: Json, tap: tuple[TapSeat, Fleet]
) -> None:
    seat, fleet = tap
    fleet.publish(seat.tap_id, "status", {"online": True, "pending_sync": 2}, retain=True)
    held = await fleet.pour(seat.tap_id, {"card_uid": "04ffffff", "volume_ml": 300})

    async def blockers() -> list[tuple[str, list[str]]]:
        found = (await bar.get(f"/api/shifts/{shift['id']}/precheck"))["blockers"]
        return [(one["code"], one["ids"]) for one in found]

    wanted = [("pending_sync", [seat.tap_id]), ("held_pours", [held["client_tx_id"]])]
    await until(blockers, lambda found: found == wanted)
    assert (await close(bar, shift))[0] == 409

    await bar.post(f"/api/taps/{seat.tap_id}/reset-sync", reason="seen")
    assert await blockers() == wanted[1:]


async def test_two_who_close_at_once_close_once_and_visits_open_again(
    bar: RunningBar, shift: Json
) -> None:
    path, body = f"/api/shifts/{shift['id']}/close", {"equipment_checked": True}
    keyed = {"Idempotency-Key": f"close {shift['id']}"}

    answers = await asyncio.gather(
        *(bar.ask("POST", path, json=body, headers=keyed) for _ in range(2)),
        bar.ask("POST", path, json=body),
    )

    assert sorted(one.status_code for one in answers) in ([200, 200, 409], [200, 409, 409])
    refused = {one.json()["code"] for one in answers if one.status_code == 409}
    assert refused <= {"shift_closed", "shift_closing"}
    guest = await bar.post("/api/guests", name="The next")
    visit = await bar.post("/api/visits", guest_id=guest["id"])
    await bar.post(f"/api/visits/{visit['id']}/close", reason="tested")


@pytest.mark.requirement("LK-7")
async def test_without_authority_blockers_show_and_do_not_block(
    bar: RunningBar, shift: Json
) -> None:
    await bar.seat_guest()
    flag = "/api/config/FF_BACKEND_SHIFT_AUTHORITY"

    async def can_close() -> bool:
        precheck = await bar.get(f"/api/shifts/{shift['id']}/precheck")
        assert [one["code"] for one in precheck["blockers"]] == ["active_visits"]
        return bool(precheck["can_close"])

    assert not await can_close()
    await bar.ask("PUT", flag, json={"value": False})
    try:
        await until(can_close)
        assert (await close(bar, shift))[0] == 200
    finally:
        await bar.ask("PUT", flag, json={"value": True})
    follower = await bar.post("/api/shifts/open")

    async def blocks() -> bool:
        return not (await bar.get(f"/api/shifts/{follower['id']}/precheck"))["can_close"]

    await until(blocks)
    for visit in (await bar.get("/api/visits/active"))["items"]:
        await bar.post(f"/api/visits/{visit['id']}/close", reason="left")
    assert (await close(bar, follower))[0] == 200


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"equipment_checked": False}, (409, "equipment_unchecked")),
        ({"equipment_checked": None}, (422, "malformed")),
        ({"equipment_checked": "yes"}, (422, "malformed")),
        ({"counted_cash": -1}, (422, "malformed")),
    ],
)
async def test_a_close_that_says_too_little_is_refused(
    bar: RunningBar, shift: Json, body: Json, refused: tuple[int, str]
) -> None:
    told = {"equipment_checked": True} | body
    response = await bar.ask("POST", f"/api/shifts/{shift['id']}/close", json=told)

    assert refusal(response) == refused
    assert (await bar.get("/api/shifts/current"))["status"] == "open"


async def test_a_shift_that_nobody_knows_is_not_found(bar: RunningBar) -> None:
    for what in ("precheck", "report"):
        response = await bar.ask("GET", f"/api/shifts/nobody/{what}")
        assert refusal(response)[0] == 404
    response = await bar.ask("POST", "/api/shifts/nobody/close", json={})
    assert refusal(response)[0] == 404


@pytest.mark.requirement("SH-3")
async def test_a_report_has_what_the_ledger_has_and_late_pours_apart(
    bar: RunningBar, shift: Json, tap: tuple[TapSeat, Fleet]
) -> None:
    seat, fleet = tap
    guest = await bar.seat_guest(amount=5_000)
    poured = await fleet.pour(seat.tap_id, {"visit_id": guest.visit_id, "volume_ml": 300})
    await bar.post(f"/api/guests/{guest.guest_id}/topup", amount=700, method="card")
    await leave(bar, guest)
    await bar.post(f"/api/guests/{guest.guest_id}/refund", amount=100)

    status, report = await close(bar, shift)
    follower = await bar.post("/api/shifts/open")
    late = {"visit_id": guest.visit_id, "volume_ml": 500, "age_ms": 60_000, "duration_ms": 9_000}
    await fleet.pour(seat.tap_id, late)

    async def late_pours() -> int:
        return int((await bar.get("/api/shifts/current"))["late"]["pours"])

    assert status == 200
    own = report["figures"]
    assert (own["pours"], own["volume_ml"], own["revenue"]) == (1, 300, poured["amount"])
    assert (own["topups"], own["refunds"]) == (5_700, 100)
    assert report["cash_expected"] == 10_000 + 5_000 - 100
    lines = {(one["by"], one["key"], one["what"]): one["amount"] for one in report["lines"]}
    assert lines["tap", seat.tap_id, "pours"] == 270
    assert lines["beverage", seat.beverage_id, "pours"] == 270
    assert lines["method", "card", "topups"] == 700
    await until(late_pours, lambda count: count == 1)
    assert (await bar.get(f"/api/shifts/{shift['id']}/report"))["figures"] == own
    sheet = await bar.ask("GET", f"/api/shifts/{shift['id']}/report?format=csv")
    assert sheet.text.splitlines()[0] == "bucket,by,key,what,count,volume_ml,amount,quantity"
    assert f"own,tap,{seat.tap_id},pours,1,300" in sheet.text
    assert (await close(bar, follower))[0] == 200


@pytest.mark.requirement("SH-2")
@pytest.mark.long
@pytest.mark.parametrize("rounds", [200])
async def test_visits_that_race_a_close_are_never_closed_over(bar: RunningBar, rounds: int) -> None:
    guests = [await bar.seat_guest(amount=0) for _ in range(GUESTS)]
    for guest in guests:
        await leave(bar, guest)
    dice = random.Random(7)  # noqa: S311 - who comes when, no secret
    closed, refused = 0, 0
    for _ in range(rounds):
        shift = await bar.post("/api/shifts/open")
        (status, told), came = await asyncio.gather(
            close(bar, shift),
            asyncio.gather(*(_comes_and_goes(bar, guest, dice) for guest in guests)),
        )
        stays = [one for one in came if one]
        if status == 200:
            closed += 1
            ended = datetime.fromisoformat(told["closed_at"])
            over = [one for one in stays if one[0] <= ended and (one[1] is None or one[1] > ended)]
            assert not over, f"closed at {ended} over {over}"
        else:
            refused += 1
            assert (status, told["code"]) in {(409, "shift_blocked"), (503, "unavailable")}
        for visit in (await bar.get("/api/visits/active"))["items"]:
            await bar.post(f"/api/visits/{visit['id']}/close", reason="left")
        if status != 200:
            assert (await close(bar, shift))[0] == 200
    assert closed, "some closes must come through"
    assert refused, "some closes must be too early"


async def _comes_and_goes(
    bar: RunningBar, guest: GuestSeat, dice: random.Random
) -> tuple[datetime, datetime | None] | None:
    """Open a visit at some moment, perhaps close it again; return from when to when it was."""
    await asyncio.sleep(dice.uniform(0, 0.03))
    opened = await bar.ask("POST", "/api/visits", json={"guest_id": guest.guest_id})
    if not opened.is_success:
        assert refusal(opened) == (409, "shift_closing")
        return None
    visit = opened.json()
    begun = datetime.fromisoformat(visit["opened_at"])
    if dice.random() < 0.5:
        return begun, None
    ended = await bar.post(f"/api/visits/{visit['id']}/close", reason="left")
    return begun, datetime.fromisoformat(ended["closed_at"])


@pytest.mark.requirement("SH-2", "VI-4")
async def test_all_idle_visits_close_in_one_step_each_with_its_receipt(
    bar: RunningBar, shift: Json, tap: tuple[TapSeat, Fleet]
) -> None:
    seat, fleet = tap
    pouring, *idle = [await bar.seat_guest(amount=2_000) for _ in range(GUESTS)]
    await fleet.authorize(seat.tap_id, pouring.card_uid)

    answer = await bar.post("/api/visits/close-idle", reason="closing time")

    closed = {one["id"]: one for one in answer["items"]}
    assert sorted(closed) == sorted(one.visit_id for one in idle)
    assert (answer["left"], answer["remaining"]) == ([pouring.visit_id], 0)
    for one in closed.values():
        assert (one["status"], one["close_reason"]) == ("closed", "closing time")
        assert one["receipt"]["balance_after"] == one["balance"] == 2_000
    active = await bar.get("/api/visits/active")
    assert [one["id"] for one in active["items"]] == [pouring.visit_id]
    malformed = await bar.ask("POST", "/api/visits/close-idle", json={})
    assert refusal(malformed) == (422, "malformed")


@pytest.mark.requirement("SH-1")
async def test_a_member_leaves_and_the_day_is_the_evenings(bar: RunningBar, shift: Json) -> None:
    path = f"/api/shifts/{shift['id']}/members"
    await bar.post(path, member="Ana María")

    left = await bar.ask("DELETE", f"{path}/Ana%20Mar%C3%ADa")
    nobody = await bar.ask("DELETE", f"{path}/nobody")

    assert left.json()["members"] == []
    assert left.json()["team"][0]["left_at"] is not None
    assert refusal(nobody) == (404, "not_found")
    assert datetime.fromisoformat(shift["business_day"])


@pytest.mark.requirement("SH-3")
async def test_a_sale_and_a_count_just_before_the_end_stand_in_the_report(
    bar: RunningBar, shift: Json
) -> None:
    item = (await bar.post("/api/items", name="Gin", unit="ltr"))["id"]
    await bar.post("/api/stock/receipts", item_id=item, quantity=3)
    await bar.post(f"/api/inventory/{item}/count", counted=2.5, reason="monthly")
    await bar.post(
        "/api/sales", transaction_id=shift["id"], lines=[{"item_id": item, "quantity": 1}]
    )

    status, report = await close(bar, shift)

    assert status == 200
    lines = {(line["what"], line["key"]): line for line in report["lines"]}
    assert lines["discrepancies", item]["quantity"] == -0.5
    assert lines["sales", "tests"]["count"] == 1
