"""The POS queue against the real database: everything queued once, sent once, never lost."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import orjson
import pytest
from nats.aio.client import Client
from pourline.contracts.base import Command, Envelope, Event, Listing
from pourline.contracts.books import GuestCorrected
from pourline.contracts.device import PourStatus
from pourline.contracts.evening import ListPosEvents, MarkPosEventSent, PosEvent, RetryPosEvent
from pourline.contracts.money import GuestRefunded, GuestToppedUp, PourAccepted
from pourline.contracts.taps import ConfigChanged
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.ids import new_id
from pourline.kit.nats import Caller, Context
from pourline.local.servers import NatsServer
from pourline.pos_adapter.app import build
from pourline.pos_adapter.domain.notifications import TRIES_MAX, Notification
from pourline.pos_adapter.errors import (
    AlreadySent,
    PosAway,
    PosEventUnknown,
    PosRefused,
    StatusUnknown,
)
from pourline.pos_adapter.handlers import config
from pourline.pos_adapter.handlers import queue as handlers
from pourline.pos_adapter.invariants import INVARIANTS
from pourline.pos_adapter.jobs import Adapter, Sender, adapters
from pourline.pos_adapter.settings import Settings
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.services import running
from pourline.testkit.until import until
from pourline.upkeep import migrations

STAFF = Context(actor="anna", level=2)
Told = TypeVar("Told", bound=Event)
Paid = TypeVar("Paid", bound=GuestToppedUp)
Ask = TypeVar("Ask", bound=Command)
AT = datetime.fromisoformat("2026-05-01T18:00:00Z")


def told(event: Told, version: int = 1) -> Envelope[Told]:
    return Envelope(
        id=str(new_id()),
        type=f"{event.TYPE}.v1",
        source=event.PRODUCER,
        subject="x",
        time=AT,
        aggregate="x",
        version=version,
        data=event,
    )


def pour(client_tx_id: str, *, amount: int = 350, guest: str | None = None) -> PourAccepted:
    return PourAccepted(
        client_tx_id=client_tx_id,
        guest_id=guest,
        tap_id="1",
        location="main",
        volume_ml=Decimal(500),
        amount=amount,
        status=PourStatus.ACCEPTED,
        started_at=AT,
        ended_at=AT,
        received_at=AT,
        accepted_at=AT,
    )


def paid(model: type[Paid], transaction_id: str) -> Paid:
    return model(
        transaction_id=transaction_id,
        guest_id="g",
        amount=2000,
        balance=2000,
        method="cash",
        actor="anna",
        at=AT,
    )


@dataclass
class Till:
    """A point of sale that remembers, and is away when told so."""

    taken: list[str] = field(default_factory=list)
    away: bool = False
    refused: set[str] = field(default_factory=set)
    is_at_once: bool = False

    async def notify(self, notification: Notification, *, event_id: str) -> None:
        del event_id
        if self.away:
            raise PosAway("The till is off.")
        if notification.reference in self.refused:
            raise PosRefused("HTTP 400")
        self.taken.append(f"{notification.kind.value} {notification.reference}")
        await asyncio.sleep(0)


@dataclass(kw_only=True)
class Shop:
    """A pos-adapter's database with a till behind it."""

    database: Database
    clock: FakeClock
    till: Till

    def sender(self, ways: Mapping[str, Adapter] | None = None) -> Sender:
        return Sender(database=self.database, adapters=ways or {"log": self.till}, clock=self.clock)

    async def take(
        self,
        handle: Callable[[Sequence[Envelope[Told]], UnitOfWork], Awaitable[None]],
        *events: Told,
        version: int = 1,
    ) -> None:
        async with self.database.transaction() as unit:
            await handle([told(event, version) for event in events], unit)

    async def configure(self, key: str, value: object, version: int = 1) -> None:
        change = ConfigChanged(key=key, value=value)
        await self.take(config.know_config, change, version=version)

    async def events(self, status: str | None = None) -> list[PosEvent]:
        async with self.database.transaction() as unit:
            page = await handlers.list_events(ListPosEvents(status=status), unit, STAFF)
        return page.items

    async def order(
        self, handle: Callable[[Ask, UnitOfWork, Context], Awaitable[PosEvent]], order: Ask
    ) -> PosEvent:
        async with self.database.transaction() as unit:
            return await handle(order, unit, STAFF)

    async def announced(self) -> list[str]:
        """Return the ids of the notifications that were told as sent."""
        rows = await self.told("pos.batch_sent") + await self.told("pos.sent")
        return [one for row in rows for one in row.get("event_ids", [row.get("event_id")])]

    async def told(self, kind: str) -> list[dict[str, Any]]:
        async with self.database.transaction() as unit:
            rows = await unit.all(
                "SELECT payload FROM outbox WHERE subject = %s ORDER BY id", (f"evt.{kind}",)
            )
        return [orjson.loads(row["payload"])["data"] for row in rows]


