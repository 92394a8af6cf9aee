"""Stock from outside: corrections, counts, snapshot and ledger over HTTP, pours over MQTT."""

import asyncio
import csv
import hashlib
import hmac
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
import httpx
import pytest
from pourline.testkit.bar import Json, RunningBar, refusal
from pourline.testkit.entering import entered
from pourline.testkit.until import until

pytestmark = pytest.mark.xdist_group("bar")

NOBODY = "0199c0de-0000-7000-8000-000000000000"


async def an_item(bar: RunningBar, *, received: float | None = None, **facts: Any) -> str:  # noqa: ANN401 an item's field may be anything
    item = await bar.post("/api/items", **({"name": "Gin", "unit": "ml"} | facts))
    if received:
        await bar.post("/api/stock/receipts", item_id=item["id"], quantity=received)
    return str(item["id"])


async def row_of(bar: RunningBar, item_id: str) -> Json:
    return next(row for row in await rows(bar) if row["item_id"] == item_id)


async def rows(bar: RunningBar) -> list[Json]:
    found: list[Json] = []
    query: dict[str, str] = {"limit": "1000"}
    while True:
        page = await bar.get("/api/inventory", **query)
        found += page["items"]
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


async def entries(bar: RunningBar, item_id: str) -> list[Json]:
    page = await bar.get("/api/inventory/ledger", item_id=item_id)
    return list(page["items"])


async def adjust(bar: RunningBar, item_id: str, delta: float, reason: str = "because") -> Json:
    return await bar.post(f"/api/inventory/{item_id}/adjust", delta=delta, reason=reason)


async def count(bar: RunningBar, item_id: str, counted: float) -> Json:
    return await bar.post(f"/api/inventory/{item_id}/count", counted=counted, reason="monthly")


@dataclass(kw_only=True)
class Spout:
    """A connected spout, signing what it says."""

    device_id: str
    secret: str
    mqtt: aiomqtt.Client

    async def pour(self, pulses: int, event_id: str) -> Json:
        text = f"v1:{self.device_id}:{event_id}:0:{pulses}:"
        signature = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        body = {"pulses": pulses, "event_id": event_id, "signature": signature}
        topic = f"bar/main/spout/{self.device_id}/pour"
        await self.mqtt.publish(topic, json.dumps(body), qos=1)
        message = await anext(aiter(self.mqtt.messages))
        answer: Json = json.loads(bytes(message.payload))
        return answer


@asynccontextmanager
async def a_spout(bar: RunningBar, item_id: str, ml_per_pulse: float = 1) -> AsyncIterator[Spout]:
    device = await bar.post("/hardware/spout/devices", name="S", vendor="Berg")
    await bar.post(
        "/hardware/spout/calibrate",
        deviceId=device["id"],
        inventoryItemId=item_id,
        mlPerPulse=ml_per_pulse,
    )
    address = urlsplit(bar.mqtt_url)
    name = f"spout-{device['id']}"
    new_client = partial(
        aiomqtt.Client,
        address.hostname or "",
        address.port or 0,
        username=name,
        password=device["secret"],
        identifier=name,
    )
    async with entered(new_client) as mqtt:
        await mqtt.subscribe(f"bar/main/spout/{device['id']}/pour/result")
        yield Spout(device_id=device["id"], secret=device["secret"], mqtt=mqtt)


@pytest.mark.requirement("LE-2", "LE-3", "LE-4")
async def test_every_movement_is_in_the_ledger_with_its_source_and_the_snapshot_is_their_sum(
    bar: RunningBar,
) -> None:
    item_id = await an_item(bar, received=1000)
    added = await adjust(bar, item_id, 0.5, "found behind the bar")
    await adjust(bar, item_id, -200.25, "a broken bottle")
    await count(bar, item_id, 790)

    row, lines = await row_of(bar, item_id), await entries(bar, item_id)

    assert row | {"last_activity_at": None, "version": 0} == {
        "item_id": item_id,
        "name": "Gin",
        "unit": "ml",
        "current_stock": 790,
        "low_stock": False,
        "negative": False,
        "tracking_enabled": True,
        "last_activity_at": None,
        "low_stock_threshold": None,
        "version": 0,
    }
    assert [(line["source"], line["delta"], line["reason"]) for line in lines] == [
        ("reconciliation", -10.25, "monthly"),
        ("manual_adjustment", -200.25, "a broken bottle"),
        ("manual_adjustment", 0.5, "found behind the bar"),
        ("receipt", 1000, None),
    ]
    assert {line["actor"] for line in lines} == {"tests"}
    assert len({line["transaction_id"] for line in lines}) == 4
    assert added["id"] == lines[2]["id"]
    assert added["current_stock"] == 1000.5
    assert row["last_activity_at"] == lines[0]["at"]


