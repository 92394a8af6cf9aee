"""A pour through the whole bar, over the outer contract only."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import aiomqtt
import pytest
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat
from pourline.testkit.entering import entered
from pourline.testkit.until import until

pytestmark = pytest.mark.xdist_group("bar")


class Table:
    """A bar with a connected tap and a guest at it."""

    def __init__(self, bar: RunningBar, tap: TapSeat, guest: GuestSeat, fleet: Fleet) -> None:
        self.bar, self.tap, self.guest, self.fleet = bar, tap, guest, fleet

    async def authorize(self, **fields: object) -> dict[str, Any]:
        return await self.fleet.authorize(self.tap.tap_id, self.guest.card_uid, fields=fields)

    async def pour(self, **fields: object) -> dict[str, Any]:
        """Say a pour once, so that each answer is that of one sending."""
        return await self.fleet.pour(self.tap.tap_id, fields, within_s=60, again_after_s=20)

    async def visit(self) -> dict[str, Any]:
        return await self.bar.get(f"/api/visits/{self.guest.visit_id}")

    async def tap_now(self) -> dict[str, Any]:
        return await self.bar.get(f"/api/taps/{self.tap.tap_id}")


async def a_table(
    bar: RunningBar, fleet_of: list[Fleet], *, keg_ml: int = 50_000, amount: int = 10_000
) -> Table:
    tap = await bar.seat_tap(keg_ml=keg_ml)
    guest = await bar.seat_guest(amount=amount)
    fleet = Fleet(mqtt_url=bar.mqtt_url, taps=[(tap.tap_id, tap.secret)])
    await fleet.start()
    fleet_of.append(fleet)
    fleet.publish(tap.tap_id, "status", {"online": True, "pending_sync": 0}, retain=True)
    return Table(bar, tap, guest, fleet)


@pytest.fixture
async def fleets() -> AsyncIterator[list[Fleet]]:
    started: list[Fleet] = []
    yield started
    for fleet in started:
        await fleet.stop()


@pytest.mark.requirement("LK-1", "LK-2", "LK-4", "LK-5", "LE-1", "KG-3", "PO-1", "SY-1")
async def test_a_pour_travels_the_whole_bar(bar: RunningBar, fleets: list[Fleet]) -> None:
    table = await a_table(bar, fleets)

    grant = await table.authorize()
    locked = await table.visit()
    result = await table.pour(grant_id=grant["grant_id"], volume_ml=300)
    after = await table.visit()

    assert (grant["decision"], grant["balance"], grant["price_per_litre"]) == ("allow", 10_000, 900)
    assert grant["max_volume_ml"] == 11_111.111
    assert (locked["active_tap_id"], locked["held"]) == (table.tap.tap_id, 10_000)
    assert (result["status"], result["amount"], result["balance"]) == ("accepted", 270, 9_730)
    assert (after["active_tap_id"], after["held"]) == (None, 0)
    assert (after["balance"], after["poured_ml"]) == (9_730, 300)
    assert [one["client_tx_id"] for one in after["pours"]] == [result["client_tx_id"]]
    await until(table.tap_now, lambda tap: tap["remaining_ml"] == 49_700)

    async def told() -> list[str]:
        events = (await bar.get("/api/pos/events"))["items"]
        return [one["kind"] for one in events if one["reference"] == result["client_tx_id"]]

    await until(told, lambda kinds: kinds == ["notify_pour"])


@pytest.mark.requirement("KG-4", "AL-7")
async def test_a_keg_that_runs_low_and_empty_is_alerted_on_the_retained_topic(
    bar: RunningBar, fleets: list[Fleet]
) -> None:
    table = await a_table(bar, fleets, keg_ml=1_000)
    token = await bar.token(level=1)
    port = int(bar.mqtt_url.rsplit(":", 1)[1])
    await table.pour(visit_id=table.guest.visit_id, volume_ml=900)

    screen = partial(aiomqtt.Client, "127.0.0.1", port, username="operator", password=token)
    async with entered(screen) as operator:
        await operator.subscribe("bar/main/alerts/#")
        alert = await _alert(operator, table.tap.keg_id)
        assert (alert["kind"], alert["state"], alert["severity"]) == ("keg_low", "open", "warning")
        await table.pour(visit_id=table.guest.visit_id, volume_ml=200)
        assert (await _alert(operator, table.tap.keg_id, "keg_empty"))["severity"] == "critical"

    await until(table.tap_now, lambda tap: tap["state"] == "out_of_keg")
    denied = await table.authorize()
    assert (denied["decision"], denied["reason"]) == ("deny", "tap_not_active")
    another = await bar.post("/api/kegs", beverage_id=table.tap.beverage_id, volume_ml=30_000)
    await bar.post(f"/api/taps/{table.tap.tap_id}/keg", keg_id=another["id"])
    assert (await table.authorize())["decision"] == "allow"


async def _alert(operator: aiomqtt.Client, keg_id: str, kind: str = "keg_low") -> dict[str, Any]:
    async with asyncio.timeout(30):
        async for message in operator.messages:
            alert: dict[str, Any] = json.loads(message.payload or b"{}")
            if alert.get("subject", {}).get("id") == keg_id and alert["kind"] == kind:
                return alert
    raise AssertionError("no alert")


@pytest.mark.requirement("LK-2", "LK-3")
async def test_a_card_in_use_is_denied_elsewhere_and_the_message_names_the_tap(
    bar: RunningBar, fleets: list[Fleet]
) -> None:
    table = await a_table(bar, fleets)
    other = await a_table(bar, fleets)
    await table.authorize()

    denied = await other.fleet.authorize(other.tap.tap_id, table.guest.card_uid)
    taken = await table.fleet.authorize(table.tap.tap_id, other.guest.card_uid)

    assert (denied["decision"], denied["reason"]) == ("deny", "card_in_use")
    assert str((await table.tap_now())["name"]) in str(denied["message"])
    assert taken["reason"] == "tap_in_use"


@pytest.mark.requirement("LK-3")
@pytest.mark.parametrize(
    ("card", "reason"),
    [("04ffffffffffff", "unknown_card"), ("not a card", "unreadable_card")],
)
async def test_a_card_that_is_none_is_denied(
    bar: RunningBar, fleets: list[Fleet], card: str, reason: str
) -> None:
    table = await a_table(bar, fleets)

    denied = await table.fleet.authorize(table.tap.tap_id, card)

    assert (denied["decision"], denied["reason"]) == ("deny", reason)


@pytest.mark.requirement("LK-3", "VI-4")
async def test_guests_who_may_not_drink_are_denied_with_their_reason(
    bar: RunningBar, fleets: list[Fleet]
) -> None:
    table = await a_table(bar, fleets)
    poor = await bar.seat_guest(amount=0)
    young = await bar.seat_guest(age_verified=False)
    left = await bar.seat_guest()
    await bar.post(f"/api/visits/{left.visit_id}/close", reason="went home")

    answers = {
        name: (await table.fleet.authorize(table.tap.tap_id, guest.card_uid))["reason"]
        for name, guest in (("poor", poor), ("young", young), ("left", left))
    }

    assert answers == {
        "poor": "insufficient_balance",
        "young": "age_not_verified",
        "left": "no_active_visit",
    }


async def test_a_repeat_is_answered_the_same_and_later_is_a_bad_request(
    bar: RunningBar, fleets: list[Fleet]
) -> None:
    table = await a_table(bar, fleets)

    first = await table.authorize(request_id=f"r-{table.tap.tap_id}")
    again = await table.authorize(request_id=f"r-{table.tap.tap_id}")
    await table.pour(grant_id=first["grant_id"], volume_ml=100)
    await until(table.tap_now, lambda tap: tap["locked_by_visit"] is None)
    later = await table.authorize(request_id=f"r-{table.tap.tap_id}")

    assert again == first
    assert (later["decision"], later["reason"]) == ("deny", "bad_request")


async def test_a_stale_request_locks_nothing(bar: RunningBar, fleets: list[Fleet]) -> None:
    table = await a_table(bar, fleets)

    answer = await table.authorize(age_ms=5_500)

    assert (answer["decision"], answer["reason"]) == ("deny", "unavailable")
    assert (await table.visit())["active_tap_id"] is None


async def test_a_second_card_on_the_same_tap_renews_and_an_old_pour_opens_nothing(
    bar: RunningBar, fleets: list[Fleet]
) -> None:
    table = await a_table(bar, fleets)
    old = await table.authorize()
    new = await table.authorize()

    await table.pour(grant_id=old["grant_id"], volume_ml=100)
    still = await table.visit()
    await table.pour(grant_id=new["grant_id"], volume_ml=0)

    assert new["grant_id"] != old["grant_id"]
    assert still["active_tap_id"] == table.tap.tap_id
    assert still["held"] > 0
    assert (await table.visit())["active_tap_id"] is None


@pytest.mark.requirement("KG-3", "LK-5")
async def test_a_keg_swapped_and_a_tap_stopped_under_a_lock_leave_it_to_its_pour(
    bar: RunningBar, fleets: list[Fleet]
) -> None:
    table = await a_table(bar, fleets)
    tap = table.tap
    grant = await table.authorize()
    fresh = await bar.post("/api/kegs", beverage_id=tap.beverage_id, volume_ml=30_000)
    await bar.post(f"/api/taps/{tap.tap_id}/keg", keg_id=fresh["id"])
    await bar.post(f"/api/taps/{tap.tap_id}/stop", reason="foam")
    locked = (await table.visit())["active_tap_id"]

    poured = await table.pour(
        grant_id=grant["grant_id"], volume_ml=300, age_ms=0, duration_ms=60_000
    )
    await bar.post(f"/api/taps/{tap.tap_id}/resume", reason="cleaned")

    async def kegs() -> dict[str, Any]:
        return {keg["id"]: keg["remaining_ml"] for keg in await bar.walk("/api/kegs")}

    assert (locked, poured["status"]) == (tap.tap_id, "accepted")
    assert (await table.visit())["active_tap_id"] is None
    left = await until(kegs, lambda left: left[tap.keg_id] == 49_700)
    assert left[fresh["id"]] == 30_000


@pytest.mark.requirement("SY-1", "SY-6")
async def test_what_comes_twice_is_charged_once_and_other_content_never(
    bar: RunningBar, fleets: list[Fleet]
) -> None:
    table = await a_table(bar, fleets)
    pour = table.fleet.new_pour(
        table.tap.tap_id, {"visit_id": table.guest.visit_id, "volume_ml": 300}
    )

    sendings: tuple[dict[str, object], ...] = (
        {},
        {"age_ms": 900},
        {"offline": True},
        {"volume_ml": 301},
    )
    statuses = [(await table.pour(**(pour | changes)))["status"] for changes in sendings]

    assert statuses == ["accepted", "duplicate", "duplicate", "mismatch"]
    assert (await table.visit())["balance"] == 9_730


async def test_flow_that_nobody_asked_for_is_accepted_and_alerted(
    bar: RunningBar, fleets: list[Fleet]
) -> None:
    table = await a_table(bar, fleets)

    result = await table.pour(volume_ml=200)

    assert (result["status"], result.get("amount")) == ("accepted", 0)

    async def kinds() -> list[str]:
        alerts = (await bar.get("/api/alerts", state="open"))["items"]
        about = [one for one in alerts if one["subject"]["id"] == result["client_tx_id"]]
        return [one["kind"] for one in about]

    await until(kinds, lambda found: found == ["ghost_pour"])
    await until(table.tap_now, lambda tap: tap["remaining_ml"] == 49_800)


GARBAGE = (
    b"not json",
    b"[]",
    b"\xff\xfe",
    b'{"client_tx_id":"g","short_id":"12","volume_ml":1}',
    b'{"client_tx_id":"g","short_id":"000001","volume_ml":"1"}',
    b'{"client_tx_id":"g","short_id":"000001"}',
    b'{"client_tx_id":"g","short_id":"000001","volume_ml":1,"pad":"' + b"x" * 9000 + b'"}',
    b"{" * 5000,
)


async def test_garbage_of_every_kind_is_rejected_kept_and_hurts_nobody(
    bar: RunningBar, fleets: list[Fleet]
) -> None:
    table = await a_table(bar, fleets)
    heard: list[dict[str, Any]] = []
    fleet = Fleet(
        mqtt_url=bar.mqtt_url,
        taps=[(table.tap.tap_id, table.tap.secret)],
        heard=lambda tap, name, payload: heard.append(json.loads(payload)),
    )
    await fleets.pop().stop()
    await fleet.start()
    fleets.append(fleet)

    for number, garbage in enumerate(GARBAGE, start=1):
        fleet.publish(table.tap.tap_id, "pour", garbage)
        good = await fleet.pour(
            table.tap.tap_id, {"visit_id": table.guest.visit_id}, within_s=60, again_after_s=20
        )

        assert good["status"] == "accepted", garbage
        assert [one["status"] for one in heard] == ["rejected", "accepted"] * number, garbage
    code, text = await bar.run("dlq", "list")
    assert code == 0
    assert text.count(f"bar.main.tap.{table.tap.tap_id}.pour") == len(GARBAGE)