@pytest.fixture
async def shop(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Shop]:
    database = Database(url=fresh_database("pos-adapter"), service="pos-adapter", clock=clock)
    await database.open()
    yield Shop(database=database, clock=clock, till=Till())
    async with database.transaction() as unit:
        for rule in INVARIANTS:
            if rule.name != "outbox_is_published":
                assert await unit.all(rule.sql) == [], rule.name
    await database.close()


def test_the_migrations_make_the_tables(fresh_database: FreshDatabase) -> None:
    migrations.differences("pos-adapter", fresh_database("pos-adapter"))


@pytest.mark.parametrize("status", ["nonsense", "", "QUEUED"])
async def test_a_status_that_no_notification_has_is_refused(shop: Shop, status: str) -> None:
    with pytest.raises(StatusUnknown) as refused:
        await shop.events(status)

    assert (refused.value.status, refused.value.code) == (422, "malformed")
    assert [await shop.events(known) for known in ("queued", "sent", "failed")] == [[], [], []]


@pytest.mark.requirement("PO-1")
async def test_pours_topups_and_refunds_are_queued_once_and_sent_in_order(shop: Shop) -> None:
    await shop.take(handlers.queue_pours, pour("one"), pour("free", amount=0), pour("one"))
    await shop.take(handlers.queue_topups, paid(GuestToppedUp, "top"))
    await shop.take(handlers.queue_refunds, paid(GuestRefunded, "back"))
    await shop.take(handlers.queue_pours, pour("one"))
    assert [event.status for event in await shop.events()] == ["queued"] * 3

    await shop.sender().send()

    assert shop.till.taken == ["notify_pour one", "notify_topup top", "notify_refund back"]
    newest, *_, oldest = await shop.events("sent")
    assert (newest.kind, oldest.kind) == ("notify_refund", "notify_pour")
    assert oldest.payload["amount"] == 350
    assert (oldest.adapter, oldest.attempts, oldest.sent_at) == ("log", 1, shop.clock.now())
    assert await shop.announced() == [event.id for event in reversed(await shop.events())]
    assert await shop.events("queued") == []


@pytest.mark.requirement("PO-1")
async def test_several_senders_send_each_notification_once(shop: Shop) -> None:
    await shop.take(handlers.queue_pours, *(pour(f"pour {number:03}") for number in range(250)))

    async def send() -> None:
        sender = shop.sender()
        while await sender.send():
            pass

    await asyncio.gather(*(send() for _ in range(4)))
    await send()

    assert sorted(shop.till.taken) == [f"notify_pour pour {number:03}" for number in range(250)]
    assert len(set(await shop.announced())) == len(await shop.announced()) == 250


@pytest.mark.requirement("PO-1", "PO-2")
async def test_a_till_that_is_off_for_two_hours_costs_nothing_but_waiting(shop: Shop) -> None:
    shop.till.away = True
    await shop.take(handlers.queue_pours, pour("one"), pour("two"))
    sender = shop.sender()
    for _ in range(120):
        await sender.send()
        shop.clock.advance(minutes=1)

    two, one = await shop.events("queued")
    assert (one.attempts, two.attempts) == (0, 0)
    assert one.error == "The till is off."
    [failing] = await shop.told("pos.failing")
    assert (failing["waiting"], failing["error"]) == (2, "The till is off.")
    assert await shop.told("pos.recovered") == []
    shop.till.away = False
    await sender.send()

    assert shop.till.taken == ["notify_pour one", "notify_pour two"]
    [recovered] = await shop.told("pos.recovered")
    assert recovered["since"] == failing["since"]


