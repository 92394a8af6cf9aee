"""The README's main flow over a Mosquitto, and what must not get through, in both MQTT versions."""

import asyncio
import hashlib
import hmac
import json
import signal

import pytest
from pourline.kit.ids import new_id
from pourline.testkit.behind_a_broker import BRIDGE, BarBehindABroker, Ears, Json
from pourline.testkit.until import until

pytestmark = pytest.mark.broker

NOBODY_KNEW_S = 7.0
"""How long the bridge stands still: longer than a card's question is worth anything."""


async def test_the_ready_line_names_the_foreign_broker_without_credentials(
    place: BarBehindABroker,
) -> None:
    async def parts() -> Json:
        health = (await place.bar.ask("GET", "/health/ready")).json()
        named: Json = health["parts"][BRIDGE].get("parts", {})
        return named

    assert place.bar.mqtt_url == place.broker.url
    await until(parts, {"bus": "ok", "foreign_broker": "ok", "inner_broker": "ok"}.__eq__)


async def test_a_card_a_pour_and_its_repeat_an_alert_and_its_end(place: BarBehindABroker) -> None:
    bar = place.bar
    tap, guest = await place.seat(keg_ml=2_000)
    async with place.device(tap) as device, place.screen() as screen:
        state = await device.next("/state", state="active")
        grant = await device.ask(
            "authorize", "request_id", {"request_id": str(new_id()), "card_uid": guest.card_uid}
        )
        locked = await bar.get(f"/api/visits/{guest.visit_id}")
        pour = a_pour(grant_id=grant["grant_id"], volume_ml=1_800)
        first = await device.ask("pour", "client_tx_id", pour)
        device.heard.clear()
        again = await device.ask("pour", "client_tx_id", pour | {"age_ms": 900})
        low = await alert_about(screen, tap.keg_id, "keg_low")
        visit = await bar.get(f"/api/visits/{guest.visit_id}")

        assert (state["price_per_litre"], state["remaining_ml"]) == (900, 2_000)
        assert (grant["decision"], grant["balance"]) == ("allow", 10_000)
        assert (locked["active_tap_id"], locked["held"]) == (tap.tap_id, 10_000 - 8_200)
        assert (first["status"], again["status"]) == ("accepted", "duplicate")
        assert first["amount"] == again["amount"] == 1_620
        assert (visit["balance"], visit["held"], visit["active_tap_id"]) == (8_380, 0, None)
        await is_retained(place, low)
        await bar.post(f"/api/alerts/{low['alert_id']}/resolve", comment="a new keg is on")
        await is_gone(place, low)


async def test_a_spout_is_answered_over_the_foreign_broker(place: BarBehindABroker) -> None:
    spout = await place.bar.post("/hardware/spout/devices", name="S", vendor="v")
    await place.broker.admit_spout(spout["id"], spout["secret"])
    name, root = f"spout-{spout['id']}", f"bar/main/spout/{spout['id']}"
    event_id = str(new_id())
    text = f"v1:{spout['id']}:{event_id}:0:10:"
    signature = hmac.new(spout["secret"].encode(), text.encode(), hashlib.sha256).hexdigest()
    topics = [f"{root}/pour/result"]
    async with place.ears(name, spout["secret"], root=root, topics=topics) as ears:
        await ears.say("health", {"online": True, "battery_pct": 50}, retain=True)
        answer = await ears.ask(
            "pour", "event_id", {"pulses": 10, "event_id": event_id, "signature": signature}
        )

    assert answer["status"] in {"uncalibrated", "duplicate"}


def a_pour(**fields: object) -> Json:
    pour = {"client_tx_id": str(new_id()), "short_id": "000001", "volume_ml": 100}
    return pour | {"duration_ms": 30_000, "age_ms": 0} | fields


async def alert_about(screen: Ears, subject_id: str, kind: str) -> Json:
    async def found() -> list[Json]:
        bodies = [json.loads(body) for _, body, _ in screen.heard if body]
        return [b for b in bodies if b["subject"]["id"] == subject_id and b["kind"] == kind]

    return (await until(found))[-1]


def topic_of(alert: Json) -> str:
    return f"bar/main/alerts/{alert['severity']}/{alert['alert_id']}"


async def is_retained(place: BarBehindABroker, alert: Json) -> None:
    await until(place.retained, lambda all_: topic_of(alert) in all_)


