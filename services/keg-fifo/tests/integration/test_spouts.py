"""Spouts and stock against the real database: every drink leaves the stock once, oldest first."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from pourline.contracts.cellar import (
    Unit,
)
from pourline.contracts.device import SpoutHealth, SpoutPourResult
from pourline.contracts.spouts import IngestSpoutPour, ListSpoutEvents, SpoutEvent
from pourline.keg_fifo.api import Webhook
from pourline.keg_fifo.handlers import health, keys, spouts
from pourline.kit.errors import Refusal, Rejected, Retryable, Unsettled
from pourline.kit.nats import Message
from pourline.testkit.cellar import SECRET, STAFF, Cellar, open_cellar
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.until import until
from pourline.upkeep import migrations


@pytest.fixture
async def bar(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Cellar]:
    async with open_cellar(fresh_database("keg-fifo"), clock) as cellar:
        yield cellar


def test_the_migrations_make_the_tables(fresh_database: FreshDatabase) -> None:
    migrations.differences("keg-fifo", fresh_database("keg-fifo"))


@pytest.mark.requirement("SP-5", "SP-8")
async def test_a_drink_leaves_the_oldest_batch_first_and_a_repeat_leaves_nothing(
    bar: Cellar,
) -> None:
    item = await bar.item()
    await bar.receive(item, "1000")
    await bar.receive(item, "30", days_ago=1)
    await bar.calibrate(item)

    [first] = await bar.say(bar.signed(80, "one"))
    [again] = await bar.say(bar.signed(80, "one", age_ms=700))

    assert first == {"event_id": "one", "status": "accepted", "volume_ml": 40}
    assert again == {"event_id": "one", "status": "duplicate", "volume_ml": 40}
    assert await bar.remaining(item) == [Decimal(0), Decimal(990)]
    [consumed] = await bar.told("stock.consumed")
    assert (consumed["quantity"], consumed["shortfall"], consumed["unit"]) == (40, 0, "ml")


@pytest.mark.requirement("SP-6")
async def test_what_no_batch_covers_is_short_until_a_receipt_settles_it(bar: Cellar) -> None:
    item = await bar.item(Unit.LTR)
    await bar.receive(item, "0.05")
    await bar.calibrate(item, "1")

    await bar.say(bar.signed(40, "one"), bar.signed(40, "two"), bar.signed(20, "three"))
    assert await bar.remaining(item) == [Decimal(0)]
    short = await bar.rows("SELECT event_id, open_quantity FROM shortfall ORDER BY id")
    assert [(row["event_id"], row["open_quantity"]) for row in short] == [
        ("two", Decimal("0.03")),
        ("three", Decimal("0.02")),
    ]
    await bar.receive(item, "0.04")
    received = await bar.receive(item, "1")

    assert received.remaining == Decimal("0.99")
    assert await bar.remaining(item) == [Decimal(0), Decimal(0), Decimal("0.99")]
    assert [one["quantity"] for one in await bar.told("stock.received")] == [0.05, 0.04, 1]
    assert [one["shortfall"] for one in await bar.told("stock.consumed")] == [0, 0.03, 0.02]


@pytest.mark.requirement("SP-7")
async def test_an_uncalibrated_pour_is_kept_and_booked_by_the_first_calibration(
    bar: Cellar,
) -> None:
    item = await bar.item()
    await bar.receive(item, "100")
    [first, second] = await bar.say(bar.signed(60, "one"), bar.signed(20, "two"))
    [again] = await bar.say(bar.signed(60, "one"))
    assert [first["status"], second["status"], again["status"]] == ["uncalibrated"] * 3

    await bar.calibrate(item)

    assert await bar.remaining(item) == [Decimal(60)]
    [after] = await bar.say(bar.signed(60, "one"))
    assert after == {"event_id": "one", "status": "duplicate", "volume_ml": 30}
    [row] = await bar.rows("SELECT consumed_by FROM item")
    assert row["consumed_by"] == "pour"
    await bar.calibrate(item, "2")
    assert await bar.remaining(item) == [Decimal(60)]


async def test_a_counted_item_cannot_be_calibrated(bar: Cellar) -> None:
    item = await bar.item(Unit.EACH)

    with pytest.raises(Rejected) as refused:
        await bar.calibrate(item)

    assert (refused.value.code, refused.value.status) == ("unit_not_volume", 409)


async def test_an_untracked_item_keeps_its_stock(bar: Cellar) -> None:
    item = await bar.item(tracked=False)
    await bar.receive(item, "100")
    await bar.calibrate(item)

    [answer] = await bar.say(bar.signed(60, "one"))

    assert (answer["status"], answer["volume_ml"]) == ("accepted", 30)
    assert await bar.remaining(item) == [Decimal(100)]
    assert await bar.told("stock.consumed") == []


@pytest.mark.requirement("SP-7")
async def test_each_rejection_has_its_reason_and_is_kept(bar: Cellar) -> None:
    at = "2026-05-01T20:00:00+02:00"
    bodies: list[dict[str, Any] | bytes] = [
        b"no json",
        bar.signed(60),
        bar.signed(60, "two") | {"pulses": 61},
        bar.signed(60, "three", occurred_at=at) | {"signature": None},
        bar.signed(60, "four"),
        bar.signed(61, "four"),
    ]

    answers = await bar.say(*bodies)

    assert [answer["status"] for answer in answers[:4]] == ["rejected"] * 4
    assert [answer["reason"] for answer in answers[1:4]] == [
        "event_id: is required when occurred_at is absent",
        "bad_signature",
        "bad_signature",
    ]
    assert answers[5] == {
        "event_id": "four",
        "status": "rejected",
        "reason": "same_id_other_content",
    }
    kept = await bar.rows("SELECT reason, payload, subject FROM dead_letter ORDER BY id")
    assert [row["reason"] for row in kept[1:]] == [
        answer["reason"] for answer in (*answers[1:4], answers[5])
    ]
    assert bytes(kept[0]["payload"]) == b"no json"


@pytest.mark.requirement("SP-7")
async def test_an_unknown_or_deactivated_device_is_rejected(bar: Cellar) -> None:
    keys = bar.auth_lock.keys[bar.device]
    bar.auth_lock.keys[bar.device] = keys.model_copy(update={"active": False})

    [answer] = await bar.say(bar.signed(60, "one"))
    assert answer["reason"] == "device_inactive"

    stranger = bar.message(bar.signed(60, "two"))
    nobody = Message(**{**vars(stranger), "subject": "bar.main.spout.nobody.pour"})
    await bar.edge([nobody])
    assert bar.broker.said[0][0] == "bar.main.spout.nobody.pour.result"
    assert bar.broker.said[0][1]["reason"] == "unknown_device"


async def test_a_blind_repeat_without_an_id_counts_once(bar: Cellar) -> None:
    item = await bar.item()
    await bar.receive(item, "100")
    await bar.calibrate(item)
    body = bar.signed(60, occurred_at="2026-05-01T20:00:00+02:00")

    first, again = await bar.say(body, body)

    assert (first["status"], again["status"]) == ("accepted", "duplicate")
    assert UUID(first["event_id"]).version == 5
    assert first["event_id"] == again["event_id"]
    assert await bar.remaining(item) == [Decimal(70)]


async def test_keys_are_asked_once_and_again_when_they_do_not_fit(
    bar: Cellar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "AWAY_S", 0.0)
    await bar.say(bar.signed(1, "one"))
    await bar.say(bar.signed(1, "two"))
    assert bar.auth_lock.asked == 1

    await bar.say(*(bar.signed(1, f"forged {number}") | {"pulses": 2} for number in range(5)))
    assert bar.auth_lock.asked == 2

    bar.keyring.forget([bar.device])
    bar.auth_lock.away = True
    with pytest.raises(Retryable):
        await bar.say(bar.signed(1, "three"))
    bar.auth_lock.away = False
    assert (await bar.say(bar.signed(1, "three")))[0]["status"] == "uncalibrated"


async def test_who_signs_well_is_answered_beside_forgeries_while_nobody_tells_the_keys(
    bar: Cellar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key may be another since: what does not fit waits, and keeps nobody else waiting."""
    await bar.say(bar.signed(1, "before"))
    bar.auth_lock.away = True
    asked = bar.auth_lock.asked
    forged = [bar.signed(1, f"forged {number}") | {"pulses": 2} for number in range(5)]

    with pytest.raises(Unsettled) as waits:
        await bar.say(forged[0], bar.signed(1, "well"), *forged[1:], bar.signed(1, "as well"))

    assert waits.value.places == {0, 2, 3, 4, 5}
    assert [told["event_id"] for _, told in bar.broker.said] == ["well", "as well"]
    bar.broker.said.clear()
    assert bar.auth_lock.asked == asked + 1, "one question tells that nobody answers"
    monkeypatch.setattr(keys, "AWAY_S", 0.0)
    bar.keyring.forget([bar.device])
    bar.auth_lock.away = False
    await until(lambda: status_of(bar, forged[0]), "rejected".__eq__)