async def test_a_till_that_is_off_for_a_moment_is_nobodys_concern(shop: Shop) -> None:
    shop.till.away = True
    await shop.take(handlers.queue_pours, pour("one"))
    sender = shop.sender()
    for _ in range(3):
        await sender.send()
        shop.clock.advance(seconds=10)
    shop.till.away = False
    await sender.send()

    assert shop.till.taken == ["notify_pour one"]
    assert await shop.told("pos.failing") == await shop.told("pos.recovered") == []


@pytest.mark.requirement("PO-1")
async def test_what_the_till_refuses_waits_longer_each_time_until_a_person_must_look(
    shop: Shop,
) -> None:
    shop.till.refused = {"one"}
    await shop.take(handlers.queue_pours, pour("one"), pour("two"))
    sender = shop.sender()

    await sender.send()
    await sender.send()
    assert shop.till.taken == ["notify_pour two"]
    [event] = await shop.events("queued")
    assert (event.attempts, event.error) == (1, "HTTP 400")
    for _ in range(TRIES_MAX - 1):
        shop.clock.advance(hours=1)
        await sender.send()

    [event] = await shop.events("failed")
    assert event.attempts == TRIES_MAX
    [told_] = await shop.told("pos.failed")
    assert (told_["event_id"], told_["reference"]) == (event.id, "one")


@pytest.mark.requirement("PO-1")
async def test_a_failed_notification_is_told_again_when_a_person_says_so(shop: Shop) -> None:
    shop.till.refused = {"one"}
    await shop.take(handlers.queue_pours, pour("one"))
    for _ in range(TRIES_MAX):
        await shop.sender().send()
        shop.clock.advance(hours=1)
    [failed] = await shop.events("failed")
    shop.till.refused = set()

    again = await shop.order(handlers.retry, RetryPosEvent(event_id=failed.id))
    await shop.sender().send()

    assert (again.status, again.attempts) == ("queued", 0)
    assert shop.till.taken == ["notify_pour one"]
    with pytest.raises(AlreadySent):
        await shop.order(handlers.retry, RetryPosEvent(event_id=failed.id))


@pytest.mark.requirement("PO-1")
async def test_a_guests_notifications_never_overtake_each_other(shop: Shop) -> None:
    shop.till.refused = {"first"}
    await shop.take(
        handlers.queue_pours,
        pour("first", guest="ana"),
        pour("second", guest="ana"),
        pour("other", guest="ben"),
    )
    sender = shop.sender()
    await sender.send()
    await sender.send()
    assert shop.till.taken == ["notify_pour other"]

    shop.till.refused = set()
    shop.clock.advance(seconds=5)
    await sender.send()

    assert shop.till.taken == ["notify_pour other", "notify_pour first", "notify_pour second"]


@pytest.mark.requirement("PO-1")
async def test_a_correction_is_money_back_or_taken_for_the_till(shop: Shop) -> None:
    fields = {"guest_id": "ana", "balance": 0, "actor": "anna", "reason": "foam", "at": AT}
    back = GuestCorrected(transaction_id="foam", amount=350, client_tx_id="one", **fields)
    taken = GuestCorrected(transaction_id="slip", amount=-350, **fields)
    await shop.take(handlers.queue_corrections, back, taken)

    slip, foam = await shop.events()

    assert (foam.kind, foam.payload["amount"], foam.payload["client_tx_id"]) == (
        "notify_refund",
        350,
        "one",
    )
    assert (slip.kind, slip.payload["amount"], slip.payload["correction"]) == (
        "notify_topup",
        350,
        True,
    )