async def is_gone(place: BarBehindABroker, alert: Json) -> None:
    await until(place.retained, lambda all_: topic_of(alert) not in all_)


POISON = (
    "bar/main/tap/a b/pour",
    "bar/main/tap/a.b/pour",
    "bar/main/tap/a*/pour",
    "bar/main/tap/>/pour",
    "bar/main/tap//pour",
    "bar//tap/1/pour",
    "bar/ma in/tap/1/status",
    "bar/main/tap/$SYS/pour",
    "bar/main/tap/Zapfhahn-ä/authorize",
    f"bar/main/tap/{'x' * 33}/pour",
    f"bar/main/spout/{'y' * 37}/pour",
    "bar/main/spout/a b/health",
)


async def test_poison_is_taken_off_the_broker_and_holds_nobody_up(place: BarBehindABroker) -> None:
    tap, guest = await place.seat()
    await place.broker.admit_anything("enemy", "lets himself in")
    bridge = place.bar.process_of(BRIDGE).pid
    async with (
        place.device(tap) as device,
        place.ears("enemy", "lets himself in", root=device.root, topics=[]) as enemy,
    ):
        for topic in POISON:
            for payload in (b"{}", b"\xff\x00", b"", b"x" * 70_000):
                await enemy.mqtt.publish(topic, payload, qos=1)
        for name in ("pour", "status", "authorize", "flow"):
            await enemy.say(name, b"x" * 70_000)
            await enemy.say(name, b"\xff")
        answer = await device.ask("pour", "client_tx_id", a_pour(visit_id=guest.visit_id))

    booked = await place.bar.get(f"/api/pours/{answer['client_tx_id']}")
    assert answer["status"] == "accepted"
    assert booked["status"] == "accepted"
    assert place.bar.process_of(BRIDGE).pid == bridge
    refused = [line for line in log_of(place) if line["event"] == "message_refused"]
    once = [(line["topic"], line["reason"]) for line in refused]
    assert len(once) == len(set(once))
    # Cards and flow come at QoS 0: a broker under load may drop them before anybody refuses them.
    kept = {topic for topic in POISON if not topic.endswith("/authorize")}
    assert {topic for topic, _ in once} >= {*kept, f"{device.root}/pour"}
    assert {reason for _, reason in once} == {"topic_not_carried", "payload_too_large"}


def log_of(place: BarBehindABroker) -> list[Json]:
    text = (place.bar.data_dir / "log" / f"{BRIDGE}.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


async def test_a_card_that_waited_while_the_bridge_stood_still_locks_nothing(
    place: BarBehindABroker,
) -> None:
    tap, guest = await place.seat()
    bridge = place.bar.process_of(BRIDGE)
    async with place.device(tap) as device:
        await device.next("/state", state="active")
        bridge.send_signal(signal.SIGSTOP)
        question = {"request_id": str(new_id()), "card_uid": guest.card_uid}
        await device.say("authorize", question)
        await device.say("pour", a_pour(visit_id=guest.visit_id))
        await asyncio.sleep(NOBODY_KNEW_S)  # the guest has left; nothing to wait for
        bridge.send_signal(signal.SIGCONT)
        # What must not be lost is given again by the broker, though the device said it once only.
        visit = await until(
            lambda: place.bar.get(f"/api/visits/{guest.visit_id}"), lambda one: one["poured_ml"]
        )
        fresh = await device.ask(
            "authorize", "request_id", question | {"request_id": str(new_id())}
        )

    assert (visit["active_tap_id"], visit["held"]) == (None, 0)
    answered = {one["request_id"] for one in device.of("/authorize/result")}
    assert answered == {fresh["request_id"]}
    assert fresh["decision"] == "allow"


async def test_a_card_that_the_broker_retained_locks_nothing(place: BarBehindABroker) -> None:
    tap, guest = await place.seat()
    async with place.device(tap) as device:
        await device.next("/state", state="active")
        bridge = place.bar.process_of(BRIDGE)
        bridge.send_signal(signal.SIGSTOP)  # so that it is not back before the card is said
        await device.say(
            "authorize", {"request_id": "old", "card_uid": guest.card_uid}, retain=True
        )
        bridge.kill()
        await device.ask("pour", "client_tx_id", a_pour(visit_id=guest.visit_id))
        visit = await place.bar.get(f"/api/visits/{guest.visit_id}")

    assert device.of("/authorize/result") == []
    assert visit["active_tap_id"] is None
