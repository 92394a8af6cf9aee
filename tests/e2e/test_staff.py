"""What staff do over HTTP: visits, money, prices, configuration, logins, spouts."""

import asyncio
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pourline.testkit.bar import RunningBar, refusal
from pourline.testkit.until import until

pytestmark = pytest.mark.xdist_group("bar")

NOBODY = "0199c0de-0000-7000-8000-000000000000"
VISIT = {
    "id",
    "number",
    "status",
    "guest",
    "card_uid",
    "balance",
    "held",
    "active_tap_id",
    "lock_set_at",
    "poured_ml",
    "pours",
}
TAP = {
    "id",
    "name",
    "beverage",
    "price_per_litre",
    "keg_id",
    "remaining_ml",
    "state",
    "online",
    "pending_sync",
    "locked_by_visit",
}
KEG = {
    "id",
    "beverage_id",
    "volume_ml",
    "remaining_ml",
    "status",
    "received_at",
    "connected_at",
    "disconnected_at",
    "tap_id",
}


async def test_a_guest_has_one_visit_and_a_card_belongs_to_one(bar: RunningBar) -> None:
    seat = await bar.seat_guest(amount=0)
    other = await bar.post("/api/guests", name="Other")
    spelled = ":".join(re.findall("..", seat.card_uid)).upper()
    body = {"guest_id": other["id"], "card_uid": spelled}

    again = await bar.ask("POST", "/api/visits", json={"guest_id": seat.guest_id})
    taken = await bar.ask("POST", "/api/visits", json=body)
    visit = await bar.post("/api/visits", guest_id=other["id"])
    card = f"/api/visits/{visit['id']}/card"
    bound = await bar.ask("POST", card, json={"card_uid": spelled})

    assert refusal(again) == (409, "visit_already_active")
    assert refusal(taken) == refusal(bound) == (409, "card_in_use")
    for unreadable in ("zz", "04", "08aabbcc", "88aabbcc"):
        response = await bar.ask("POST", card, json={"card_uid": unreadable})
        assert refusal(response) == (422, "unreadable_card")
    await bar.post(f"/api/visits/{seat.visit_id}/close", reason="gone")
    assert (await bar.post(card, card_uid=spelled))["card_uid"] == seat.card_uid
    closed = await bar.ask("POST", f"/api/visits/{seat.visit_id}/close", json={"reason": "twice"})
    assert refusal(closed) == (409, "visit_closed")


async def test_a_statement_is_signed_runs_and_comes_as_csv(bar: RunningBar) -> None:
    guest = await bar.post("/api/guests", name="Reader")
    path = f"/api/guests/{guest['id']}"
    await bar.post(f"{path}/topup", amount=1000)
    await bar.post(f"{path}/refund", amount=300)

    lines = (await bar.get(f"{path}/statement"))["items"]
    sheet = await bar.ask("GET", f"{path}/statement?format=csv")

    assert [(one["amount"], one["balance"], one["kind"]) for one in lines] == [
        (-300, 700, "refund"),
        (1000, 1000, "topup"),
    ]
    assert sheet.headers["content-type"].startswith("text/csv")
    head, newest, *_ = sheet.text.splitlines()
    assert head == "at,kind,amount,balance,reference"
    assert newest.split(",")[1:4] == ["refund", "-300", "700"]


