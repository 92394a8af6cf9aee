"""Devices that are not what they say, or say what they must not, against a running bar."""

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiomqtt
import pytest
from pourline.kit.ids import new_id
from pourline.testkit.attacks import Device, Forger, at_tap, connected, pours
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat
from pourline.testkit.fuzz import NASTY
from pourline.testkit.until import until

pytestmark = [pytest.mark.security, pytest.mark.xdist_group("attacked")]

REFUSED = 0x80
NOT_OURS = (
    "#",
    "+/#",
    "bar/#",
    "bar/+/tap/+/pour/result",
    "bar/main/tap/+/state",
    "bar/main/alerts/#",
    "$SYS/#",
    "$SYS/REQ/#",
    "$JS/API/#",
    "$MQTT/#",
    "$KV/#",
    "evt/#",
    "cmd/#",
    "qry/#",
    "_INBOX/#",
    "health/#",
)
"""Topic filters that are no device's own, those of the bus behind the broker among them."""
Json = dict[str, Any]


@pytest.fixture
async def seats(bar: RunningBar) -> tuple[TapSeat, TapSeat, GuestSeat]:
    """Return an attacker's tap, a victim's, and a guest at the victim's."""
    return await bar.seat_tap(), await bar.seat_tap(), await bar.seat_guest()


@contextlib.asynccontextmanager
async def thrown_out() -> AsyncIterator[None]:
    """Take it that the broker may close the connection of who does what it may not."""
    with contextlib.suppress(aiomqtt.MqttError):
        yield


async def test_no_filter_but_its_own_tells_a_device_anything(
    bar: RunningBar, seats: tuple[TapSeat, TapSeat, GuestSeat]
) -> None:
    mine, victim, guest = seats
    async with connected(bar, f"tap-{mine.tap_id}", mine.secret) as thief:
        for topic in (*NOT_OURS, f"bar/main/tap/{victim.tap_id}/#"):
            async with thrown_out():
                await thief.client.subscribe(topic, qos=1)
        async with at_tap(bar, victim) as tap:
            answer = await pours(tap, victim, guest.visit_id)
        assert answer["status"] == "accepted"
        root = f"bar/main/tap/{mine.tap_id}"
        await thief.client.subscribe(f"{root}/state", qos=1)
        await thief.answer(f"{root}/state")

        assert {topic for topic, _ in thief.heard} == {f"{root}/state"}


async def test_what_a_device_says_on_other_topics_reaches_nobody(
    bar: RunningBar, seats: tuple[TapSeat, TapSeat, GuestSeat]
) -> None:
    mine, victim, guest = seats
    forged = {"client_tx_id": f"forged-{new_id()}", "short_id": "000009", "volume_ml": 500}
    forged |= {"visit_id": guest.visit_id, "duration_ms": 9000, "age_ms": 0}
    state = {"state": "stopped"}
    refund = {"guest_id": guest.guest_id, "amount": 5000}
    attacks: list[tuple[str, Json]] = [
        (f"bar/main/tap/{victim.tap_id}/pour", forged),
        (f"bar/main/tap/{victim.tap_id}/status", {"online": False, "pending_sync": 9}),
        (f"bar/main/tap/{victim.tap_id}/state", state),
        (f"bar/main/tap/{victim.tap_id}/command", {"command_id": "1", "command": "resume"}),
        (f"bar/main/tap/{mine.tap_id}/state", state),
        (f"bar/main/tap/{mine.tap_id}/pour/result", {"status": "accepted"}),
        (f"bar/elsewhere/tap/{mine.tap_id}/pour", forged),
        ("bar/main/alerts/critical/made-up", {"alert_id": "made-up", "title": "Evacuate"}),
        ("cmd/ledger/account/top_up", refund),
        ("evt/pour/accepted", {}),
        ("$SYS/REQ/USER/AUTH", {}),
        ("$JS/API/STREAM/DELETE/EVENTS", {}),
        ("_INBOX/ledger/1", {}),
    ]
    async with at_tap(bar, victim) as tap, connected_operator(bar) as screen:
        await screen.client.subscribe("bar/main/alerts/#", qos=1)
        for topic, payload in attacks:
            async with thrown_out(), connected(bar, f"tap-{mine.tap_id}", mine.secret) as thief:
                await thief.client.publish(topic, json.dumps(payload), qos=1, retain=True)
        answer = await pours(tap, victim, guest.visit_id)

        assert (answer["status"], answer["balance"]) == ("accepted", 9_991)
        words = [json.loads(body) for topic, body in tap.heard if topic.endswith("/state")]
        assert "stopped" not in [one["state"] for one in words]
        assert not [topic for topic, _ in screen.heard if "made-up" in topic]
    visit = await bar.get(f"/api/visits/{guest.visit_id}")
    assert [one["client_tx_id"] for one in visit["pours"]] == [answer["client_tx_id"]]
    assert not list(tap.said(f"bar/main/tap/{victim.tap_id}/command"))