@pytest.mark.requirement("LE-2", "SP-8")
async def test_a_spout_pour_is_in_snapshot_and_ledger_after_its_answer(bar: RunningBar) -> None:
    item_id = await an_item(bar, received=1, unit="ltr")
    async with a_spout(bar, item_id) as spout:
        answer = await spout.pour(40, "e1")
        assert answer == {"event_id": "e1", "status": "accepted", "volume_ml": 40}

        async def stock() -> float:
            return float((await row_of(bar, item_id))["current_stock"])

        await until(stock, lambda seen: seen == 0.96)
        again = await spout.pour(40, "e1")

    assert again["status"] == "duplicate"
    [pour, _] = await entries(bar, item_id)
    assert (pour["source"], pour["delta"]) == ("pour", -0.04)
    assert pour["transaction_id"] == f"{spout.device_id}:e1"


@pytest.mark.requirement("SP-3", "LE-4")
async def test_a_webhooks_pour_is_in_the_snapshot_once_it_is_answered(bar: RunningBar) -> None:
    item_id = await an_item(bar, received=100)
    async with a_spout(bar, item_id) as spout:
        body = json.dumps({"deviceId": spout.device_id, "pulses": 30, "eventId": "web"}).encode()
        signature = hmac.new(spout.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Spout-Signature": signature}
        path = "/hardware/spout/ingest"
        first = await bar.ask("POST", path, content=body, headers=headers)
        stock = (await row_of(bar, item_id))["current_stock"]
        again = await bar.ask("POST", path, content=body, headers=headers)

    assert (first.status_code, first.json()["status"]) == (202, "accepted")
    assert (again.status_code, again.json()["status"]) == (202, "duplicate")
    assert stock == (await row_of(bar, item_id))["current_stock"] == 70


@pytest.mark.requirement("SP-6", "LE-4")
async def test_stock_below_zero_is_shown_on_record_and_an_alert_until_it_is_back(
    bar: RunningBar,
) -> None:
    item_id = await an_item(bar, received=10)
    await adjust(bar, item_id, -25)
    below = await row_of(bar, item_id)
    batches = (await bar.get("/api/stock/batches", item_id=item_id))["items"]
    [alert] = await until(lambda: alerts(bar, item_id, "negative_stock"), bool)

    await bar.post("/api/stock/receipts", item_id=item_id, quantity=10)
    still = await row_of(bar, item_id)
    await adjust(bar, item_id, 5)
    back = await row_of(bar, item_id)

    assert (below["current_stock"], below["negative"]) == (-15, True)
    assert [batch["remaining"] for batch in batches] == [0]
    assert (still["current_stock"], still["negative"]) == (-5, True)
    assert (back["current_stock"], back["negative"]) == (0, False)
    assert alert["severity"] == "warning"
    await until(lambda: alerts(bar, item_id, "negative_stock"), lambda standing: not standing)
    said = await until(lambda: audited(bar, item_id), lambda said: len(said) == 3)
    assert sorted(said) == ["NEGATIVE_STOCK", "stock_adjusted", "stock_adjusted"]


async def alerts(bar: RunningBar, item_id: str, kind: str, state: str = "open") -> list[Json]:
    found = (await bar.get("/api/alerts", state=state, limit="1000"))["items"]
    return [one for one in found if (one["subject"]["id"], one["kind"]) == (item_id, kind)]


async def audited(bar: RunningBar, item_id: str) -> list[str]:
    page = await bar.get("/api/audit", subject=f"item:{item_id}")
    actions = [entry["action"] for entry in page["items"]]
    return [one for one in actions if one not in ("item_created", "stock_received")]


@pytest.mark.requirement("AL-2")
async def test_low_stock_is_told_once_a_breach_until_it_is_restocked(bar: RunningBar) -> None:
    item_id = await an_item(bar, received=100, low_stock_threshold=50)
    assert not (await row_of(bar, item_id))["low_stock"]
    await adjust(bar, item_id, -50)
    assert (await row_of(bar, item_id))["low_stock"]
    [first] = await until(lambda: alerts(bar, item_id, "low_stock"), bool)
    await bar.post(f"/api/alerts/{first['id']}/resolve", comment="ordered")
    await adjust(bar, item_id, -1)
    await adjust(bar, item_id, 100)
    await adjust(bar, item_id, -100)
    [second] = await until(lambda: alerts(bar, item_id, "low_stock"), bool)

    assert second["id"] != first["id"]
    assert len(await alerts(bar, item_id, "low_stock", "resolved")) == 1


@pytest.mark.requirement("SP-12")
async def test_a_count_says_how_far_it_was_off_and_what_moved_since_the_last(
    bar: RunningBar,
) -> None:
    item_id = await an_item(bar, received=100)
    first = await count(bar, item_id, 90)
    await bar.post("/api/stock/receipts", item_id=item_id, quantity=20)
    await adjust(bar, item_id, -5)
    same = await count(bar, item_id, 105)

    assert (first["counted"], first["expected"], first["discrepancy"]) == (90, 100, -10)
    assert (first["entry"]["source"], first["entry"]["delta"]) == ("reconciliation", -10)
    assert first["since_last_count"]["counted_at"] is None
    assert (same["discrepancy"], same["delta"], same["entry"]) == (0, 0, None)
    assert same["since_last_count"] | {"counted_at": None} == {
        "counted_at": None,
        "received": 20,
        "poured": 0,
        "sold": 0,
        "adjusted": -5,
    }
    assert same["since_last_count"]["counted_at"] is not None
    assert [line["source"] for line in await entries(bar, item_id)] == [
        "manual_adjustment",
        "receipt",
        "reconciliation",
        "receipt",
    ]


@pytest.mark.requirement("LE-5")
async def test_pours_of_an_untracked_item_are_kept_and_move_nothing_but_people_do(
    bar: RunningBar,
) -> None:
    item_id = await an_item(bar, received=100)
    changed = await bar.post(f"/api/items/{item_id}", tracking_enabled=False, name="Old gin")
    async with a_spout(bar, item_id) as spout:
        off = await spout.pour(10, "off")
        await adjust(bar, item_id, -1)
        row = await row_of(bar, item_id)
        await bar.post(f"/api/items/{item_id}", tracking_enabled=True)
        await spout.pour(20, "on")

        async def stock() -> float:
            return float((await row_of(bar, item_id))["current_stock"])

        await until(stock, lambda seen: seen == 79)

    assert off == {"event_id": "off", "status": "accepted", "volume_ml": 10}
    assert (row["tracking_enabled"], row["current_stock"], row["name"]) == (False, 99, "Old gin")
    assert (changed["name"], changed["tracking_enabled"]) == ("Old gin", False)
    events = await bar.get("/hardware/spout/events", deviceId=spout.device_id)
    assert [one["volume_ml"] for one in events["items"]] == [20, 10]
    assert [one["source"] for one in await entries(bar, item_id)] == [
        "pour",
        "manual_adjustment",
        "receipt",
    ]


@pytest.mark.requirement("LE-5", "AL-6")
async def test_the_switch_for_all_items_stops_pours_at_once_and_no_data_is_lost(
    bar: RunningBar,
) -> None:
    item_id = await an_item(bar, received=100)
    path = "/api/config/inventory_tracking_enabled"
    async with a_spout(bar, item_id) as spout:
        await bar.ask("PUT", path, json={"value": False})
        try:
            await spout.pour(10, "off")
            await bar.post("/api/stock/receipts", item_id=item_id, quantity=1)
            off = await row_of(bar, item_id)
        finally:
            await bar.ask("PUT", path, json={"value": True})
    on = await row_of(bar, item_id)

    assert (off["tracking_enabled"], off["current_stock"]) == (False, 101)
    assert (on["tracking_enabled"], on["current_stock"]) == (True, 101)


BAD_DELTAS = ("0", "0.0000001", '"5"', "true", "null", "[]", "1000000001", "-1e30", "1e999")


@pytest.mark.parametrize("delta", BAD_DELTAS)
async def test_a_correction_moves_something_and_not_the_world(bar: RunningBar, delta: str) -> None:
    item_id = await an_item(bar)
    body = f'{{"delta":{delta},"reason":"x"}}'
    answer = await bar.ask("POST", f"/api/inventory/{item_id}/adjust", content=body)

    assert refusal(answer) == (422, "malformed")


@pytest.mark.parametrize("body", [{"delta": 1}, {"delta": 1, "reason": " "}, {"reason": "x"}, {}])
async def test_a_correction_has_a_reason(bar: RunningBar, body: Json) -> None:
    item_id = await an_item(bar)

    answer = await bar.ask("POST", f"/api/inventory/{item_id}/adjust", json=body)
    unknown = await bar.ask("POST", f"/api/inventory/{NOBODY}/adjust", json=body)

    assert refusal(answer) == (422, "malformed")
    assert refusal(unknown) == (404, "not_found")


@pytest.mark.parametrize("counted", ["-1", "-0.000001", '"5"', "null", "1e999", "1000000001"])
async def test_a_count_is_a_quantity(bar: RunningBar, counted: str) -> None:
    item_id = await an_item(bar)
    body = f'{{"counted":{counted},"reason":"x"}}'
    answer = await bar.ask("POST", f"/api/inventory/{item_id}/count", content=body)

    assert refusal(answer) == (422, "malformed")


async def test_what_is_unknown_is_not_found(bar: RunningBar) -> None:
    for path, body in (
        (f"/api/inventory/{NOBODY}/count", {"counted": 1, "reason": "x"}),
        (f"/api/inventory/{NOBODY}/adjust", {"delta": 1, "reason": "x"}),
        ("/api/inventory/no-id/adjust", {"delta": 1, "reason": "x"}),
        (f"/api/items/{NOBODY}", {"name": "x"}),
    ):
        assert refusal(await bar.ask("POST", path, json=body)) == (404, "not_found"), path
    for query in ({"item_id": NOBODY}, {"item_id": "no id"}, {"item_id": NOBODY, "limit": "x"}):
        answer = await bar.ask("GET", "/api/inventory/ledger", params=query)
        assert refusal(answer) == (404, "not_found"), query


async def test_a_repeat_under_its_key_moves_nothing(bar: RunningBar) -> None:
    item_id = await an_item(bar, received=10)
    asked = {"json": {"delta": -3, "reason": "x"}, "headers": {"Idempotency-Key": f"k {item_id}"}}

    first = await bar.ask("POST", f"/api/inventory/{item_id}/adjust", **asked)
    again = await bar.ask("POST", f"/api/inventory/{item_id}/adjust", **asked)

    assert first.json() == again.json()
    assert (await row_of(bar, item_id))["current_stock"] == 7


async def test_fifty_corrections_at_once_are_all_booked(bar: RunningBar) -> None:
    item_id = await an_item(bar, received=10)
    await asyncio.gather(*(adjust(bar, item_id, -1 if n % 2 else 0.5) for n in range(50)))

    assert (await row_of(bar, item_id))["current_stock"] == -2.5
    assert len(await entries(bar, item_id)) == 51


@pytest.mark.requirement("LE-6")
async def test_the_ledger_is_walked_by_cursor_and_comes_as_csv(bar: RunningBar) -> None:
    item_id = await an_item(bar, name="=HYPERLINK(1)")
    for number in range(1, 6):
        await adjust(bar, item_id, -number, f"@reason {number}")

    walked = await bar.walk("/api/inventory/ledger", item_id=item_id)
    query = {"format": "csv", "item_id": item_id}
    sheet = await bar.ask("GET", "/api/inventory/ledger", params=query)
    snapshot = await bar.ask("GET", "/api/inventory", params={"format": "csv", "limit": "1000"})

    assert [line["delta"] for line in walked] == [-5, -4, -3, -2, -1]
    assert sheet.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(sheet.text)))
    assert [float(line["delta"]) for line in lines] == [-5, -4, -3, -2, -1]
    assert lines[0]["reason"] == "'@reason 5"
    [shown] = [
        row for row in csv.DictReader(io.StringIO(snapshot.text)) if row["item_id"] == item_id
    ]
    assert (shown["name"], float(shown["current_stock"])) == ("'=HYPERLINK(1)", -15)


