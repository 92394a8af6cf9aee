"""Spouts and stock against the real database: every drink leaves the stock once, oldest first."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from pourline.contracts.base import Command
from pourline.contracts.base import Message as Contract
from pourline.contracts.cellar import (
    Batch,
    Calibrate,
    CreateItem,
    IngestSpoutPour,
    Item,
    ListBatches,
    ListSpoutEvents,
    ReceiveStock,
    SpoutEvent,
    Unit,
)
from pourline.contracts.device import SpoutHealth, SpoutPourResult
from pourline.contracts.taps import SpoutKeys
from pourline.keg_fifo.api import Webhook
from pourline.keg_fifo.devices import PourEdge
from pourline.keg_fifo.handlers import spouts, stock
from pourline.keg_fifo.handlers.keys import Keyring, Signing
from pourline.keg_fifo.handlers.pours import TakeInSpoutPours
from pourline.keg_fifo.invariants import INVARIANTS
from pourline.keg_fifo.store import spouts as spout_store
from pourline.kit import migrations
from pourline.kit.db import Database
from pourline.kit.errors import Refusal, Rejected, Retryable
from pourline.kit.ids import new_id
from pourline.kit.nats import Context, Message
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=4)
SECRET = "ab" * 32


@dataclass
class AuthLock:
    """Answers for auth-lock, and counts how often it was asked."""

    keys: dict[UUID, SpoutKeys] = field(default_factory=dict)
    asked: int = 0
    away: bool = False

    async def ask(self, command: Command, answer: type[Contract], *, actor: str = "") -> Contract:
        del actor, answer
        self.asked += 1
        if self.away:
            raise Retryable("auth-lock is not answering.")
        return self.keys[UUID(command.device_id)]  # type: ignore[attr-defined]


@dataclass
class Broker:
    """Takes answers to devices."""

    said: list[tuple[str, Any]] = field(default_factory=list)

    async def publish(self, subject: str, payload: bytes) -> None:
        self.said.append((subject, orjson.loads(payload)))


@dataclass(kw_only=True)
class Bar:
    """A keg-fifo with one spout, whose words come in as the bus brings them."""

    database: Database
    clock: FakeClock
    auth_lock: AuthLock
    broker: Broker
    keyring: Keyring
    edge: PourEdge
    device: UUID

    async def say(self, *bodies: dict[str, Any] | bytes) -> list[dict[str, Any]]:
        await self.edge([self.message(body) for body in bodies])
        said, self.broker.said = self.broker.said, []
        return [payload for _, payload in said]

    def message(self, body: dict[str, Any] | bytes) -> Message:
        return Message(
            subject=f"bar.main.spout.{self.device}.pour",
            data=body if isinstance(body, bytes) else orjson.dumps(body),
            headers={},
            received_at=self.clock.now(),
            sequence=1,
            deliveries=1,
        )

    def signed(self, pulses: int, event_id: str | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 a payload's field may be anything
        sent_at = more.get("occurred_at") or ""
        channel = more.get("channel", 0)
        text = f"v1:{self.device}:{event_id or ''}:{channel}:{pulses}:{sent_at}"
        signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        body = {"pulses": pulses, "event_id": event_id, "signature": signature}
        return body | more

    async def item(self, unit: Unit = Unit.ML, *, tracked: bool = True) -> Item:
        async with self.database.transaction() as unit_:
            order = CreateItem(name="Gin", unit=unit, tracking_enabled=tracked)
            return await stock.create_item(order, unit_, STAFF)

    async def receive(self, item: Item, quantity: str, *, days_ago: int = 0) -> Batch:
        at = self.clock.now() - timedelta(days=days_ago)
        order = ReceiveStock(item_id=item.id, quantity=Decimal(quantity), received_at=at)
        async with self.database.transaction() as unit:
            return await stock.receive_stock(order, unit, STAFF)

    async def calibrate(self, item: Item, factor: str = "0.5", channel: int = 0) -> None:
        order = Calibrate(
            device_id=str(self.device),
            item_id=item.id,
            ml_per_pulse=Decimal(factor),
            channel=channel,
        )
        async with self.database.transaction() as unit:
            await spouts.calibrate(order, unit, STAFF)

    async def remaining(self, item: Item) -> list[Decimal]:
        async with self.database.transaction() as unit:
            page = await stock.list_batches(ListBatches(item_id=item.id), unit, STAFF)
        return [batch.remaining for batch in page.items]

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        async with self.database.transaction() as unit:
            return await unit.all(sql)

    async def told(self, kind: str) -> list[dict[str, Any]]:
        rows = await self.rows("SELECT subject, payload FROM outbox ORDER BY id")
        return [
            orjson.loads(row["payload"])["data"] for row in rows if row["subject"] == f"evt.{kind}"
        ]


@pytest.fixture
async def bar(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Bar]:
    database = Database(url=fresh_database("keg-fifo"), service="keg-fifo", clock=clock)
    await database.open()
    device = new_id()
    keys = SpoutKeys(
        device_id=str(device), vendor="Berg", location="main", active=True, secrets=[SECRET]
    )
    auth_lock, broker = AuthLock(keys={device: keys}), Broker()
    keyring = Keyring(caller=auth_lock, signing=Signing())  # type: ignore[arg-type]
    take_in = TakeInSpoutPours(database=database)
    bar = Bar(
        database=database,
        clock=clock,
        auth_lock=auth_lock,
        broker=broker,
        keyring=keyring,
        edge=PourEdge(bus=broker, take_in=take_in, keyring=keyring),  # type: ignore[arg-type]
        device=device,
    )
    async with database.transaction() as unit:
        values = {"device_id": device, "name": "Gin spout", "version": 1, "active": True}
        await spout_store.save_spout(unit, values | {"vendor": "Berg", "location": "main"})
    yield bar
    for rule in INVARIANTS:
        if rule.name != "outbox_is_published":
            assert await bar.rows(rule.sql) == [], rule.name
    await database.close()


def test_the_migrations_make_the_tables(fresh_database: FreshDatabase) -> None:
    migrations.differences("keg-fifo", fresh_database("keg-fifo"))


@pytest.mark.requirement("SP-5", "SP-8")
async def test_a_drink_leaves_the_oldest_batch_first_and_a_repeat_leaves_nothing(bar: Bar) -> None:
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
async def test_what_no_batch_covers_is_short_until_a_receipt_settles_it(bar: Bar) -> None:
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
async def test_an_uncalibrated_pour_is_kept_and_booked_by_the_first_calibration(bar: Bar) -> None:
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


async def test_a_counted_item_cannot_be_calibrated(bar: Bar) -> None:
    item = await bar.item(Unit.EACH)

    with pytest.raises(Rejected) as refused:
        await bar.calibrate(item)

    assert (refused.value.code, refused.value.status) == ("unit_not_volume", 409)


async def test_an_untracked_item_keeps_its_stock(bar: Bar) -> None:
    item = await bar.item(tracked=False)
    await bar.receive(item, "100")
    await bar.calibrate(item)

    [answer] = await bar.say(bar.signed(60, "one"))

    assert (answer["status"], answer["volume_ml"]) == ("accepted", 30)
    assert await bar.remaining(item) == [Decimal(100)]
    assert await bar.told("stock.consumed") == []


@pytest.mark.requirement("SP-7")
async def test_each_rejection_has_its_reason_and_is_kept(bar: Bar) -> None:
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
async def test_an_unknown_or_deactivated_device_is_rejected(bar: Bar) -> None:
    keys = bar.auth_lock.keys[bar.device]
    bar.auth_lock.keys[bar.device] = keys.model_copy(update={"active": False})

    [answer] = await bar.say(bar.signed(60, "one"))
    assert answer["reason"] == "device_inactive"

    stranger = bar.message(bar.signed(60, "two"))
    nobody = Message(**{**vars(stranger), "subject": "bar.main.spout.nobody.pour"})
    await bar.edge([nobody])
    assert bar.broker.said[0][0] == "bar.main.spout.nobody.pour.result"
    assert bar.broker.said[0][1]["reason"] == "unknown_device"


async def test_a_blind_repeat_without_an_id_counts_once(bar: Bar) -> None:
    item = await bar.item()
    await bar.receive(item, "100")
    await bar.calibrate(item)
    body = bar.signed(60, occurred_at="2026-05-01T20:00:00+02:00")

    first, again = await bar.say(body, body)

    assert (first["status"], again["status"]) == ("accepted", "duplicate")
    assert UUID(first["event_id"]).version == 5
    assert first["event_id"] == again["event_id"]
    assert await bar.remaining(item) == [Decimal(70)]


async def test_keys_are_asked_once_and_again_when_they_do_not_fit(bar: Bar) -> None:
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


@pytest.mark.requirement("SP-5", "SP-8")
async def test_many_at_once_take_the_stock_exactly(bar: Bar) -> None:
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
async def test_events_are_listed_by_device_and_time_newest_first(bar: Bar) -> None:
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


async def test_a_pour_late_from_the_device_keeps_its_time_by_its_age(bar: Bar) -> None:
    await bar.say(bar.signed(10, "one", age_ms=90_000))

    [row] = await bar.rows("SELECT occurred_at FROM spout_event")
    assert row["occurred_at"] == bar.clock.now() - timedelta(seconds=90)


async def test_health_is_kept_and_an_older_word_does_not_win(bar: Bar) -> None:
    now = bar.clock.now()
    well = SpoutHealth.model_validate_json(b'{"online": true, "battery_pct": 87}')
    gone = SpoutHealth.model_validate_json(b'{"online": false}')
    async with bar.database.transaction() as unit:
        await spouts.note_health(unit, [(bar.device, well, now)])
        await spouts.note_health(unit, [(bar.device, gone, now - timedelta(seconds=5))])

    [row] = await bar.rows("SELECT online, battery_pct, last_seen_at FROM spout")
    assert row == {"online": True, "battery_pct": Decimal(87), "last_seen_at": now}


async def ingest(
    bar: Bar, body: dict[str, Any], *, signature: str | None = None, device: UUID | None = None
) -> SpoutPourResult:
    webhook = Webhook(keyring=bar.keyring)
    raw = orjson.dumps(body).decode()
    made = hmac.new(SECRET.encode(), raw.encode(), hashlib.sha256).hexdigest()
    order = IngestSpoutPour(
        device_id=str(device or bar.device), body=raw, signature=signature or made
    )
    await webhook.admit(order)
    async with bar.database.transaction() as unit:
        return await webhook.ingest(order, unit, STAFF)


@pytest.mark.requirement("SP-3")
async def test_a_webhook_takes_both_spellings_and_meets_the_same_event_over_mqtt(bar: Bar) -> None:
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
async def test_a_webhook_is_refused_with_the_reason(bar: Bar) -> None:
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
