"""The inventory ledger on its real database: each movement once, in any order, never changed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import orjson
import psycopg.errors
import pytest
from pourline.contracts.base import Envelope, Event, Listing
from pourline.contracts.cellar import ConsumedBy, ItemCreated, Unit
from pourline.contracts.stock import (
    InventoryEntry,
    InventoryRow,
    ItemChanged,
    ListInventory,
    ListInventoryEntries,
    MovementSource,
    StockMoved,
)
from pourline.contracts.taps import ConfigChanged
from pourline.kit.db import Database
from pourline.kit.errors import NotFound
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.ledger.handlers import inventory
from pourline.ledger.invariants import INVARIANTS
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=1)
AT = datetime(2026, 5, 1, 20, tzinfo=UTC)
Told = TypeVar("Told", bound=Event)


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


def moved(item_id: str, delta: str, transaction_id: str | None = None) -> StockMoved:
    return StockMoved(
        entry_id=str(new_id()),
        item_id=item_id,
        delta=Decimal(delta),
        stock_after=Decimal(0),
        source=MovementSource.POUR,
        actor="spout",
        transaction_id=transaction_id or str(new_id()),
        at=AT,
        occurred_at=AT,
    )


class Shelves:
    """A ledger that is told of stock."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def know(self, item_id: str, name: str = "Gin", **facts: Any) -> None:  # noqa: ANN401 a fact may be anything
        version = facts.pop("version", 1)
        event = ItemCreated(
            item_id=item_id,
            name=name,
            unit=Unit.ML,
            consumed_by=ConsumedBy.SALE,
            **({"tracking_enabled": True} | facts),
        )
        async with self.database.transaction() as unit:
            await inventory.know_items([told(event, version)], unit)

    async def move(self, *movements: StockMoved) -> None:
        async with self.database.transaction() as unit:
            await inventory.book_movements([told(one) for one in movements], unit)

    async def turn(self, *, on: bool, version: int) -> None:
        event = ConfigChanged(key="inventory_tracking_enabled", value=on)
        async with self.database.transaction() as unit:
            await inventory.know_config([told(event, version)], unit)

    async def rows(self, **page: Any) -> Listing[InventoryRow]:  # noqa: ANN401 as above
        async with self.database.transaction() as unit:
            return await inventory.list_inventory(ListInventory(**page), unit, STAFF)

    async def entries(self, **query: Any) -> Listing[InventoryEntry]:  # noqa: ANN401 as above
        async with self.database.transaction() as unit:
            return await inventory.list_entries(ListInventoryEntries(**query), unit, STAFF)

    async def told(self) -> list[tuple[int, Decimal, bool]]:
        async with self.database.transaction() as unit:
            found = await unit.all("SELECT payload FROM outbox ORDER BY id")
        shown = [orjson.loads(one["payload"])["data"]["row"] for one in found]
        return [
            (row["version"], Decimal(str(row["current_stock"])), row["tracking_enabled"])
            for row in shown
        ]


@pytest.fixture
async def shelves(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Shelves]:
    database = Database(url=fresh_database("ledger"), service="ledger", clock=clock)
    await database.open()
    yield Shelves(database)
    async with database.transaction() as unit:
        for rule in INVARIANTS:
            if rule.name != "outbox_is_published":
                assert await unit.all(rule.sql) == [], rule.name
    await database.close()


@pytest.mark.requirement("LE-2", "LE-4")
async def test_a_movement_counts_once_however_often_it_comes(shelves: Shelves) -> None:
    gin = str(new_id())
    await shelves.know(gin)
    one = moved(gin, "-0.000001", "pour 1")

    await shelves.move(one, one, moved(gin, "2.5"))
    await shelves.move(one, moved(gin, "-9", "pour 1"))

    [row] = (await shelves.rows()).items
    assert row.current_stock == Decimal("2.499999")
    assert len((await shelves.entries(item_id=gin)).items) == 2
    assert [stock for _, stock, _ in await shelves.told()] == [0, Decimal("2.499999")]


async def test_two_items_of_one_sale_share_its_transaction(shelves: Shelves) -> None:
    gin, tonic = str(new_id()), str(new_id())
    await shelves.move(moved(gin, "-40", "sale 7"), moved(tonic, "-200", "sale 7"))

    assert {one.item_id for one in (await shelves.entries()).items} == {gin, tonic}


@pytest.mark.requirement("LE-3")
async def test_stock_that_moved_before_its_item_was_known_is_there_once_it_is(
    shelves: Shelves,
) -> None:
    gin = str(new_id())
    await shelves.move(moved(gin, "-3"))
    assert (await shelves.rows()).items == []
    assert await shelves.told() == []
    with pytest.raises(NotFound):
        await shelves.entries(item_id=gin)

    await shelves.know(gin, low_stock_threshold=Decimal(5))

    [row] = (await shelves.rows()).items
    assert (row.current_stock, row.negative, row.low_stock) == (Decimal(-3), True, True)
    assert await shelves.told() == [(2, Decimal(-3), True)]


async def test_an_older_word_on_an_item_never_wins(shelves: Shelves) -> None:
    gin = str(new_id())
    await shelves.know(gin, "Newest", version=3, low_stock_threshold=Decimal(2))
    await shelves.know(gin, "Old", version=2)
    change = ItemChanged(
        item_id=gin,
        name="Older",
        unit=Unit.LTR,
        tracking_enabled=False,
        consumed_by=ConsumedBy.POUR,
        actor="anna",
        at=AT,
    )
    async with shelves.database.transaction() as unit:
        await inventory.know_items([told(change, 1)], unit)

    [row] = (await shelves.rows()).items
    assert (row.name, row.unit) == ("Newest", Unit.ML)
    assert (row.low_stock_threshold, row.low_stock) == (Decimal(2), True)


@pytest.mark.requirement("LE-5")
async def test_the_switch_for_all_is_shown_on_each_item_and_told_once(shelves: Shelves) -> None:
    gin, rum = str(new_id()), str(new_id())
    await shelves.know(gin)
    await shelves.know(rum, tracking_enabled=False)
    await shelves.turn(on=False, version=2)
    await shelves.turn(on=True, version=1)
    assert [row.tracking_enabled for row in (await shelves.rows()).items] == [False, False]

    await shelves.turn(on=True, version=3)

    assert [row.tracking_enabled for row in (await shelves.rows()).items] == [True, False]
    assert [one[2] for one in await shelves.told()] == [True, False, False, True]


async def test_the_snapshot_and_the_ledger_are_walked_by_cursor(shelves: Shelves) -> None:
    items = [str(new_id()) for _ in range(3)]
    for item_id in items:
        await shelves.know(item_id)
        await shelves.move(moved(item_id, "1"), moved(item_id, "2"))

    first = await shelves.rows(limit=2)
    rest = await shelves.rows(limit=2, cursor=first.next)
    newest = await shelves.entries(limit=4)
    oldest = await shelves.entries(limit=4, cursor=newest.next)

    assert [row.item_id for row in (*first.items, *rest.items)] == items
    assert (rest.next, oldest.next) == (None, None)
    numbers = [one.item_id for one in (*newest.items, *oldest.items)]
    assert numbers == [item for item in items[::-1] for _ in range(2)]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE inventory_entry SET delta = 1",
        "DELETE FROM inventory_entry",
        "TRUNCATE inventory_entry",
    ],
)
@pytest.mark.requirement("LE-2")
async def test_what_is_in_the_ledger_is_never_changed(shelves: Shelves, sql: str) -> None:
    await shelves.move(moved(str(new_id()), "1"))

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with shelves.database.transaction() as unit:
            await unit.execute(sql)