async def test_a_sheet_has_every_row_and_with_a_limit_so_many(bar: RunningBar) -> None:
    item_id = await an_item(bar)
    await asyncio.gather(*(adjust(bar, item_id, 1) for _ in range(105)))
    query = {"format": "csv", "item_id": item_id}

    whole = await bar.ask("GET", "/api/inventory/ledger", params=query)
    begun = await bar.ask("GET", "/api/inventory/ledger", params=query | {"limit": "3"})

    assert len((await bar.get("/api/inventory/ledger", item_id=item_id))["items"]) == 100
    assert len(list(csv.DictReader(io.StringIO(whole.text)))) == 105
    assert len(list(csv.DictReader(io.StringIO(begun.text)))) == 3


async def test_quantities_are_exact_to_six_decimals(bar: RunningBar) -> None:
    item_id = await an_item(bar, unit="ltr")
    for delta in ("0.1", "0.2", "999999999.999999", "-1000000000", "0.0000015"):
        body = f'{{"delta":{delta},"reason":"x"}}'
        answer = await bar.ask("POST", f"/api/inventory/{item_id}/adjust", content=body)
        assert answer.status_code == 200

    row = await bar.ask("GET", "/api/inventory/ledger", params={"item_id": item_id})
    assert (await row_of(bar, item_id))["current_stock"] == 0.300001
    assert row.json()["items"][0]["delta"] == 0.000002