@pytest.mark.requirement("PO-1")
async def test_adapters_that_neither_wait_nor_fail_are_done_in_one_transaction(shop: Shop) -> None:
    shop.till.is_at_once = True
    await shop.take(handlers.queue_pours, *(pour(f"pour {number}") for number in range(5)))

    await shop.sender().send()

    assert shop.till.taken == [f"notify_pour pour {number}" for number in range(5)]
    assert {(one.status, one.attempts) for one in await shop.events()} == {("sent", 1)}
    assert len(await shop.told("pos.batch_sent")) == 1


@pytest.mark.requirement("PO-1", "PO-2")
async def test_staff_work_off_the_manual_queue_and_a_switch_loses_nothing(shop: Shop) -> None:
    await shop.configure("pos_adapter", "manual")
    await shop.take(handlers.queue_pours, pour("one"), pour("two"))
    await shop.sender().send()
    two, one = await shop.events("queued")

    sent = await shop.order(handlers.mark_sent_by_hand, MarkPosEventSent(event_id=one.id))
    again = await shop.order(handlers.mark_sent_by_hand, MarkPosEventSent(event_id=one.id))
    await shop.configure("pos_adapter", "log", version=2)
    await shop.sender().send()

    assert (sent.status, again) == ("sent", sent)
    assert shop.till.taken == [f"notify_pour {two.reference}"]
    assert sorted(await shop.announced()) == sorted([one.id, two.id])
    with pytest.raises(PosEventUnknown):
        await shop.order(handlers.retry, RetryPosEvent(event_id="nobody"))


async def test_a_till_that_comes_back_is_told(shop: Shop) -> None:
    shop.till.away = True
    await shop.take(handlers.queue_pours, pour("one"))
    await shop.sender().send()
    shop.till.away = False
    shop.clock.advance(seconds=5)

    await shop.sender().send()

    assert shop.till.taken == ["notify_pour one"]


async def test_an_unknown_adapter_leaves_everything_queued_and_says_so_once(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.configure("pos_adapter", "fax")
    await shop.take(handlers.queue_pours, pour("one"))
    sender = shop.sender()

    await sender.send()
    await sender.send()
    assert [event.status for event in await shop.events()] == ["queued"]
    assert [record.message for record in caplog.records] == ["pos_adapter_unknown"]
    shop.clock.advance(minutes=2)
    await sender.send()
    [failing] = await shop.told("pos.failing")
    assert (failing["adapter"], failing["waiting"]) == ("fax", 1)
    await shop.configure("pos_adapter", "log", version=2)
    await sender.send()

    assert shop.till.taken == ["notify_pour one"]
    assert len(await shop.told("pos.recovered")) == 1


@pytest.mark.requirement("PO-2")
async def test_the_noop_adapter_works_the_queue_off_as_well(shop: Shop) -> None:
    await shop.configure("pos_adapter", "noop")
    await shop.take(handlers.queue_pours, pour("one"))

    await shop.sender(adapters()).send()

    assert [(one.status, one.adapter) for one in await shop.events()] == [("sent", "noop")]


@pytest.mark.requirement("LK-7")
async def test_with_the_flag_off_nothing_is_queued(shop: Shop) -> None:
    await shop.configure("FF_POS_ADAPTER_STUB", value=False)

    await shop.take(handlers.queue_pours, pour("one"))

    assert await shop.events() == []


@pytest.mark.requirement("PO-1")
async def test_over_the_bus_a_pour_is_logged_for_the_point_of_sale(
    fresh_database: FreshDatabase,
    nats_server: NatsServer,
    bus: Client,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    settings = Settings(nats_url=nats_server.url, database_url=fresh_database("pos-adapter"))
    async with running(await build(settings=settings, clock=clock)):
        caller = Caller(bus=bus)
        event = told(pour("one"))
        for _ in range(2):
            await bus.jetstream().publish(PourAccepted.subject(), event.wire())

        async def sent() -> list[PosEvent]:
            return (await caller.ask(ListPosEvents(status="sent"), Listing[PosEvent])).items

        [shown] = await until(sent)

    assert shown.reference == "one"
    [line] = [record for record in caplog.records if record.message == "pos_notified"]
    assert vars(line)["payload"]["client_tx_id"] == "one"