@pytest.mark.long
async def test_a_price_may_begin_later(bar: RunningBar) -> None:
    tap = await bar.seat_tap(price_per_litre=900)
    path = f"/api/beverages/{tap.beverage_id}/price"
    soon = datetime.now(UTC) + timedelta(seconds=8)

    async def shown() -> tuple[int, int]:
        listed = await bar.walk("/api/beverages")
        beverage = next(one for one in listed if one["id"] == tap.beverage_id)
        price: int = (await bar.get(f"/api/taps/{tap.tap_id}"))["price_per_litre"]
        return price, beverage["price_per_litre"]

    await bar.post(path, price_per_litre=1, **{"from": "2099-01-01T00:00:00+02:00"})
    await bar.post(path, price_per_litre=950, **{"from": soon.isoformat()})
    assert await shown() == (900, 900)
    await until(shown, lambda prices: prices == (950, 950))
    for wrong in ("soon", 5, "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:00"):
        response = await bar.ask("POST", path, json={"price_per_litre": 1, "from": wrong})
        assert refusal(response) == (422, "malformed")


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("FF_VISIT_ENFORCEMENT", True, ["true", 1, None]),
        ("keg_low_ratio", 0.15, [-0.1, 1.1, "0.2", True]),
        ("min_pour_ml", 50, [0, -5, "50", 10**9]),
        ("sync_timeout_s", 120, [1, 60.5, "120"]),
        ("currency", "EUR", ["euro", "", "E\0R", 5]),
        ("timezone", "Europe/Rome", ["Mars/North", "", "../etc", "a\0b"]),
        ("pos_adapter", "log", ["", "fax", "log ", "a\0b", []]),
        ("notification_recipients", ["bar@example.org"], ["bar@example.org", ["nobody"], [5]]),
    ],
)
async def test_a_config_value_must_fit_its_key(
    bar: RunningBar, key: str, good: object, bad: list[object]
) -> None:
    path = f"/api/config/{key}"
    for value in bad:
        response = await bar.ask("PUT", path, json={"value": value})
        code = "malformed" if value is None else "bad_config_value"
        assert refusal(response) == (422, code), (key, value, response.text)
        assert value is None or response.json()["detail"].startswith(f"{key} takes ")
    response = await bar.ask("PUT", path, json={"value": good})
    assert (response.status_code, (await bar.get(path))["value"]) == (200, good)
    unknown = await bar.ask("PUT", "/api/config/no_such_key", json={"value": 1})
    assert refusal(unknown) == (404, "not_found")


async def test_the_record_is_found_by_its_subject(bar: RunningBar) -> None:
    tap = await bar.seat_tap()
    await bar.post(f"/api/taps/{tap.tap_id}/cleaning", reason="monday")
    await bar.post(f"/api/taps/{tap.tap_id}/resume", reason="clean")

    entries = (await bar.get("/api/audit", subject=f"tap:{tap.tap_id}"))["items"]

    assert [one["reason"] for one in entries[:2]] == ["clean", "monday"]
    assert {one["subject"] for one in entries} == {f"tap:{tap.tap_id}"}


@pytest.mark.long
async def test_a_wrong_password_is_refused_and_too_many_are_held_off(bar: RunningBar) -> None:
    person = {"username": "anna", "password": "correct horse"}
    await bar.post("/api/staff", **person, level=2)

    async def login(**changes: str) -> httpx.Response:
        return await bar.ask("POST", "/api/auth/login", json=person | changes)

    session = await login()
    wrong = [refusal(await login(password="guess")) for _ in range(11)]

    assert session.json()["level"] == 2
    assert set(session.json()) >= {"token", "expires_at"}
    assert wrong == [(401, "wrong_password")] * 10 + [(429, "too_often")]
    assert refusal(await login()) == (429, "too_often")
    assert refusal(await login(username="nobody")) == (401, "wrong_password")


