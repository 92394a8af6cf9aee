"""Pours that come late, by hand, or that a person must decide: over the outer contract only."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat, refusal
from pourline.testkit.until import until

pytestmark = pytest.mark.xdist_group("bar")


@dataclass(kw_only=True)
class Table:
    """A guest at a tap that has a lock and no link any more."""

    bar: RunningBar
    tap: TapSeat
    guest: GuestSeat
    fleet: Fleet
    grant_id: str

    async def enter(self, **fields: object) -> dict[str, Any]:
        body = {"short_id": "004711", "tap_id": self.tap.tap_id, "volume_ml": 300}
        path = f"/api/visits/{self.guest.visit_id}/reconcile-pour"
        return await self.bar.post(path, **(body | fields))

    async def sync(self, **fields: object) -> dict[str, Any]:
        """Have the tap send its pour at last."""
        body = {"grant_id": self.grant_id, "short_id": "004711", "volume_ml": 300, "offline": True}
        return await self.fleet.pour(self.tap.tap_id, body | {"age_ms": 60_000} | fields)

    async def visit(self) -> dict[str, Any]:
        return await self.bar.get(f"/api/visits/{self.guest.visit_id}")

    async def keg_ml(self) -> float:
        kegs = (await self.bar.get("/api/kegs", beverage_id=self.tap.beverage_id))["items"]
        return float(next(keg["remaining_ml"] for keg in kegs if keg["id"] == self.tap.keg_id))

    async def audited(self) -> list[str]:
        subject = f"visit:{self.guest.visit_id}"
        return [
            entry["action"]
            for entry in (await self.bar.get("/api/audit", subject=subject))["items"]
        ]


@pytest.fixture
async def table(bar: RunningBar) -> AsyncIterator[Table]:
    tap = await bar.seat_tap()
    guest = await bar.seat_guest()
    fleet = Fleet(mqtt_url=bar.mqtt_url, taps=[(tap.tap_id, tap.secret)])
    await fleet.start()
    fleet.publish(tap.tap_id, "status", {"online": True, "pending_sync": 0}, retain=True)
    grant = await fleet.authorize(tap.tap_id, guest.card_uid, fields={})
    yield Table(bar=bar, tap=tap, guest=guest, fleet=fleet, grant_id=str(grant["grant_id"]))
    await fleet.stop()


@pytest.mark.requirement("SY-4", "SY-5", "SY-6", "LK-5")
async def test_a_pour_entered_by_hand_opens_the_lock_and_its_late_sync_is_never_billed(
    table: Table,
) -> None:
    entered = await table.enter(amount=270, comment="link down")
    after = await table.visit()
    again = await table.enter(volume_ml=500)

    assert (entered["amount"], entered["sync_status"]) == (270, "reconciled")
    assert (after["active_tap_id"], after["held"], after["balance"]) == (None, 0, 9_730)
    assert again["client_tx_id"] == entered["client_tx_id"]
    assert await table.keg_ml() == 49_700

    late = await table.sync(client_tx_id="late-1")
    repeated = await table.sync(client_tx_id="late-1", age_ms=61_000)

    assert (late["status"], late["amount"], late["balance"]) == ("reconciled", 270, 9_730)
    assert repeated == late
    end = await table.visit()
    assert (end["balance"], end["poured_ml"], len(end["pours"])) == (9_730, 300, 1)
    assert await table.keg_ml() == 49_700
    await until(table.audited, lambda said: "late_sync_matched" in said)
    assert "pour_entered" in await table.audited()


@pytest.mark.requirement("SY-6", "SY-7", "AL-2")
async def test_a_late_sync_that_differs_moves_the_keg_not_the_money_and_raises_an_alert(
    table: Table,
) -> None:
    await table.enter()

    late = await table.sync(client_tx_id="late-2", volume_ml=450)

    assert late["status"] == "mismatch"
    assert (await table.visit())["balance"] == 9_730
    await until(table.keg_ml, lambda left: left == 49_550)
    await until(table.audited, lambda said: "late_sync_mismatch" in said)

    async def alerts() -> list[tuple[str, str]]:
        items = (await table.bar.get("/api/alerts", state="open"))["items"]
        return [(one["kind"], one["subject"]["id"]) for one in items]

    await until(alerts, lambda found: ("sync_mismatch", "late-2") in found)


@pytest.mark.requirement("SY-5")
async def test_an_entry_after_the_sync_is_the_taps_own_pour(table: Table) -> None:
    sent = await table.sync(client_tx_id="late-3")

    found = await table.enter(volume_ml=900)

    assert (sent["status"], found["client_tx_id"]) == ("accepted", "late-3")
    assert (await table.visit())["balance"] == 9_730


@pytest.mark.requirement("SY-5")
async def test_a_mistyped_id_is_held_and_rejecting_it_leaves_one_charge(table: Table) -> None:
    await table.enter(short_id="004712")

    late = await table.sync(client_tx_id="late-4")

    assert (late["status"], late["reason"]) == ("held", "manual_entry_unmatched")
    assert (await table.visit())["balance"] == 9_730
    decided = await table.bar.post(
        "/api/pours/late-4/decide", decision="reject", reason="typed 004712"
    )
    assert decided["status"] == "rejected"
    assert (await table.visit())["balance"] == 9_730
    await until(table.keg_ml, lambda left: left == 49_700)


@pytest.mark.requirement("LK-7")
async def test_with_its_flag_off_an_entry_is_refused_until_it_is_on_again(table: Table) -> None:
    path = f"/api/visits/{table.guest.visit_id}/reconcile-pour"
    body = {"short_id": "000001", "tap_id": table.tap.tap_id, "volume_ml": 300}
    key = "/api/config/FF_MANUAL_POUR_RECONCILE"

    async def enter() -> tuple[int, str]:
        response = await table.bar.ask("POST", path, json=body)
        return (200, "") if response.is_success else refusal(response)

    await table.bar.ask("PUT", key, json={"value": False})
    try:
        await until(enter, lambda answer: answer == (409, "disabled"))
    finally:
        await table.bar.ask("PUT", key, json={"value": True})
    await until(enter, lambda answer: answer == (200, ""))


@pytest.mark.requirement("SY-5")
@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"short_id": "12345"}, (422, "malformed")),
        ({"short_id": None}, (422, "malformed")),
        ({"volume_ml": -1}, (422, "malformed")),
        ({"volume_ml": 100_001}, (422, "malformed")),
        ({"volume_ml": "300"}, (422, "malformed")),
        ({"amount": 1.5}, (422, "malformed")),
        ({"tap_id": "no-such-tap"}, (404, "not_found")),
    ],
)
async def test_a_bad_entry_is_refused_with_its_reason(
    bar: RunningBar, fields: dict[str, object], refused: tuple[int, str]
) -> None:
    tap, guest = await bar.seat_tap(), await bar.seat_guest()
    body = {"short_id": "000001", "tap_id": tap.tap_id, "volume_ml": 300} | fields
    response = await bar.ask("POST", f"/api/visits/{guest.visit_id}/reconcile-pour", json=body)

    status, code = refusal(response)
    assert status == refused[0]
    assert code in {refused[1], "tap_unknown"}


async def test_a_held_pour_is_billed_by_decision_and_its_alert_ends(table: Table) -> None:
    held = await table.sync(client_tx_id="late-5", ended_at="2099-01-01T00:00:00Z", age_ms=None)
    assert held["status"] == "held"
    assert (await table.visit())["held"] > 0

    pour = await table.bar.post("/api/pours/late-5/decide", decision="bill", reason="clock is off")

    assert (pour["status"], pour["amount"], pour["decided_by"]) == ("accepted", 270, "tests")
    end = await table.visit()
    assert (end["balance"], end["held"]) == (9_730, 0)
    again = await table.bar.ask(
        "POST", "/api/pours/late-5/decide", json={"decision": "waste", "reason": "twice"}
    )
    assert refusal(again) == (409, "not_held")

    async def open_alerts() -> list[str]:
        items = (await table.bar.get("/api/alerts", state="open"))["items"]
        return [one["subject"]["id"] for one in items if one["kind"] == "pour_held"]

    await until(open_alerts, lambda found: "late-5" not in found)


@pytest.mark.requirement("LE-1", "LE-6")
async def test_a_guest_is_set_right_paid_out_and_takes_a_receipt(table: Table) -> None:
    poured = await table.sync(client_tx_id="late-6")
    path = f"/api/guests/{table.guest.guest_id}"
    await table.bar.post(
        f"{path}/correction", amount=70, client_tx_id=poured["client_tx_id"], reason="foam"
    )

    paid = await table.bar.post(f"{path}/pay-out")
    paper = await table.bar.get(f"/api/visits/{table.guest.visit_id}/receipt")

    assert (paid["amount"], paid["balance"]) == (9_800, 0)
    assert (paper["spent"], paper["balance_after"]) == (270, 0)
    assert paper["balance_before"] == 10_000  # paid in before the visit
    assert [line["kind"] for line in paper["lines"]] == ["correction", "refund"]


async def test_a_receipt_is_printed_by_who_is_signed_in(table: Table) -> None:
    await table.sync(client_tx_id="late-7")
    page = f"/visits/{table.guest.visit_id}/receipt"
    account = {"username": "printer", "password": "a long enough word"}
    await table.bar.post("/api/staff", level=1, **account)

    async with httpx.AsyncClient(
        base_url=table.bar.base_url, follow_redirects=True, timeout=30
    ) as browser:
        before = await browser.get(page)
        await browser.post("/login", data=account)
        paper = await browser.get(page)
        unknown = await browser.get("/visits/nobody/receipt")

    assert before.url.path == "/login"
    assert (paper.status_code, unknown.status_code) == (200, 404)
    assert "€2.70" in paper.text
    assert "300 ml" in paper.text


async def test_the_currency_stays_once_money_has_moved(bar: RunningBar) -> None:
    await bar.seat_guest(amount=100)

    same = await bar.ask("PUT", "/api/config/currency", json={"value": "EUR"})
    other = await bar.ask("PUT", "/api/config/currency", json={"value": "USD"})
    bad = await bar.ask("PUT", "/api/config/currency", json={"value": "euro"})

    assert same.status_code == 200
    assert refusal(other) == (409, "currency_fixed")
    assert refusal(bad)[0] == 422
