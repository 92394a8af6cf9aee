"""Limits, lost cards and flags from outside: HTTP for staff, MQTT for the tap."""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import aiomqtt
import pytest
from pourline.kit.ids import new_id
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat
from pourline.testkit.entering import entered
from pourline.testkit.until import until

pytestmark = pytest.mark.xdist_group("bar")
Json = dict[str, Any]


class Tap:
    """A tap's device."""

    def __init__(self, mqtt: aiomqtt.Client, seat: TapSeat) -> None:
        self.mqtt, self.tap_id = mqtt, seat.tap_id
        self.root = f"bar/main/tap/{seat.tap_id}"

    async def ask(self, name: str, key: str, body: Json) -> Json:
        """Say something and return the answer to its id."""
        body = {key: str(new_id())} | body
        await self.mqtt.publish(f"{self.root}/{name}", json.dumps(body), qos=1)
        async for message in self.mqtt.messages:
            answer: Json = json.loads(message.payload or b"{}")
            if str(message.topic).endswith("/result") and answer.get(key) == body[key]:
                return answer
        raise AssertionError("the connection ended")

    async def put(self, card_uid: str) -> Json:
        return await self.ask("authorize", "request_id", {"card_uid": card_uid})

    async def pour(self, grant: Json, volume_ml: int) -> Json:
        body = {
            "short_id": "000001",
            "grant_id": grant["grant_id"],
            "volume_ml": volume_ml,
            "duration_ms": 8_000,
            "age_ms": 0,
        }
        return await self.ask("pour", "client_tx_id", body)


@pytest.fixture
async def tap(bar: RunningBar) -> AsyncIterator[Tap]:
    seat = await bar.seat_tap()
    port = int(bar.mqtt_url.rsplit(":", 1)[1])
    name = f"tap-{seat.tap_id}"
    new_client = partial(
        aiomqtt.Client, "127.0.0.1", port, username=name, password=seat.secret, identifier=name
    )
    async with entered(new_client) as mqtt:
        tap = Tap(mqtt, seat)
        await mqtt.subscribe(f"{tap.root}/+/result", qos=1)
        status = {"online": True, "pending_sync": 0, "valve": "closed"}
        await mqtt.publish(f"{tap.root}/status", json.dumps(status), qos=1)
        yield tap


async def put_config(bar: RunningBar, key: str, value: object) -> int:
    return (await bar.ask("PUT", f"/api/config/{key}", json={"value": value})).status_code


async def limited_guest(bar: RunningBar, **fields: object) -> GuestSeat:
    seat = await bar.seat_guest()
    await bar.post(f"/api/visits/{seat.visit_id}/close", reason="limits")
    visit = await bar.post("/api/visits", guest_id=seat.guest_id, card_uid=seat.card_uid, **fields)
    return GuestSeat(guest_id=seat.guest_id, visit_id=visit["id"], card_uid=seat.card_uid)


@pytest.mark.requirement("LK-8")
async def test_a_limit_holds_from_one_pour_to_the_next_without_a_pause(
    bar: RunningBar, tap: Tap
) -> None:
    profile = {"title": "E2E", "limits": [{"per": "visit", "volume_ml": 500}]}
    assert await put_config(bar, "limit_profile.e2e", profile) == 200
    assert await put_config(bar, "limit_profile.e2e", {"title": "no limits"}) == 422
    guest = await limited_guest(bar, limit_profile="e2e")

    first = await tap.put(guest.card_uid)
    await tap.pour(first, 300)
    second = await tap.put(guest.card_uid)
    await tap.pour(second, 200)
    third = await tap.put(guest.card_uid)
    visit = await bar.post(f"/api/visits/{guest.visit_id}/reactivate", reason="had dinner")
    fourth = await tap.put(guest.card_uid)
    await tap.pour(fourth, 0)

    assert [one.get("max_volume_ml") for one in (first, second, fourth)] == [500, 200, 500]
    assert (third["reason"], third["message"]) == (
        "limit_reached",
        "Your limit is reached: 500 ml per visit.",
    )
    assert (visit["reactivations"], visit["reactivated_by"]) == (1, "tests")
    assert visit["balance"] == 10_000 - 450


@pytest.mark.requirement("LC-1")
async def test_a_lost_card_stays_shut_and_is_a_critical_alert_until_resolved(
    bar: RunningBar, tap: Tap
) -> None:
    guest = await bar.seat_guest()
    entry = await bar.post("/api/lost-cards", card_uid=guest.card_uid, note="in the yard")
    denied = await tap.put(guest.card_uid)

    async def alerts() -> list[Json]:
        found = (await bar.get("/api/alerts", severity="critical"))["items"]
        return [one for one in found if one["subject"]["id"] == guest.card_uid]

    [alert] = await until(alerts, bool)
    listed = (await bar.get("/api/lost-cards", limit="1000"))["items"]
    visit = await bar.post(f"/api/visits/{guest.visit_id}/card", card_uid=f"04{entry['id'][-12:]}")
    fresh = await tap.put(visit["card_uid"])
    await tap.pour(fresh, 0)
    gone = await bar.ask("DELETE", f"/api/lost-cards/{guest.card_uid}")
    unknown = await bar.ask("DELETE", f"/api/lost-cards/{guest.card_uid}")

    assert (denied["decision"], denied["reason"]) == ("deny", "lost_card")
    assert guest.card_uid in [one["card_uid"] for one in listed]
    assert (alert["kind"], alert["state"]) == ("lost_card_used", "open")
    assert (fresh["decision"], fresh["visit_id"]) == ("allow", guest.visit_id)
    assert (gone.status_code, unknown.status_code) == (200, 404)
    assert [one["state"] for one in await alerts()] == ["open"]


@pytest.mark.requirement("LK-7")
async def test_without_visit_enforcement_a_closed_visit_pours_and_pays(
    bar: RunningBar, tap: Tap
) -> None:
    guest = await bar.seat_guest()
    await bar.post(f"/api/visits/{guest.visit_id}/close", reason="closing time")
    await put_config(bar, "FF_VISIT_ENFORCEMENT", value=False)
    try:
        grant = await tap.put(guest.card_uid)
        poured = await tap.pour(grant, 300)
    finally:
        await put_config(bar, "FF_VISIT_ENFORCEMENT", value=True)

    assert (grant["decision"], poured["status"], poured["amount"]) == ("allow", "accepted", 270)
    assert (await tap.put(guest.card_uid))["reason"] == "no_active_visit"


@pytest.mark.requirement("LK-8")
async def test_a_guest_who_is_cut_off_is_denied_until_staff_lift_it(
    bar: RunningBar, tap: Tap
) -> None:
    guest = await bar.seat_guest()
    path = f"/api/visits/{guest.visit_id}/cut-off"
    without_reason = await bar.ask("POST", path, json={})
    await bar.post(path, reason="had enough")
    denied = await tap.put(guest.card_uid)
    lifted = await bar.ask("DELETE", path, json={"reason": "drank water"})

    assert (without_reason.status_code, denied["reason"]) == (422, "cut_off")
    assert (lifted.status_code, lifted.json()["cut_off_at"]) == (200, None)
    assert (await tap.put(guest.card_uid))["decision"] == "allow"
