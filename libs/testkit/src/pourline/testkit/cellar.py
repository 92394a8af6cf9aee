"""A keg-fifo with one spout, for its tests: its words come in as the bus brings them."""

import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from pourline.contracts.base import Command
from pourline.contracts.base import Message as Contract
from pourline.contracts.cellar import (
    Batch,
    Calibrate,
    CreateItem,
    Item,
    ListBatches,
    ReceiveStock,
    Unit,
)
from pourline.contracts.taps import SpoutKeys
from pourline.keg_fifo.devices import PourEdge
from pourline.keg_fifo.handlers import spouts, stock
from pourline.keg_fifo.handlers.keys import Keyring, Signing
from pourline.keg_fifo.handlers.pours import TakeInSpoutPours
from pourline.keg_fifo.handlers.vendors import Vendors
from pourline.keg_fifo.invariants import INVARIANTS
from pourline.keg_fifo.store import spouts as spout_store
from pourline.kit.db import Database
from pourline.kit.errors import Retryable
from pourline.kit.ids import new_id
from pourline.kit.nats import Context, Message
from pourline.testkit.clock import FakeClock
from pourline.upkeep.instruments import Instruments

ANSWERED = "pourline_spout_pours_answered_total"
STAFF = Context(actor="anna", level=4)
SECRET = "ab" * 32


@dataclass
class AuthLock:
    """Answers for auth-lock, and counts how often it was asked."""

    keys: dict[UUID, SpoutKeys] = field(default_factory=dict)
    asked: int = 0
    away: bool = False

    async def ask(self, command: Command, answer: type[Contract], *, actor: str = "") -> Contract:
        """Answer for auth-lock."""
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
        """Take an answer."""
        self.said.append((subject, orjson.loads(payload)))


@dataclass(kw_only=True)
class Cellar:
    """A keg-fifo with one spout, whose words come in as the bus brings them."""

    database: Database
    clock: FakeClock
    auth_lock: AuthLock
    broker: Broker
    keyring: Keyring
    vendors: Vendors
    edge: PourEdge
    device: UUID

    def is_made_by(self, vendor: str) -> None:
        """Have the spout be another vendor's."""
        keys = self.auth_lock.keys[self.device]
        self.auth_lock.keys[self.device] = keys.model_copy(update={"vendor": vendor})
        self.keyring.forget([self.device])

    def unsigned(self) -> Keyring:
        """Return a keyring that wants no signatures, in place of the one before."""
        self.keyring = Keyring(caller=self.auth_lock, signing=Signing(verify=False))  # type: ignore[arg-type]
        self.read_with(self.vendors)
        return self.keyring

    def read_with(self, vendors: Vendors) -> None:
        """Read payloads by these vendors' ways."""
        self.vendors = vendors
        take_in = TakeInSpoutPours(database=self.database)
        self.edge = PourEdge(
            bus=self.broker,  # type: ignore[arg-type]
            take_in=take_in,
            keyring=self.keyring,
            answered=Instruments().counter(ANSWERED),
            vendors=vendors,
        )

    async def say(self, *bodies: dict[str, Any] | bytes) -> list[dict[str, Any]]:
        """Have messages come in over MQTT and return the answers."""
        await self.edge([self.message(body) for body in bodies])
        said, self.broker.said = self.broker.said, []
        return [payload for _, payload in said]

    def message(self, body: dict[str, Any] | bytes) -> Message:
        """Return a message as the bus brings it."""
        return Message(
            subject=f"bar.main.spout.{self.device}.pour",
            data=body if isinstance(body, bytes) else orjson.dumps(body),
            headers={},
            received_at=self.clock.now(),
            sequence=1,
            deliveries=1,
        )

    def signed(self, pulses: int, event_id: str | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 a payload's field may be anything
        """Return a pour's fields with their signature."""
        sent_at = more.get("occurred_at") or ""
        channel = more.get("channel", 0)
        text = f"v1:{self.device}:{event_id or ''}:{channel}:{pulses}:{sent_at}"
        signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        body = {"pulses": pulses, "event_id": event_id, "signature": signature}
        return body | more

    async def item(self, unit: Unit = Unit.ML, *, tracked: bool = True) -> Item:
        """Add an item."""
        async with self.database.transaction() as unit_:
            order = CreateItem(name="Gin", unit=unit, tracking_enabled=tracked)
            return await stock.create_item(order, unit_, STAFF)

    async def receive(self, item: Item, quantity: str, *, days_ago: int = 0) -> Batch:
        """Take a batch into stock."""
        at = self.clock.now() - timedelta(days=days_ago)
        order = ReceiveStock(item_id=item.id, quantity=Decimal(quantity), received_at=at)
        async with self.database.transaction() as unit:
            return await stock.receive_stock(order, unit, STAFF)

    async def calibrate(self, item: Item, factor: str = "0.5", channel: int = 0) -> None:
        """Calibrate the spout's channel."""
        order = Calibrate(
            device_id=str(self.device),
            item_id=item.id,
            ml_per_pulse=Decimal(factor),
            channel=channel,
        )
        async with self.database.transaction() as unit:
            await spouts.calibrate(order, unit, STAFF)

    async def remaining(self, item: Item) -> list[Decimal]:
        """Return what is left in an item's batches, oldest first."""
        async with self.database.transaction() as unit:
            page = await stock.list_batches(ListBatches(item_id=item.id), unit, STAFF)
        return [batch.remaining for batch in page.items]

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """Run a query."""
        async with self.database.transaction() as unit:
            return await unit.all(sql)

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """Return what was announced of a kind."""
        rows = await self.rows("SELECT subject, payload FROM outbox ORDER BY id")
        return [
            orjson.loads(row["payload"])["data"] for row in rows if row["subject"] == f"evt.{kind}"
        ]


@contextlib.asynccontextmanager
async def open_cellar(url: str, clock: FakeClock) -> AsyncIterator[Cellar]:
    """Open a cellar on its database; its invariants must hold at the end."""
    database = Database(url=url, service="keg-fifo", clock=clock)
    await database.open()
    device = new_id()
    keys = SpoutKeys(
        device_id=str(device), vendor="Berg", location="main", active=True, secrets=[SECRET]
    )
    auth_lock, broker = AuthLock(keys={device: keys}), Broker()
    keyring = Keyring(caller=auth_lock, signing=Signing())  # type: ignore[arg-type]
    take_in = TakeInSpoutPours(database=database)
    vendors = Vendors(database=database, clock=clock)
    cellar = Cellar(
        database=database,
        clock=clock,
        auth_lock=auth_lock,
        broker=broker,
        keyring=keyring,
        vendors=vendors,
        edge=PourEdge(
            bus=broker,  # type: ignore[arg-type]
            take_in=take_in,
            keyring=keyring,
            vendors=vendors,
            answered=Instruments().counter(ANSWERED),
        ),
        device=device,
    )
    async with database.transaction() as unit:
        values = {"device_id": device, "name": "Gin spout", "version": 1, "active": True}
        await spout_store.save_spout(unit, values | {"vendor": "Berg", "location": "main"})
    yield cellar
    for rule in INVARIANTS:
        if rule.name != "outbox_is_published":
            assert await cellar.rows(rule.sql) == [], rule.name
    await database.close()
