"""The MQTT edge from outside: who may connect and hear what, bad payloads, orders, spouts."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiomqtt
import pytest
from pourline.kit.ids import new_id
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat
from pourline.testkit.ending import end
from pourline.testkit.entering import entered
from pourline.testkit.until import until

pytestmark = pytest.mark.xdist_group("bar")

ANSWER_WITHIN_S = 30.0
Json = dict[str, Any]


class Client:
    """One MQTT client of a device or an operator, and all that it heard."""

    def __init__(self, mqtt: aiomqtt.Client, root: str) -> None:
        self.mqtt, self.root = mqtt, root
        self.heard: list[tuple[str, bytes, bool]] = []
        self._changed = asyncio.Event()

    async def listen(self) -> None:
        async for message in self.mqtt.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            self.heard.append((str(message.topic), payload, bool(message.retain)))
            self._changed.set()

    async def say(self, name: str, payload: Json | bytes, *, retain: bool = False) -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await self.mqtt.publish(f"{self.root}/{name}", body, qos=1, retain=retain)

    def of(self, name: str) -> list[Json]:
        """Return what came on one topic; an empty payload is an empty object."""
        return [
            json.loads(body or b"{}") for topic, body, _ in self.heard if topic.endswith(f"/{name}")
        ]

    async def next(self, name: str, **fields: object) -> Json:
        """Wait for a message on a topic that has these fields."""
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while True:
                for found in self.of(name):
                    if fields.items() <= found.items():
                        return found
                self._changed.clear()
                await self._changed.wait()

    async def ask(self, name: str, key: str, payload: Json) -> Json:
        """Say something and wait for the answer to its id."""
        body = {key: str(new_id())} | payload
        await self.say(name, body)
        return await self.next(f"{name}/result", **{key: body[key]})

    async def pour(self, **fields: object) -> Json:
        body = {"short_id": "000001", "volume_ml": 100, "duration_ms": 5_000, "age_ms": 0}
        return await self.ask("pour", "client_tx_id", body | fields)


@contextlib.asynccontextmanager
async def connected(
    bar: RunningBar, username: str, password: str, *, root: str, client_id: str | None = None
) -> AsyncIterator[Client]:
    port = int(bar.mqtt_url.rsplit(":", 1)[1])
    new_client = partial(
        aiomqtt.Client,
        "127.0.0.1",
        port,
        username=username,
        password=password,
        identifier=client_id or username,
    )
    async with entered(new_client) as mqtt:
        client = Client(mqtt, root)
        listening = asyncio.create_task(client.listen())
        try:
            yield client
        finally:
            await end(listening)


@contextlib.asynccontextmanager
async def a_tap(bar: RunningBar, seat: TapSeat | None = None) -> AsyncIterator[Client]:
    """A tap with a keg whose device is online and hears all that is said to it."""
    seat = seat or await bar.seat_tap()
    root = f"bar/main/tap/{seat.tap_id}"
    async with connected(bar, f"tap-{seat.tap_id}", seat.secret, root=root) as client:
        await client.mqtt.subscribe(f"{root}/#", qos=1)
        await client.say("status", {"online": True, "pending_sync": 0, "valve": "closed"})
        yield client


@contextlib.asynccontextmanager
async def an_operator(bar: RunningBar, level: int = 1) -> AsyncIterator[Client]:
    token = await bar.token(level=level)
    name = f"screen-{new_id()}"
    async with connected(bar, "operator", token, root="bar/main", client_id=name) as client:
        yield client


@pytest.mark.parametrize(
    ("username", "client_id", "password"),
    [
        (None, "anybody", None),
        ("tap-{tap}", "tap-{tap}", "wrong"),
        ("tap-{tap}", "somebody", "{secret}"),
        ("tap-nobody", "tap-nobody", "{secret}"),
        ("operator", "screen", "no token"),
        ("operator", "screen", "{secret}"),
        ("ledger", "ledger", "{secret}"),
    ],
)
async def test_who_is_not_known_may_not_connect(
    bar: RunningBar, username: str | None, client_id: str, password: str | None
) -> None:
    seat = await bar.seat_tap()
    names = {"tap": seat.tap_id, "secret": seat.secret}
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client(
            "127.0.0.1",
            int(bar.mqtt_url.rsplit(":", 1)[1]),
            username=username and username.format(**names),
            password=password and password.format(**names),
            identifier=client_id.format(**names),
        ):
            pass


async def refused(client: Client, topic: str) -> bool:
    try:
        granted = await client.mqtt.subscribe(topic, qos=1)
    except aiomqtt.MqttError:
        return True
    return all(getattr(one, "value", one) >= 0x80 for one in granted)


async def test_a_device_hears_its_own_topics_only(bar: RunningBar) -> None:
    other = await bar.seat_tap()
    async with a_tap(bar) as tap:
        for topic in (
            f"bar/main/tap/{other.tap_id}/state",
            "bar/main/tap/+/state",
            "bar/main/alerts/#",
            "bar/#",
            "#",
            "evt/#",
            "$SYS/#",
        ):
            assert await refused(tap, topic), topic
        assert not await refused(tap, f"{tap.root}/state")


async def test_what_a_device_or_an_operator_may_not_say_changes_nothing(bar: RunningBar) -> None:
    other = await bar.seat_tap()
    status = {"online": True, "pending_sync": 7}
    async with a_tap(bar) as tap, an_operator(bar, 5) as operator, a_tap(bar, other) as victim:
        await victim.next("state", state="active")
        for client in (tap, operator):
            for name in ("status", "command", "state"):
                topic = f"bar/main/tap/{other.tap_id}/{name}"
                await client.mqtt.publish(topic, json.dumps(status), qos=0, retain=True)
        await operator.mqtt.publish(f"{tap.root}/command", b'{"command":"stop"}', qos=0)
        await tap.mqtt.publish("bar/main/alerts/critical/x", b"{}", qos=0, retain=True)
        # What comes after on the same connections shows that those before were dealt with.
        await tap.pour(visit_id="nobody's")
        assert not await refused(operator, f"{tap.root}/state")
        await operator.next("state")

        assert (await bar.get(f"/api/taps/{other.tap_id}"))["pending_sync"] == 0
        assert victim.of("command") == tap.of("command") == []
        assert all("state" in one for one in victim.of("state"))


async def test_an_operator_reads_alerts_and_taps_and_nothing_else(bar: RunningBar) -> None:
    async with an_operator(bar) as operator:
        for topic in ("bar/main/alerts/#", *(f"bar/main/tap/+/{n}" for n in READ)):
            assert not await refused(operator, topic), topic
        for name in ("pour", "authorize", "authorize/result", "pour/result", "command", "#"):
            assert await refused(operator, f"bar/main/tap/+/{name}"), name
        for topic in ("bar/#", "#", "bar/main/spout/+/pour", "evt/pour/accepted"):
            assert await refused(operator, topic), topic


READ = ("flow", "state", "status")


async def test_a_new_tap_hears_its_retained_state_when_it_subscribes(bar: RunningBar) -> None:
    async with a_tap(bar) as tap:
        state = await tap.next("state", state="active")

    assert (state["price_per_litre"], state["remaining_ml"]) == (900, 50_000)


BAD_STATUS: list[bytes] = [
    b"x",
    b"[]",
    b"\xff",
    b"{" * 5000,
    b'{"online":"yes"}',
    b'{"online":null}',
    b'{"online":true,"pending_sync":-1}',
    b'{"online":true,"pending_sync":1.5}',
    b'{"online":true,"pending_sync":9,"valve":"ajar"}',
    b'{"online":true,"pending_sync":9,"firmware":"\\u0000"}',
    b'{"online":true,"pending_sync":9,"at":"0001-01-01T00:00:00+23:00"}',
    b'{"online":true,"pending_sync":9,"pad":"' + b"x" * 9000 + b'"}',
]


async def test_a_broken_status_says_nothing_and_the_next_one_counts(bar: RunningBar) -> None:
    async with a_tap(bar) as tap:

        async def now() -> Json:
            return await bar.get(f"/api/taps/{tap.root.rsplit('/', 1)[1]}")

        await tap.next("state", state="active")
        await until(now, lambda one: one["online"])
        for payload in BAD_STATUS:
            await tap.say("status", payload, retain=True)
        nulls = {"online": True, "pending_sync": None, "valve": None, "lifetime_pulses": 4}
        await tap.say("status", nulls, retain=True)
        await tap.say("status", {"online": False, "pending_sync": 0})

        seen = await until(now, lambda one: not one["online"])
        assert (seen["pending_sync"], seen["valve"]) == (0, "closed")


@pytest.mark.requirement("SY-3")
async def test_pours_to_book_deny_a_card_and_the_state_leaves_by_itself(bar: RunningBar) -> None:
    guest = await bar.seat_guest()
    async with a_tap(bar) as tap:
        await tap.say("status", {"online": True, "pending_sync": 2})
        await tap.next("state", state="processing_sync")
        denied = await tap.ask("authorize", "request_id", {"card_uid": guest.card_uid})
        tap.heard.clear()
        await tap.say("status", {"online": True, "pending_sync": 0})
        await tap.next("state", state="active")
        allowed = await tap.ask("authorize", "request_id", {"card_uid": guest.card_uid})

    assert (denied["decision"], denied["reason"]) == ("deny", "tap_not_active")
    assert "processing_sync" in denied["message"]
    assert allowed["decision"] == "allow"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"card_uid": ""}, "unreadable_card"),
        ({"card_uid": "0" * 65}, "unreadable_card"),
        ({"card_uid": "04\0ffffffffff"}, "unreadable_card"),
        ({"card_uid": 5}, "bad_request"),
        ({"card_uid": None}, "bad_request"),
        ({}, "bad_request"),
        ({"card_uid": "{card}", "at": "yesterday"}, "bad_request"),
        ({"card_uid": "{card}", "at": "0001-01-01T00:00:00+23:00"}, "bad_request"),
        ({"card_uid": "{card}", "age_ms": -1}, "bad_request"),
        ({"card_uid": "{card}", "age_ms": 10**30}, "unavailable"),
        ({"card_uid": "{card}", "pad": "x" * 9000}, "bad_request"),
    ],
)
async def test_a_bad_request_is_denied_with_its_reason_and_locks_nothing(
    bar: RunningBar, fields: Json, reason: str
) -> None:
    guest = await bar.seat_guest()
    if fields.get("card_uid") == "{card}":
        fields = fields | {"card_uid": guest.card_uid}
    async with a_tap(bar) as tap:
        answer = await tap.ask("authorize", "request_id", fields)

    assert (answer["decision"], answer["reason"]) == ("deny", reason)
    assert (await bar.get(f"/api/visits/{guest.visit_id}"))["active_tap_id"] is None


@pytest.mark.parametrize("its_id", ["", "x" * 129, "x" * 8000, "a\0b", "b\u00e4r"])
async def test_what_is_no_id_is_told_back_to_whoever_waits_for_it(
    bar: RunningBar, its_id: str
) -> None:
    async with a_tap(bar) as tap:
        await tap.say("authorize", json.dumps({"request_id": its_id}).encode())
        await tap.say("pour", json.dumps({"client_tx_id": its_id, "volume_ml": "?"}).encode())
        denied = await tap.next("authorize/result", request_id=its_id)
        rejected = await tap.next("pour/result", client_tx_id=its_id)

    assert (denied["reason"], rejected["status"]) == ("bad_request", "rejected")


async def test_what_cannot_be_answered_keeps_nobody_waiting(bar: RunningBar) -> None:
    guest = await bar.seat_guest()
    async with a_tap(bar) as tap:
        for garbage in (b"x", b"[]", b"\xff", b"{" * 5000, b'{"request_id":"a\\u0000b"}'):
            await tap.say("authorize", garbage)
            await tap.say("pour", garbage)
            await tap.say("flow", garbage)
        await tap.say("pour", b'{"client_tx_id":"a\\u0000b","short_id":"000001","volume_ml":1}')
        answer = await tap.ask("authorize", "request_id", {"card_uid": guest.card_uid})
        poured = await tap.pour(visit_id=guest.visit_id)

    assert (answer["decision"], poured["status"]) == ("allow", "accepted")


def spelled(guest: GuestSeat) -> str:
    return ":".join(re.findall("..", guest.card_uid)).upper()


async def test_a_card_is_the_same_in_any_notation(bar: RunningBar) -> None:
    guest = await bar.seat_guest()
    async with a_tap(bar) as tap:
        poured = await tap.pour(card_uid=spelled(guest))
        allowed = await tap.ask("authorize", "request_id", {"card_uid": spelled(guest)})

    assert (poured["status"], poured["amount"]) == ("accepted", 90)
    assert (allowed["decision"], allowed["visit_id"]) == ("allow", guest.visit_id)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"started_at": "0001-01-01T00:00:00+23:00"}, "rejected"),
        ({"age_ms": None, "ended_at": "0001-01-01T00:00:00Z", "duration_ms": 10**9}, "accepted"),
        ({"age_ms": None, "ended_at": "2016-12-31T23:59:60Z"}, "accepted"),
        ({"age_ms": None, "ended_at": "1795289063"}, "rejected"),
        ({"age_ms": None, "ended_at": "2026-11-21T19:24Z"}, "rejected"),
        ({"age_ms": 0.0, "duration_ms": 5000.0, "pulses": 3.0}, "accepted"),
        ({"age_ms": None, "started_at": "9999-12-31T23:59:59Z", "duration_ms": 10**9}, "held"),
        ({"age_ms": 2**53, "duration_ms": 2**53}, "accepted"),
        ({"duration_ms": -(2**53)}, "held"),
        ({"request_id": "a\0b"}, "rejected"),
        ({"visit_id": "\0"}, "rejected"),
        ({"card_uid": "\0", "visit_id": None}, "held"),
        ({"volume_ml": -0.0001}, "accepted"),
        ({"volume_ml": 10**13}, "held"),
        ({"volume_ml": -(10**400)}, "held"),
        ({"card_uid": ""}, "accepted"),
        ({"card_uid": "x" * 65}, "accepted"),
        ({"card_uid": "x" * 65, "visit_id": None}, "held"),
        ({"card_uid": "", "visit_id": None}, "held"),
        ({"pulses": 10**30}, "accepted"),
        ({"traceparent": "\0"}, "accepted"),
    ],
)
async def test_a_pour_at_the_edge_of_its_fields_is_always_answered(
    bar: RunningBar, fields: Json, status: str
) -> None:
    guest = await bar.seat_guest()
    async with a_tap(bar) as tap:
        answer = await tap.pour(**({"visit_id": guest.visit_id} | fields))

    assert answer["status"] == status, answer


@pytest.mark.parametrize(
    "broken",
    [
        '"volume_ml":1e999,"age_ms":1e999',
        '"volume_ml":NaN',
        '"volume_ml":1,"deep":' + "[" * 300 + "]" * 300,
        '"volume_ml":1,"deep":' + "[" * 3000 + "]" * 3000,
        '"volume_ml":1,"note":"\\ud800"',
    ],
)
async def test_what_cannot_be_read_is_answered_by_its_id(bar: RunningBar, broken: str) -> None:
    async with a_tap(bar) as tap:
        await tap.say("pour", f'{{"client_tx_id":"{new_id()}",{broken}}}'.encode())
        asked = f'{{"request_id":"{new_id()}",{broken}}}'
        await tap.say("authorize", asked.encode())
        poured = await tap.next("pour/result", status="rejected")
        answer = await tap.next("authorize/result", reason="bad_request")

    assert poured["client_tx_id"]
    assert answer["request_id"] == asked[15:51]


async def test_many_cards_at_once_leave_no_money_held(bar: RunningBar) -> None:
    guest = await bar.seat_guest()
    async with a_tap(bar) as tap:
        ask = {"card_uid": guest.card_uid}
        answers = await asyncio.gather(*(tap.ask("authorize", "request_id", ask) for _ in range(5)))
        poured = await tap.pour(visit_id=guest.visit_id)
        spent = answers[0]["request_id"]
        await tap.say("authorize", ask | {"request_id": spent})
        again = await tap.next("authorize/result", request_id=spent, decision="deny")

    after = await bar.get(f"/api/visits/{guest.visit_id}")
    assert {one["decision"] for one in answers} == {"allow"}
    assert (poured["status"], after["held"], after["active_tap_id"]) == ("accepted", 0, None)
    assert again["reason"] == "bad_request", "its pour is in the books"


async def test_a_tap_without_a_keg_pours_what_it_was_made_for(bar: RunningBar) -> None:
    guest = await bar.seat_guest()
    beverage = await bar.post(
        "/api/beverages", name="Pale Ale", kind="beer", price_per_litre=900, abv=5
    )
    tap_id = f"t{os.urandom(4).hex()}"
    made = await bar.post("/api/taps", id=tap_id, name="New", beverage_id=beverage["id"])
    seat = TapSeat(tap_id=tap_id, secret=made["secret"], beverage_id=beverage["id"], keg_id="")
    async with a_tap(bar, seat) as tap:
        poured = await tap.pour(visit_id=guest.visit_id, volume_ml=300)
    by_hand = await bar.post(
        f"/api/visits/{guest.visit_id}/reconcile-pour",
        short_id="000002",
        tap_id=tap_id,
        volume_ml=100,
    )

    assert (poured["status"], poured["amount"]) == ("accepted", 270)
    assert (by_hand["amount"], by_hand["keg_id"]) == (90, None)


async def test_a_pour_that_costs_more_than_can_be_said_waits_for_a_person(bar: RunningBar) -> None:
    guest = await bar.seat_guest()
    seat = await bar.seat_tap(price_per_litre=10**12)
    async with a_tap(bar, seat) as tap:
        answer = await tap.pour(
            visit_id=guest.visit_id, volume_ml=1001, duration_ms=60_000, price_per_litre=1
        )

    assert (answer["status"], answer["reason"]) == ("held", "amount_impossible")
    assert (await bar.get(f"/api/visits/{guest.visit_id}"))["balance"] == 10_000


async def test_a_volume_is_never_a_binary_float(bar: RunningBar) -> None:
    guest = await bar.seat_guest()
    async with a_tap(bar) as tap:
        await tap.say(
            "pour",
            f'{{"client_tx_id":"exact {guest.visit_id}","short_id":"000001","age_ms":0,'
            f'"volume_ml":33.33349999999999999999,"visit_id":"{guest.visit_id}"}}'.encode(),
        )
        await tap.next("pour/result", status="accepted")

    assert (await bar.get(f"/api/visits/{guest.visit_id}"))["poured_ml"] == 33.333


@pytest.mark.long
async def test_a_stop_is_repeated_until_the_valve_is_closed_else_alerted(bar: RunningBar) -> None:
    async with a_tap(bar) as tap, an_operator(bar) as operator:
        tap_id = tap.root.rsplit("/", 1)[1]
        await operator.mqtt.subscribe("bar/main/alerts/critical/#", qos=1)
        await tap.say("status", {"online": True, "pending_sync": 0, "valve": "open"})

        async def valve() -> object:
            return (await bar.get(f"/api/taps/{tap_id}"))["valve"]

        await until(valve, lambda one: one == "open")
        await bar.post(f"/api/taps/{tap_id}/stop", reason="fire")
        first = await tap.next("command", command="stop")
        await tap.next("state", state="stopped", reason="fire")
        alert = await until(lambda: alert_of(operator, tap_id))
        assert alert is not None
        await until(lambda: said_on(tap, f"{tap.root}/command"), lambda said: len(said) >= 4)
        assert {one["command_id"] for one in tap.of("command")} == {first["command_id"]}
        assert (alert["kind"], alert["severity"]) == ("stop_unconfirmed", "critical")

        await tap.say("status", {"online": True, "pending_sync": 0, "valve": "closed"})
        topic = f"bar/main/alerts/critical/{alert['alert_id']}"
        await until(lambda: said_on(operator, topic), lambda said: said[-1] == b"")
        await bar.post(f"/api/taps/{tap_id}/resume", reason="safe")
        await tap.next("command", command="resume")


async def alert_of(operator: Client, tap_id: str) -> Json | None:
    bodies = [json.loads(body) for _, body, _ in operator.heard if body]
    return next((one for one in bodies if one["subject"]["id"] == tap_id), None)


async def test_a_spout_is_answered_over_mqtt(bar: RunningBar) -> None:
    device = await bar.post("/hardware/spout/devices", name="S", vendor="v")
    item = await bar.post("/api/items", name="Gin", unit="ml")
    root = f"bar/main/spout/{device['id']}"

    def signed(event_id: str, pulses: int, at: str = "", channel: int = 0) -> Json:
        text = f"v1:{device['id']}:{event_id}:{channel}:{pulses}:{at}"
        made = hmac.new(device["secret"].encode(), text.encode(), hashlib.sha256).hexdigest()
        body: Json = {"pulses": pulses, "channel": channel, "signature": made}
        given = {"event_id": event_id, "occurred_at": at}
        return body | {name: one for name, one in given.items() if one}

    async with connected(bar, f"spout-{device['id']}", device["secret"], root=root) as spout:
        await spout.mqtt.subscribe(f"{root}/#", qos=1)

        async def pour(body: Json) -> Json:
            spout.heard.clear()
            await spout.say("pour", body)
            return await spout.next("pour/result")

        waits = await pour(signed("e1", 10))
        calibration = {"inventoryItemId": item["id"], "mlPerPulse": 0.5}
        await bar.post("/hardware/spout/calibrate", deviceId=device["id"], **calibration)
        again = await pour(signed("e1", 10))
        fresh = await pour(signed("", 4, datetime.now(UTC).isoformat()))
        forged = await pour(signed("e3", 4) | {"pulses": 5})
        bare = await pour({"pulses": 4, "event_id": "e4"})
        odd = await pour(signed("e\0", 4) | {"event_id": "e\0"})

    assert [one["status"] for one in (waits, again, fresh, forged, bare, odd)] == [
        "uncalibrated",
        "duplicate",
        "accepted",
        "rejected",
        "rejected",
        "rejected",
    ]
    assert (again["volume_ml"], fresh["volume_ml"]) == (5, 2)
    assert (forged["reason"], bare["reason"]) == ("bad_signature", "bad_signature")


async def test_a_resolved_alert_leaves_its_topic_empty(bar: RunningBar) -> None:
    async with a_tap(bar) as tap, an_operator(bar) as operator:
        await operator.mqtt.subscribe("bar/main/alerts/warning/#", qos=1)
        ghost = await tap.pour()
        assert ghost["status"] == "accepted"

        async def opened() -> list[Json]:
            alerts = (await bar.get("/api/alerts", state="open"))["items"]
            return [one for one in alerts if one["subject"]["id"] == ghost["client_tx_id"]]

        [alert] = await until(opened, bool)
        topic = f"bar/main/alerts/warning/{alert['id']}"
        await until(lambda: said_on(operator, topic), bool)
        await bar.post(f"/api/alerts/{alert['id']}/resolve", comment="a leak")
        said = await until(lambda: said_on(operator, topic), lambda all_: all_[-1] == b"")
        assert said[0] != b""


async def said_on(client: Client, topic: str) -> list[bytes]:
    return [body for heard, body, _ in client.heard if heard == topic]