async def status_of(bar: Cellar, body: dict[str, Any]) -> str:
    try:
        return str((await bar.say(body))[0]["status"])
    except Retryable:
        return "waits"


@pytest.mark.requirement("SP-5", "SP-8")
async def test_many_at_once_take_the_stock_exactly(bar: Cellar) -> None:
    item = await bar.item()
    await bar.calibrate(item, "0.333333")
    other = await bar.item()
    await bar.calibrate(other, "1", channel=1)

    def batch(number: int) -> list[dict[str, Any] | bytes]:
        return [bar.signed(30, f"{number % 6}-{n}", channel=n % 2) for n in range(10)]

    await asyncio.gather(
        *(bar.edge([bar.message(body) for body in batch(number)]) for number in range(12)),
        *(bar.receive(one, "100", days_ago=day) for day in range(4) for one in (item, other)),
    )

    statuses = [payload["status"] for _, payload in bar.broker.said]
    assert statuses.count("accepted") == 60
    assert statuses.count("duplicate") == 60
    [short] = await bar.rows("SELECT coalesce(sum(open_quantity), 0) AS short FROM shortfall")
    left = [sum(await bar.remaining(one)) for one in (item, other)]
    assert left[0] == 400 - 30 * Decimal(10)
    assert left[1] - short["short"] == 400 - 900