@contextlib.asynccontextmanager
async def connected_operator(bar: RunningBar) -> AsyncIterator[Device]:
    token = await bar.token(level=1)
    async with connected(bar, "operator", token, client_id=f"screen-{new_id()}") as device:
        yield device


async def test_a_last_will_for_another_tap_is_never_spoken(
    bar: RunningBar, seats: tuple[TapSeat, TapSeat, GuestSeat]
) -> None:
    mine, victim, guest = seats
    topic = f"bar/main/tap/{victim.tap_id}/status"
    will = aiomqtt.Will(topic, b'{"online":false,"pending_sync":3}', qos=1, retain=True)
    async with at_tap(bar, victim) as tap:
        await tap.client.publish(topic, b'{"online":true,"pending_sync":0}', qos=1, retain=True)
        await until(lambda: bar.get(f"/api/taps/{victim.tap_id}"), lambda tap: tap["online"])
        async with thrown_out(), connected(bar, f"tap-{mine.tap_id}", mine.secret, will=will) as it:
            it.client._client._sock_close()  # noqa: SLF001 gone without a word
            await asyncio.sleep(0)
        answer = await pours(tap, victim, guest.visit_id)

    assert answer["status"] == "accepted"
    now = await bar.get(f"/api/taps/{victim.tap_id}")
    assert (now["online"], now["pending_sync"]) == (True, 0)


async def test_a_session_is_not_taken_over_without_its_secret(
    bar: RunningBar, seats: tuple[TapSeat, TapSeat, GuestSeat]
) -> None:
    mine, victim, guest = seats
    name = f"tap-{victim.tap_id}"
    async with at_tap(bar, victim) as tap:
        for username, password, client_id in (
            (name, "wrong", name),
            (f"tap-{mine.tap_id}", mine.secret, name),
            ("operator", "wrong", name),
            (name, "", name),
            ("", "", name),
        ):
            with pytest.raises(aiomqtt.MqttError):
                async with connected(bar, username, password, client_id=client_id):
                    pass
        answer = await pours(tap, victim, guest.visit_id)

    assert answer["status"] == "accepted", "it still has its connection"


async def test_an_operator_takes_no_device_off_the_broker_and_changes_nothing(
    bar: RunningBar, seats: tuple[TapSeat, TapSeat, GuestSeat]
) -> None:
    _, victim, guest = seats
    token = await bar.token(level=1)
    name = f"tap-{victim.tap_id}"
    async with at_tap(bar, victim) as tap:
        with contextlib.suppress(aiomqtt.MqttError):
            async with connected(bar, "operator", token, client_id=name) as screen:
                await screen.client.subscribe(f"bar/main/tap/{victim.tap_id}/pour/result", qos=1)
        answer = await pours(tap, victim, guest.visit_id)

    assert answer["status"] == "accepted"


@pytest.mark.parametrize(
    ("key", "claims"),
    [
        ("not the bar's key, but long enough for one", {}),
        (None, {"exp": datetime(2020, 1, 1, tzinfo=UTC)}),
        (None, {"exp": None}),
        (None, {"level": None}),
        (None, {"iss": "somebody"}),
    ],
)
async def test_a_forged_token_opens_no_screen(
    bar: RunningBar, key: str | None, claims: dict[str, Any]
) -> None:
    token = Forger.of(bar).token(key=key, **claims)

    with pytest.raises(aiomqtt.MqttError):
        async with connected(bar, "operator", token, client_id="forger"):
            pass