async def test_an_items_facts_are_changed_by_managers(bar: RunningBar) -> None:
    item_id = await an_item(bar, received=10, low_stock_threshold=5)
    path = f"/api/items/{item_id}"

    changed = await bar.post(path, low_stock_threshold=20)
    same = await bar.post(path)

    assert (changed["low_stock_threshold"], same) == (20, changed)
    row = await row_of(bar, item_id)
    assert (row["low_stock"], row["low_stock_threshold"]) == (True, 20)
    for bad in ({"name": ""}, {"low_stock_threshold": -1}, {"tracking_enabled": "yes"}):
        assert refusal(await bar.ask("POST", path, json=bad)) == (422, "malformed"), bad
    assert datetime.fromisoformat(row["last_activity_at"]) <= datetime.now(UTC)


class Watcher:
    """A client of the stream of events, and what it was sent."""

    def __init__(self, response: httpx.Response) -> None:
        self.headers = response.headers
        self.status = response.status_code
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, str, Json]:
        """Return id, kind and data of the next event."""
        found: dict[str, str] = {}
        async with asyncio.timeout(30):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                found[name] = value
                if not line and "event" in found:
                    return found["id"], found["event"], json.loads(found["data"])
                if not line:
                    found = {}
        raise AssertionError("the stream ended")

    async def next_of(self, item_id: str) -> tuple[str, str, Json]:
        while True:
            event = await self.next()
            if event[2].get("item_id") == item_id:
                return event


