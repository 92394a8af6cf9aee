"""Stock against a model that fits on a page: receipts, pours, counts, corrections and switches.

keg-fifo, the ledger and alerts run on their real databases. What one tells comes to the next late,
twice and in any order; in the end all of them say what the model says.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from pourline.alerts import consumers as alerts_consumers
from pourline.alerts.invariants import INVARIANTS as ALERTS_RULES
from pourline.contracts.base import Envelope, Event
from pourline.contracts.cellar import Calibrate, CreateItem, ReceiveStock, Unit
from pourline.contracts.packages import StockTaken, TakeStock, Taking
from pourline.contracts.stock import (
    AdjustStock,
    ChangeItem,
    CountStock,
    InventoryRow,
    ListInventory,
)
from pourline.contracts.taps import ConfigChanged
from pourline.contracts.topology import ACCESS
from pourline.keg_fifo import consumers as keg_fifo_consumers
from pourline.keg_fifo.domain import SpoutReport
from pourline.keg_fifo.errors import PackageUnavailable
from pourline.keg_fifo.handlers import corrections, sales, spouts, stock
from pourline.keg_fifo.handlers.pours import Arrival, TakeInSpoutPours
from pourline.keg_fifo.invariants import INVARIANTS as KEG_FIFO_RULES
from pourline.keg_fifo.store import spouts as spout_store
from pourline.kit.db import Database, Row
from pourline.kit.ids import new_id
from pourline.kit.inbox import Inbox
from pourline.kit.nats import Context, EventConsumer, Handler, Message
from pourline.ledger import consumers as ledger_consumers
from pourline.ledger.handlers import inventory
from pourline.ledger.invariants import INVARIANTS as LEDGER_RULES
from pourline.local.verify import ACROSS
from pourline.testkit.clock import FakeClock
from pourline.testkit.machines import searching
from pourline.testkit.plugin import FreshDatabase

pytestmark = pytest.mark.long

STAFF = Context(actor="anna", level=4)
SERVICES = ("keg-fifo", "ledger", "alerts")
READERS = {"ledger": ("keg-fifo",), "alerts": ("ledger",)}
FACTOR = {Unit.ML: Decimal("0.5"), Unit.LTR: Decimal("0.0005")}
"""What a pulse takes of each item, in its unit: half a millilitre."""
THRESHOLD = Decimal(5)
POURED = st.integers(0, 1)
ITEMS = st.integers(0, 2)
"""The last one is sold, the others are measured by spouts."""
SOLD = st.dictionaries(ITEMS, st.tuples(st.sampled_from("023"), st.sampled_from("017")), min_size=1)
QUANTITIES = st.sampled_from(("0.000001", "0.7", "3", "12.5", "40"))
DELTAS = st.sampled_from(("0.000001", "-0.000001", "2.5", "-2.5", "9", "-30", "60"))
COUNTED = st.sampled_from(("0", "0.5", "5", "17.25"))
SWITCHES = st.booleans()
PARTS = {"outbox_is_published", "outbox_numbers_have_no_gaps"}


@dataclass(kw_only=True)
class Shelf:
    """An item as the model knows it: what came, oldest first, and what is owed to the books."""

    item_id: str
    unit: Unit
    device: UUID
    is_sold: bool = False
    is_tracked: bool = True
    batches: list[tuple[int, int, Decimal]] = field(default_factory=list)
    owed: Decimal = Decimal(0)
    entries: Counter[tuple[str, Decimal]] = field(default_factory=Counter)

    @property
    def stock(self) -> Decimal:
        return sum((left for _, _, left in self.batches), -self.owed)

    def put(self, quantity: Decimal, *, days_ago: int, source: str) -> None:
        self.entries[source, quantity] += 1
        settled = min(self.owed, quantity)
        self.owed -= settled
        self.batches.append((-days_ago, len(self.batches), quantity - settled))
        self.batches.sort()

    def take(self, quantity: Decimal, *, source: str) -> None:
        self.entries[source, -quantity] += 1
        for at, (days, number, left) in enumerate(self.batches):
            taken = min(left, quantity)
            quantity -= taken
            self.batches[at] = days, number, left - taken
        self.owed += quantity

    def move(self, delta: Decimal, *, source: str) -> None:
        if delta > 0:
            self.put(delta, days_ago=0, source=source)
        elif delta < 0:
            self.take(-delta, source=source)


@dataclass(kw_only=True)
class House:
    """A service: its database, and what reads its events."""

    database: Database
    consume: EventConsumer

    async def rows(self, sql: str, *values: object) -> list[Row]:
        async with self.database.transaction() as unit:
            return await unit.all(sql, values)


async def open_house(
    name: str, url: str, handlers: Mapping[type[Event], Handler], clock: FakeClock
) -> House:
    database = Database(url=url, service=name, clock=clock)
    await database.open()
    inbox = Inbox(consumer=f"{name}--events")
    return House(
        database=database,
        consume=EventConsumer(database=database, inbox=inbox, handlers=handlers),
    )


class Cellar(RuleBasedStateMachine):
    """Every rule does a thing to keg-fifo and to the model, or carries words on."""

    def __init__(self, make: Callable[[str], str]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.urls = {name: make(name) for name in SERVICES}
        handlers = {
            "keg-fifo": keg_fifo_consumers.handlers(forget=lambda _: None),
            "ledger": ledger_consumers.handlers(),
            "alerts": alerts_consumers.routes(),
        }
        self.houses = {
            name: self.runner.run(open_house(name, self.urls[name], handlers[name], self.clock))
            for name in SERVICES
        }
        self.is_tracking = True
        self.turns = 0
        self.waiting: dict[str, list[Message]] = {name: [] for name in READERS}
        self.came: dict[str, list[Message]] = {name: [] for name in READERS}
        self.read: dict[tuple[str, str], int] = {}
        self.reports: list[SpoutReport] = []
        self.take_in = TakeInSpoutPours(database=self.houses["keg-fifo"].database)
        self.sales: list[tuple[TakeStock, StockTaken]] = []
        self.shelves = [self.runner.run(self._shelf(unit)) for unit in (Unit.ML, Unit.LTR)]
        order = CreateItem(name="Crisps", unit=Unit.EACH, low_stock_threshold=THRESHOLD)
        crisps = self.do(stock.create_item, order)
        self.shelves.append(Shelf(item_id=crisps.id, unit=Unit.EACH, device=new_id(), is_sold=True))

    async def _shelf(self, unit: Unit) -> Shelf:
        order = CreateItem(name=f"Gin by {unit}", unit=unit, low_stock_threshold=THRESHOLD)
        item = await self._done(stock.create_item, order)
        shelf = Shelf(item_id=item.id, unit=unit, device=new_id())
        spout = {"device_id": shelf.device, "name": "S", "vendor": "Berg", "location": "main"}
        async with self.houses["keg-fifo"].database.transaction() as work:
            await spout_store.save_spout(work, spout | {"version": 1, "active": True})
        calibrate = Calibrate(
            device_id=str(shelf.device), item_id=item.id, ml_per_pulse=Decimal("0.5")
        )
        await self._done(spouts.calibrate, calibrate)
        return shelf

    async def _done(self, handle: Callable[..., Awaitable[Any]], order: object) -> Any:  # noqa: ANN401 answers of many orders
        async with self.houses["keg-fifo"].database.transaction() as unit:
            return await handle(order, unit, STAFF)

    def do(self, handle: Callable[..., Awaitable[Any]], order: object) -> Any:  # noqa: ANN401 as above
        return self.runner.run(self._done(handle, order))

    @rule(item=ITEMS, quantity=QUANTITIES, days_ago=st.integers(0, 2))
    def receive(self, item: int, quantity: str, days_ago: int) -> None:
        shelf, amount = self.shelves[item], Decimal(quantity)
        at = self.clock.now() - timedelta(days=days_ago)
        order = ReceiveStock(item_id=shelf.item_id, quantity=amount, received_at=at)
        self.do(stock.receive_stock, order)
        shelf.put(amount, days_ago=days_ago, source="receipt")

    @rule(item=ITEMS, delta=DELTAS)
    def adjust(self, item: int, delta: str) -> None:
        shelf = self.shelves[item]
        order = AdjustStock(item_id=shelf.item_id, delta=Decimal(delta), reason="because")
        answer = self.do(corrections.adjust_stock, order)
        shelf.move(Decimal(delta), source="manual_adjustment")
        assert answer.current_stock == shelf.stock

    @rule(item=ITEMS, counted=COUNTED)
    def count(self, item: int, counted: str) -> None:
        shelf, expected = self.shelves[item], self.shelves[item].stock
        order = CountStock(item_id=shelf.item_id, counted=Decimal(counted), reason="monthly")
        answer = self.do(corrections.count_stock, order)
        shelf.move(Decimal(counted) - expected, source="reconciliation")
        assert (answer.expected, answer.discrepancy) == (expected, Decimal(counted) - expected)
        assert (answer.entry is None) == (answer.discrepancy == 0)

    @rule(lines=SOLD)
    def sell(self, lines: dict[int, tuple[str, str]]) -> None:
        """All is taken or nothing: packages' parts must be there, single items need not."""
        wanted = {item: (Decimal(whole), Decimal(loose)) for item, (whole, loose) in lines.items()}
        order = TakeStock(
            transaction_id=str(new_id()),
            takings=[
                Taking(item_id=self.shelves[item].item_id, whole=whole, loose=loose)
                for item, (whole, loose) in wanted.items()
            ],
            sold_by="till",
            sold_at=self.clock.now(),
        )
        is_there = all(
            whole <= max(self.shelves[item].stock, Decimal(0)) or not self._moves(item)
            for item, (whole, _) in wanted.items()
        )
        try:
            answer = self.do(sales.take_stock, order)
        except PackageUnavailable:
            assert not is_there
            return
        assert is_there
        for item, (whole, loose) in wanted.items():
            shelf = self.shelves[item]
            if shelf.is_sold and self._moves(item) and whole + loose:
                shelf.take(whole + loose, source="purchase")
        self.sales.append((order, answer))

    def _moves(self, item: int) -> bool:
        return self.is_tracking and self.shelves[item].is_tracked

    @precondition(lambda self: self.sales)
    @rule(data=st.data())
    def sell_again(self, data: st.DataObject) -> None:
        """A sale that is told again is answered as at first; nothing leaves the stock."""
        order, answer = data.draw(st.sampled_from(self.sales))
        assert self.do(sales.take_stock, order) == answer

    @rule(pulses=st.lists(st.tuples(POURED, st.integers(0, 60)), min_size=1, max_size=4))
    def pour(self, pulses: list[tuple[int, int]]) -> None:
        fresh = [self._report(self.shelves[item].device, number) for item, number in pulses]
        for (item, number), answer in zip(pulses, self._say(fresh), strict=True):
            shelf = self.shelves[item]
            assert answer == "accepted"
            if shelf.is_tracked and self.is_tracking and number:
                shelf.take(number * 1000 * FACTOR[shelf.unit] / 1000, source="pour")
        self.reports += fresh

    @precondition(lambda self: self.reports)
    @rule(data=st.data(), times=st.integers(1, 3))
    def pour_again(self, data: st.DataObject, times: int) -> None:
        """A spout that heard no answer says the same; nothing leaves the stock."""
        report = data.draw(st.sampled_from(self.reports))
        assert self._say([report] * times) == ["duplicate"] * times

    def _report(self, device: UUID, pulses: int) -> SpoutReport:
        return SpoutReport(
            device_id=device,
            vendor="Berg",
            location="main",
            event_id=str(new_id()),
            channel=0,
            pulses=pulses,
            occurred_at=self.clock.now(),
            received_at=self.clock.now(),
            digest=b"content",
        )

    def _say(self, reports: Sequence[SpoutReport]) -> list[str]:
        arrivals = [
            Arrival(subject="x", payload=b"", received_at=one.received_at, content=one)
            for one in reports
        ]
        return [answer.status.value for answer in self.runner.run(self.take_in(arrivals))]

    @rule(item=ITEMS, on=SWITCHES)
    def switch(self, item: int, *, on: bool) -> None:
        shelf = self.shelves[item]
        self.do(stock.change_item, ChangeItem(item_id=shelf.item_id, tracking_enabled=on))
        shelf.is_tracked = on

    @rule(on=SWITCHES)
    def switch_all(self, *, on: bool) -> None:
        """The switch for all is known to keg-fifo at once, to the ledger some time."""
        self.turns += 1
        self.is_tracking = on
        told: Envelope[ConfigChanged] = Envelope(
            id=str(new_id()),
            type="config.changed.v1",
            source="auth-lock",
            subject="config",
            time=self.clock.now(),
            aggregate="config:inventory_tracking_enabled",
            version=self.turns,
            data=ConfigChanged(key="inventory_tracking_enabled", value=on),
        )
        message = self._message(ConfigChanged.subject(), told.wire())
        self.runner.run(self.houses["keg-fifo"].consume([message]))
        self.waiting["ledger"].append(message)

    @rule(data=st.data(), reader=st.sampled_from(sorted(READERS)))
    def carry(self, data: st.DataObject, reader: str) -> None:
        """Some of what was told comes, in any order, and some of what came comes again."""
        self._collect(reader)
        waiting, came = self.waiting[reader], self.came[reader]
        some = data.draw(st.permutations(waiting)) if waiting else []
        some = some[: data.draw(st.integers(0, len(some)))]
        again = data.draw(st.lists(st.sampled_from(came), max_size=2)) if came else []
        self._deliver(reader, [*some, *again])

    def _deliver(self, reader: str, messages: Sequence[Message]) -> None:
        if not messages:
            return
        self.runner.run(self.houses[reader].consume(messages))
        self.came[reader] += [one for one in messages if one in self.waiting[reader]]
        self.waiting[reader] = [one for one in self.waiting[reader] if one not in messages]

    def _collect(self, reader: str) -> None:
        """Put what the reader's producers told since the last time among what waits."""
        subjects = [event.subject() for event in ACCESS[reader].events]
        for producer in READERS[reader]:
            since = self.read.get((reader, producer), 0)
            rows = self.runner.run(
                self.houses[producer].rows(
                    "SELECT id, subject, payload FROM outbox WHERE id > %s ORDER BY id", since
                )
            )
            self.read[reader, producer] = rows[-1]["id"] if rows else since
            self.waiting[reader] += [
                self._message(row["subject"], row["payload"].encode())
                for row in rows
                if row["subject"] in subjects
            ]

    def _message(self, subject: str, payload: bytes) -> Message:
        return Message(
            subject=subject,
            data=payload,
            headers={},
            received_at=self.clock.now(),
            sequence=1,
            deliveries=1,
        )

    @invariant()
    def batches_and_shortfalls_are_the_models(self) -> None:
        for shelf in self.shelves:
            found = self.runner.run(
                self.houses["keg-fifo"].rows(
                    """
                    SELECT stock, ARRAY(SELECT remaining FROM batch WHERE item_id = item.id
                                        ORDER BY received_at, id) AS batches,
                           (SELECT coalesce(sum(open_quantity), 0) FROM shortfall
                            WHERE item_id = item.id) AS owed
                    FROM item WHERE id = %s
                    """,
                    UUID(shelf.item_id),
                )
            )
            batches = [left for _, _, left in shelf.batches]
            assert found == [{"stock": shelf.stock, "batches": batches, "owed": shelf.owed}]

    def teardown(self) -> None:
        """In the end everything has come, the last of it backwards, and all say the same."""
        try:
            for reader in ("ledger", "alerts"):
                self._collect(reader)
                self._deliver(reader, self.waiting[reader][::-1])
            for shelf in self.shelves:
                self._compare(shelf)
            self._check_rules()
        finally:
            for house in self.houses.values():
                self.runner.run(house.database.close())
            self.runner.close()

    def _compare(self, shelf: Shelf) -> None:
        item_id = UUID(shelf.item_id)
        entries = self.runner.run(
            self.houses["ledger"].rows(
                "SELECT source, delta FROM inventory_entry WHERE item_id = %s", item_id
            )
        )
        standing = self.runner.run(
            self.houses["alerts"].rows(
                "SELECT kind FROM alert WHERE subject_id = %s AND state <> 'resolved'",
                shelf.item_id,
            )
        )
        shown = self.runner.run(self._shown(shelf.item_id))
        assert (shown.current_stock, shown.tracking_enabled, shown.negative, shown.low_stock) == (
            shelf.stock,
            shelf.is_tracked and self.is_tracking,
            shelf.stock < 0,
            shelf.stock <= THRESHOLD,
        )
        low = {"low_stock"} if shelf.entries and shelf.stock <= THRESHOLD else set()
        assert Counter((row["source"], row["delta"]) for row in entries) == shelf.entries
        assert {row["kind"] for row in standing} == low | (
            {"negative_stock"} if shelf.stock < 0 else set()
        )

    async def _shown(self, item_id: str) -> InventoryRow:
        async with self.houses["ledger"].database.transaction() as unit:
            page = await inventory.list_inventory(ListInventory(), unit, STAFF)
        return next(row for row in page.items if row.item_id == item_id)

    def _check_rules(self) -> None:
        own = {"keg-fifo": KEG_FIFO_RULES, "ledger": LEDGER_RULES, "alerts": ALERTS_RULES}
        for name, rules in own.items():
            for one in rules:
                if one.name not in PARTS:
                    assert self.runner.run(self.houses[name].rows(one.sql)) == [], one.name
        [same] = [one for one in ACROSS if one.name == "stock_shown_is_stock_there"]
        with (
            psycopg.connect(self.urls["keg-fifo"]) as owner,
            psycopg.connect(self.urls["ledger"]) as reader,
        ):
            assert list(same.offenders({"keg-fifo": owner, "ledger": reader})) == []


@pytest.mark.requirement("LE-2", "LE-3", "LE-4", "LE-5", "SP-5", "SP-6", "SP-8")
def test_stock_is_the_models_whatever_happens_and_however_late_it_is_told(
    fresh_database: FreshDatabase,
) -> None:
    run(
        lambda: Cellar(fresh_database),  # type: ignore[arg-type] # a maker serves
        settings=searching(share=4, steps=30),
    )