async def test_nonsense_breaks_nothing_and_what_is_too_long_is_rejected(
    bar: RunningBar, seats: tuple[TapSeat, TapSeat, GuestSeat]
) -> None:
    mine, _, guest = seats
    device = await bar.post("/hardware/spout/devices", name="S", vendor="SANDBOX")
    root = f"bar/main/tap/{mine.tap_id}"
    long_id = f"long-{new_id()}"
    long = {"client_tx_id": long_id, "short_id": "000002", "volume_ml": 1, "x": "x" * 9000}
    nonsense = [one for one in NASTY if len(one) <= 60 * 1024]
    lives = bar.lives()
    async with (
        at_tap(bar, mine) as tap,
        connected(bar, f"spout-{device['id']}", device["secret"]) as spout,
    ):
        for payload in (*nonsense, json.dumps({"x": "y" * 60_000}).encode()):
            for name in ("pour", "status", "authorize", "flow"):
                await tap.client.publish(f"{root}/{name}", payload, qos=1)
            for name in ("pour", "health"):
                await spout.client.publish(f"bar/main/spout/{device['id']}/{name}", payload, qos=1)
        await tap.client.publish(f"{root}/pour", json.dumps(long), qos=1)
        rejected = await tap.answer(f"{root}/pour/result", client_tx_id=long_id)
        with contextlib.suppress(aiomqtt.MqttError):
            await spout.client.publish(f"bar/main/spout/{device['id']}/pour", b"[" * 100_000, qos=1)

        answer = await pours(tap, mine, guest.visit_id)

    assert rejected["status"] == "rejected"
    assert answer["status"] == "accepted"
    assert bar.lives() == lives, "nothing died of it"


async def test_a_replayed_spout_event_counts_once_and_a_forged_one_never(bar: RunningBar) -> None:
    item = await bar.post("/api/items", name=f"Gin {new_id()}", unit="ml")
    device = await bar.post("/hardware/spout/devices", name="S", vendor="SANDBOX")
    other = await bar.post("/hardware/spout/devices", name="T", vendor="SANDBOX")
    for one in (device, other):
        calibration = {"inventoryItemId": item["id"], "mlPerPulse": 1}
        await bar.post("/hardware/spout/calibrate", deviceId=one["id"], **calibration)
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=1000)

    def signed(secret: str, device_id: str, event_id: str, pulses: int) -> Json:
        text = f"v1:{device_id}:{event_id}:0:{pulses}:"
        made = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return {"event_id": event_id, "pulses": pulses, "signature": made}

    own = signed(device["secret"], device["id"], "e1", 40)
    topic = f"bar/main/spout/{device['id']}/pour"
    async with connected(bar, f"spout-{device['id']}", device["secret"]) as spout:
        await spout.client.subscribe(f"{topic}/result", qos=1)
        statuses = []
        for body in (
            own,
            own,
            own | {"pulses": 400},
            own | {"event_id": "e2"},
            own | {"channel": 1},
            own | {"signature": own["signature"].upper()},
            signed(other["secret"], device["id"], "e3", 40),
            signed(device["secret"], other["id"], "e4", 40),
            {"event_id": "e5", "pulses": 40},
        ):
            spout.heard.clear()
            await spout.client.publish(topic, json.dumps(body), qos=1)
            statuses.append((await spout.answer(f"{topic}/result"))["status"])

    assert statuses[:2] == ["accepted", "duplicate"]
    assert set(statuses[2:]) <= {"rejected", "duplicate"}, statuses

    async def stock() -> float:
        rows = (await bar.get("/api/inventory"))["items"]
        [row] = [one for one in rows if one["item_id"] == item["id"]]
        left: float = row["current_stock"]
        return left

    await until(stock, lambda left: left <= 960)
    assert await stock() == 960