@asynccontextmanager
async def watching(
    bar: RunningBar, *, token: str | None = None, last: str | None = None
) -> AsyncIterator[Watcher]:
    headers = {"Authorization": f"Bearer {token or await bar.token(level=1)}"}
    if last:
        headers["Last-Event-ID"] = last
    async with (
        httpx.AsyncClient(base_url=bar.base_url, timeout=30) as web,
        web.stream("GET", "/api/inventory/events", headers=headers) as response,
    ):
        yield Watcher(response)


@pytest.mark.requirement("RT-1")
async def test_a_watcher_gets_a_snapshot_and_then_every_change(bar: RunningBar) -> None:
    item_id = await an_item(bar, received=100, low_stock_threshold=50)
    async with watching(bar) as watcher:
        _, kind, data = await watcher.next()
        await adjust(bar, item_id, -10)
        updated = await watcher.next_of(item_id)
        await adjust(bar, item_id, -50)
        low = [await watcher.next_of(item_id) for _ in range(2)]
        await bar.post(f"/api/items/{item_id}", tracking_enabled=False)
        toggled = await watcher.next_of(item_id)

    assert watcher.status == 200
    assert watcher.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "no-cache" in watcher.headers["cache-control"]
    assert kind == "snapshot"
    [row] = [one for one in data["items"] if one["item_id"] == item_id]
    assert row["current_stock"] == 100
    assert (updated[1], updated[2]["current_stock"]) == ("stock-updated", 90)
    assert [one[1] for one in low] == ["stock-updated", "threshold-breach"]
    assert low[1][2]["low_stock"]
    assert (toggled[1], toggled[2]["tracking_enabled"]) == ("tracking-toggled", False)