@pytest.mark.requirement("SP-4")
async def test_events_are_listed_by_device_and_time_newest_first(bar: Cellar) -> None:
    start = datetime(2026, 5, 1, 20, tzinfo=UTC)
    times = [(start + timedelta(minutes=n)).isoformat() for n in (2, 0, 1)]
    await bar.say(*(bar.signed(10, f"at {at}", occurred_at=at) for at in times))

    async def listed(**query: Any) -> tuple[list[SpoutEvent], str | None]:  # noqa: ANN401 any filter
        order = ListSpoutEvents(device_id=str(bar.device), **query)
        async with bar.database.transaction() as unit:
            page = await spouts.list_events(order, unit, STAFF)
        return page.items, page.next

    page, cursor = await listed(limit=2)
    rest, end = await listed(limit=2, cursor=cursor)
    some, _ = await listed(from_=start + timedelta(minutes=1), to=start + timedelta(minutes=1))

    assert [event.event_id for event in (*page, *rest)] == [
        f"at {times[0]}",
        f"at {times[2]}",
        f"at {times[1]}",
    ]
    assert end is None
    assert [event.event_id for event in some] == [f"at {times[2]}"]


async def test_a_pour_late_from_the_device_keeps_its_time_by_its_age(bar: Cellar) -> None:
    await bar.say(bar.signed(10, "one", age_ms=90_000))

    [row] = await bar.rows("SELECT occurred_at FROM spout_event")
    assert row["occurred_at"] == bar.clock.now() - timedelta(seconds=90)


async def test_health_is_kept_and_an_older_word_does_not_win(bar: Cellar) -> None:
    now = bar.clock.now()
    well = SpoutHealth.model_validate_json(b'{"online": true, "battery_pct": 87}')
    gone = SpoutHealth.model_validate_json(b'{"online": false}')
    async with bar.database.transaction() as unit:
        await health.note(unit, [(bar.device, well, now)])
        await health.note(unit, [(bar.device, gone, now - timedelta(seconds=5))])

    [row] = await bar.rows("SELECT online, battery_pct, last_seen_at FROM spout")
    assert row == {"online": True, "battery_pct": Decimal(87), "last_seen_at": now}


async def ingest(
    bar: Cellar, body: dict[str, Any], *, signature: str | None = None, device: UUID | None = None
) -> SpoutPourResult:
    webhook = Webhook(keyring=bar.keyring, vendors=bar.vendors)
    raw = orjson.dumps(body).decode()
    made = hmac.new(SECRET.encode(), raw.encode(), hashlib.sha256).hexdigest()
    order = IngestSpoutPour(
        device_id=str(device or bar.device), body=raw, signature=signature or made
    )
    await webhook.admit(order, STAFF)
    async with bar.database.transaction() as unit:
        return await webhook.ingest(order, unit, STAFF)


@pytest.mark.requirement("SP-3")
async def test_a_webhook_takes_both_spellings_and_meets_the_same_event_over_mqtt(
    bar: Cellar,
) -> None:
    item = await bar.item()
    await bar.calibrate(item)
    at = "2026-05-01T20:00:00+02:00"

    camel = await ingest(bar, {"deviceId": str(bar.device), "pulses": 60, "occurredAt": at})
    snake = await ingest(bar, {"device_id": str(bar.device), "pulses": 60, "occurred_at": at})
    [mqtt] = await bar.say(bar.signed(60, occurred_at=at))

    assert (camel.status, camel.volume_ml) == ("accepted", Decimal(30))
    assert snake == camel.model_copy(update={"status": snake.status})
    assert (snake.status, mqtt["status"]) == ("duplicate", "duplicate")


@pytest.mark.requirement("SP-3", "SP-7")
async def test_a_webhook_is_refused_with_the_reason(bar: Cellar) -> None:
    body = {"deviceId": str(bar.device), "pulses": 60, "eventId": "one"}
    refused: list[tuple[str, int]] = []

    async def expect(wanted: type[Refusal], **call: Any) -> None:  # noqa: ANN401 any argument
        with pytest.raises(wanted) as caught:
            await ingest(bar, **{"body": body, **call})
        refused.append((caught.value.code, caught.value.status))

    await expect(Rejected, signature="0" * 64)
    await expect(Refusal, body=body | {"eventId": None})
    await expect(Refusal, body=body | {"pulses": "60"})
    keys = bar.auth_lock.keys[bar.device]
    bar.auth_lock.keys[bar.device] = keys.model_copy(update={"active": False})
    bar.keyring.forget([bar.device])
    await expect(Rejected)

    assert refused == [
        ("bad_signature", 401),
        ("malformed", 422),
        ("malformed", 422),
        ("device_inactive", 403),
    ]