async def test_a_spout_pours_over_http_in_either_spelling(bar: RunningBar) -> None:
    device = await bar.post("/hardware/spout/devices", name="S", vendor="v", branchId="main")
    item = await bar.post("/api/items", name="Rum", unit="ml")
    assert re.fullmatch("[0-9a-f]{64}", device["secret"])

    async def ingest(body: dict[str, object] | bytes, *, secret: str | None) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        made = hmac.new((secret or "").encode(), raw, hashlib.sha256).hexdigest()
        headers = {"Authorization": ""} | ({"X-Spout-Signature": made} if secret else {})
        return await bar.ask("POST", "/hardware/spout/ingest", content=raw, headers=headers)

    now = datetime.now(UTC).isoformat()
    pour = {"deviceId": device["id"], "pulses": 10, "occurredAt": now}
    first = await ingest(pour, secret=device["secret"])
    calibration = {"inventory_item_id": item["id"], "ml_per_pulse": 0.5}
    await bar.post("/hardware/spout/calibrate", device_id=device["id"], **calibration)
    again = await ingest(pour, secret=device["secret"])
    snake = {"device_id": device["id"], "pulses": 4, "event_id": "e", "channel": None}
    other = await ingest(snake, secret=device["secret"])

    assert (first.status_code, first.json()["status"]) == (202, "uncalibrated")
    assert (again.json()["status"], again.json()["volume_ml"]) == ("duplicate", 5)
    assert (other.json()["status"], other.json()["volume_ml"]) == ("accepted", 2)
    assert refusal(await ingest(pour, secret=None)) == (401, "bad_signature")
    assert refusal(await ingest(pour, secret="00")) == (401, "bad_signature")
    nobody = pour | {"deviceId": NOBODY}
    assert refusal(await ingest(nobody, secret=None)) == (401, "bad_signature")
    assert refusal(await ingest(nobody, secret="00")) == (404, "not_found")
    assert refusal(await ingest(b"{", secret="00")) == (422, "malformed")
    bad = [refusal(await ingest(nobody, secret=None)) for _ in range(30)]
    assert (bad[0], bad[-1]) == ((401, "bad_signature"), (429, "too_often"))
    for _ in range(31):
        await ingest(pour, secret=None)
    many = [pour | {"eventId": f"at once {number}"} for number in range(40)]
    good = await asyncio.gather(*(ingest(one, secret=device["secret"]) for one in many))
    assert 429 not in {one.status_code for one in good}, "who signs well is never held off"
    assert (await ingest(many[0], secret=device["secret"])).status_code == 202
    events = (await bar.get("/hardware/spout/events", deviceId=device["id"]))["items"]
    wanted = {"event_id", "device_id", "channel", "pulses", "item_id", "volume_ml", "status"}
    assert all(set(event) > wanted for event in events)


async def test_fields_that_programs_rely_on_are_there_null_when_absent(bar: RunningBar) -> None:
    seat = await bar.seat_guest()
    bare = await bar.post("/api/taps", id=f"bare{seat.visit_id[-6:]}", name="Bare")
    visit = await bar.get(f"/api/visits/{seat.visit_id}")
    beverage = await bar.post("/api/beverages", name="F", kind="beer", price_per_litre=1)
    keg = await bar.post("/api/kegs", beverage_id=beverage["id"], volume_ml=1)

    assert set(visit) >= VISIT
    assert set(bare) >= TAP | {"secret"}
    assert (bare["keg_id"], bare["state"]) == (None, "out_of_keg")
    assert "secret" not in await bar.get(f"/api/taps/{bare['id']}")
    assert set(keg) >= KEG


async def test_somebody_joins_a_shift(bar: RunningBar) -> None:
    await bar.ask("POST", "/api/shifts/open", json={"opening_float": 100})
    shift = await bar.get("/api/shifts/current")
    path = f"/api/shifts/{shift['id']}/members"

    joined = await bar.post(path, member="Bea")

    assert "Bea" in joined["members"]
    assert refusal(await bar.ask("POST", path, json={"member": ""})) == (422, "malformed")


@pytest.mark.requirement("VI-1")
async def test_what_was_noted_about_a_guest_is_read_again(bar: RunningBar) -> None:
    told = {"name": "Nora", "phone": "+43 1 555", "email": "n@example.org", "notes": "no nuts"}

    made = await bar.post("/api/guests", **told)
    visit = await bar.post("/api/visits", guest_id=made["id"])

    assert made.items() >= told.items()
    assert (await bar.get(f"/api/guests/{made['id']}")).items() >= told.items()
    assert visit["guest"]["notes"] == "no nuts"