@pytest.mark.long
@pytest.mark.requirement("RT-1")
async def test_a_watcher_that_comes_back_goes_on_where_it_was(bar: RunningBar) -> None:
    item_id = await an_item(bar, received=100)
    async with watching(bar) as watcher:
        await watcher.next()
        await adjust(bar, item_id, -1)
        last, _, _ = await watcher.next_of(item_id)
    await adjust(bar, item_id, -2)
    await adjust(bar, item_id, -3)

    async with watching(bar, last=last) as watcher:
        missed = [(await watcher.next_of(item_id))[2]["current_stock"] for _ in range(2)]
    async with watching(bar, last="another-5") as watcher:
        _, kind, _ = await watcher.next()

    assert missed == [97, 94]
    assert kind == "snapshot"


@pytest.mark.long  # takes ten seconds and more
@pytest.mark.requirement("RT-1")
async def test_two_hundred_watch_at_once_beside_one_that_never_reads(bar: RunningBar) -> None:
    item_id = await an_item(bar, received=100)
    token = await bar.token(level=1)
    address = urlsplit(bar.base_url)
    _, deaf = await asyncio.open_connection(address.hostname, address.port)
    deaf.write(
        b"GET /api/inventory/events HTTP/1.1\r\nHost: bar\r\n"
        + f"Authorization: Bearer {token}\r\n\r\n".encode()
    )
    async with AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(watching(bar, token=token)) for _ in range(200)]
        await asyncio.gather(*(watcher.next() for watcher in watchers))
        await adjust(bar, item_id, -7)
        seen = await asyncio.gather(*(watcher.next_of(item_id) for watcher in watchers))
    deaf.close()

    assert {data["current_stock"] for _, _, data in seen} == {93}


@pytest.mark.long
async def test_a_watcher_is_refused_without_a_token_and_sent_away_when_it_ends(
    bar: RunningBar,
) -> None:
    nobody = await bar.ask("GET", "/api/inventory/events", headers={"Authorization": ""})
    assert refusal(nobody) == (401, "unauthorized")
    token = await bar.token(level=1)
    async with watching(bar, token=token) as watcher:
        await watcher.next()
        headers = {"Authorization": f"Bearer {token}"}
        assert (await bar.ask("POST", "/api/auth/logout", headers=headers)).is_success
        with pytest.raises(AssertionError, match="the stream ended"):
            await watcher.next_of(NOBODY)


@pytest.mark.long  # takes ten seconds and more
@pytest.mark.requirement("RT-1")
async def test_a_stopping_bar_ends_its_streams_cleanly(tmp_path: Path) -> None:
    own = RunningBar(tmp_path / "bar")
    try:
        await own.start()
        async with watching(own) as watcher:
            await watcher.next()
            stopping = asyncio.create_task(own.stop())
            with pytest.raises(AssertionError, match="the stream ended"):
                await watcher.next()
            assert await stopping == 0
    finally:
        await own.stop()
