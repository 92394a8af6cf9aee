"""Corrections, counts and what is told of them; stock that was there before movements were."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orjson
import psycopg
import psycopg.errors
import pytest
from pourline.contracts.base import parse_event
from pourline.contracts.cellar import CreateItem, Item, ListBatches, ReceiveStock, Unit
from pourline.contracts.stock import (
    AdjustStock,
    CountStock,
    ItemChanged,
    MovementSource,
    StockMoved,
)
from pourline.keg_fifo.handlers import corrections, stock
from pourline.keg_fifo.invariants import INVARIANTS
from pourline.kit.db import Database
from pourline.kit.errors import NotFound
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.upkeep import migrations

STAFF = Context(actor="anna", level=3)
GIN, EMPTY = new_id(), new_id()


class Store:
    """A keg-fifo with one item."""

    def __init__(self, database: Database, item: Item) -> None:
        self.database = database
        self.item = item

    async def receive(self, quantity: str) -> None:
        order = ReceiveStock(item_id=self.item.id, quantity=Decimal(quantity))
        async with self.database.transaction() as unit:
            await stock.receive_stock(order, unit, STAFF)

    async def adjust(self, delta: str) -> Decimal:
        order = AdjustStock(item_id=self.item.id, delta=Decimal(delta), reason="because")
        async with self.database.transaction() as unit:
            return (await corrections.adjust_stock(order, unit, STAFF)).current_stock

    async def remaining(self) -> list[Decimal]:
        async with self.database.transaction() as unit:
            page = await stock.list_batches(ListBatches(item_id=self.item.id), unit, STAFF)
        return [batch.remaining for batch in page.items]

    async def told(self, kind: str) -> list[dict[str, Any]]:
        async with self.database.transaction() as unit:
            rows = await unit.all(
                "SELECT payload FROM outbox WHERE subject = %s ORDER BY id", (f"evt.{kind}",)
            )
        return [orjson.loads(row["payload"])["data"] for row in rows]


@pytest.fixture
async def store(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Store]:
    database = Database(url=fresh_database("keg-fifo"), service="keg-fifo", clock=clock)
    await database.open()
    async with database.transaction() as unit:
        item = await stock.create_item(CreateItem(name="Gin", unit=Unit.LTR), unit, STAFF)
    yield Store(database, item)
    async with database.transaction() as unit:
        for rule in INVARIANTS:
            if rule.name != "outbox_is_published":
                assert await unit.all(rule.sql) == [], rule.name
    await database.close()


@pytest.mark.requirement("SP-12", "LE-4")
async def test_what_is_added_settles_what_was_short_and_the_rest_is_a_batch(store: Store) -> None:
    await store.receive("1")
    assert await store.adjust("-1.5") == Decimal("-0.5")
    assert await store.adjust("2") == Decimal("1.5")

    assert await store.remaining() == [Decimal(0), Decimal("1.5")]
    [short] = await store.told("stock.short")
    assert (short["shortfall"], short["stock_after"]) == (0.5, -0.5)
    moved = await store.told("stock.moved")
    assert [(one["delta"], one["stock_after"]) for one in moved] == [
        ("1.000000", "1.000000"),
        ("-1.500000", "-0.500000"),
        ("2.000000", "1.500000"),
    ]


@pytest.mark.requirement("SP-12")
async def test_a_count_that_agrees_is_on_record_and_moves_nothing(store: Store) -> None:
    await store.receive("1")
    order = CountStock(item_id=store.item.id, counted=Decimal(1), reason="monthly")
    async with store.database.transaction() as unit:
        answer = await corrections.count_stock(order, unit, STAFF)

    assert answer.discrepancy == 0
    assert answer.entry is None
    assert len(await store.told("stock.moved")) == 1
    [counted] = await store.told("stock.corrected")
    assert (counted["counted"], counted["expected"], counted["delta"]) == (1, 1, 0)


async def test_nobody_corrects_an_item_that_is_not_there(store: Store) -> None:
    for item_id in (str(new_id()), "no id"):
        order = AdjustStock(item_id=item_id, delta=Decimal(1), reason="x")
        with pytest.raises(NotFound):
            async with store.database.transaction() as unit:
                await corrections.adjust_stock(order, unit, STAFF)


@pytest.mark.requirement("LE-2")
async def test_a_movement_is_never_changed(store: Store) -> None:
    await store.receive("1")

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with store.database.transaction() as unit:
            await unit.execute("UPDATE movement SET delta = 5")


@pytest.mark.requirement("MG-1", "LE-4")
def test_stock_of_an_older_bar_is_told_as_what_was_there(fresh_database: FreshDatabase) -> None:
    url = fresh_database("keg-fifo")
    migrations.downgrade("keg-fifo", url, "0004")
    with psycopg.connect(url) as connection:
        for item_id in (GIN, EMPTY):
            connection.execute(
                """
                INSERT INTO item (id, name, unit, tracking_enabled, consumed_by)
                VALUES (%s, 'Gin "old"', 'ltr', true, 'pour')
                """,
                (item_id,),
            )
        connection.execute(
            """
            INSERT INTO batch (id, item_id, quantity, remaining, received_at)
            VALUES (%s, %s, 2, 2, now())
            """,
            (new_id(), GIN),
        )

    migrations.upgrade("keg-fifo", url)

    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT subject, payload FROM outbox ORDER BY id").fetchall()
        broken = {
            rule.name: found
            for rule in INVARIANTS
            if rule.name != "outbox_is_published"
            and (found := connection.execute(rule.sql.encode()).fetchall())
        }
    items = [
        parse_event(ItemChanged, payload.encode())
        for subject, payload in rows
        if subject == "evt.item.changed"
    ]
    [opening] = [
        parse_event(StockMoved, payload.encode())
        for subject, payload in rows
        if subject == "evt.stock.moved"
    ]
    assert broken == {}
    assert {one.data.item_id for one in items} == {str(GIN), str(EMPTY)}
    assert {one.data.name for one in items} == {'Gin "old"'}
    assert opening.data.delta == 2
    assert opening.data.source is MovementSource.SYSTEM
    assert (opening.data.item_id, opening.version) == (str(GIN), 1)


@pytest.mark.long
async def test_a_sum_may_pass_what_a_single_quantity_may_be(store: Store) -> None:
    for _ in range(1001):
        await store.receive("1000000000")

    assert await store.adjust("0.000001") == Decimal("1001000000000.000001")
    order = CountStock(item_id=store.item.id, counted=Decimal(0), reason="all gone")
    async with store.database.transaction() as unit:
        answer = await corrections.count_stock(order, unit, STAFF)

    assert answer.delta == Decimal("-1001000000000.000001")
    assert (await store.told("stock.moved"))[-1]["delta"] == "-1001000000000.000001"
