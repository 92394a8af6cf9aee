"""What sales take from the stock: all or none, once, and never a package that is not there."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from pourline.contracts.cellar import ConsumedBy, CreateItem, Item, ListBatches, ReceiveStock, Unit
from pourline.contracts.packages import StockTaken, TakeStock, Taking
from pourline.contracts.stock import ChangeItem, MovementSource
from pourline.keg_fifo.errors import ItemUnknown, PackageUnavailable, TransactionTaken
from pourline.keg_fifo.handlers import sales, stock
from pourline.keg_fifo.invariants import INVARIANTS
from pourline.keg_fifo.store import configuration
from pourline.keg_fifo.store.stock import TRACKING
from pourline.kit.db import Database
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=4)
NOTHING = Decimal(0)


class Cellar:
    """A keg-fifo with items in stock."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def item(self, quantity: int, **facts: object) -> Item:
        order = CreateItem.model_validate({"name": "Rum", "unit": Unit.EACH} | facts)
        async with self.database.transaction() as unit:
            item = await stock.create_item(order, unit, STAFF)
        if quantity:
            received = ReceiveStock(item_id=item.id, quantity=Decimal(quantity))
            async with self.database.transaction() as unit:
                await stock.receive_stock(received, unit, STAFF)
        return item

    async def sell(self, *takings: Taking, transaction_id: str = "till-1") -> StockTaken:
        async with self.database.transaction() as unit:
            order = TakeStock(
                transaction_id=transaction_id,
                takings=list(takings),
                sold_by="till",
                sold_at=unit.clock.now(),
            )
            return await sales.take_stock(order, unit, STAFF)

    async def stock(self, item: Item) -> float:
        async with self.database.transaction() as unit:
            row = await unit.one("SELECT stock FROM item WHERE id = %s", (item.id,))
        return float(row["stock"])

    async def batches(self, item: Item) -> list[Decimal]:
        async with self.database.transaction() as unit:
            page = await stock.list_batches(ListBatches(item_id=item.id), unit, STAFF)
        return [batch.remaining for batch in page.items]


@pytest.fixture
async def cellar(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Cellar]:
    database = Database(url=fresh_database("keg-fifo"), service="keg-fifo", clock=clock)
    await database.open()
    yield Cellar(database)
    async with database.transaction() as unit:
        for rule in INVARIANTS:
            if rule.name != "outbox_is_published":
                assert await unit.all(rule.sql) == [], rule.name
    await database.close()


def whole(item: Item, quantity: str) -> Taking:
    return Taking(item_id=item.id, whole=Decimal(quantity))


def loose(item: Item, quantity: str) -> Taking:
    return Taking(item_id=item.id, loose=Decimal(quantity))


@pytest.mark.requirement("PO-4", "LE-2")
async def test_a_sale_leaves_the_oldest_batch_first_and_is_a_purchase(cellar: Cellar) -> None:
    rum = await cellar.item(2)
    async with cellar.database.transaction() as unit:
        await stock.receive_stock(ReceiveStock(item_id=rum.id, quantity=Decimal(5)), unit, STAFF)

    taken = await cellar.sell(whole(rum, "2"), loose(rum, "1"))

    assert [one.moved for one in taken.items] == [3]
    assert await cellar.batches(rum) == [0, 4]
    async with cellar.database.transaction() as unit:
        row = await unit.one("SELECT * FROM movement WHERE transaction_id = 'till-1'")
    assert (row["delta"], row["source"], row["actor"]) == (-3, MovementSource.PURCHASE, "till")


@pytest.mark.requirement("PO-4")
async def test_a_part_that_is_not_there_leaves_every_other_untouched(cellar: Cellar) -> None:
    rum, lime = await cellar.item(10), await cellar.item(1, name="Lime")

    with pytest.raises(PackageUnavailable) as refused:
        await cellar.sell(whole(rum, "2"), whole(lime, "2"))

    assert refused.value.members["item_id"] == lime.id
    assert "Lime" in refused.value.detail
    assert (await cellar.stock(rum), await cellar.stock(lime)) == (10, 1)
    await cellar.sell(whole(rum, "2"), whole(lime, "1"))
    assert (await cellar.stock(rum), await cellar.stock(lime)) == (8, 0)


@pytest.mark.requirement("PO-4", "SP-6")
async def test_a_single_item_is_sold_below_zero_a_package_is_not(cellar: Cellar) -> None:
    rum = await cellar.item(1)

    await cellar.sell(whole(rum, "1"), loose(rum, "2"))

    assert await cellar.stock(rum) == -2
    with pytest.raises(PackageUnavailable):
        await cellar.sell(whole(rum, "1"), transaction_id="till-2")


@pytest.mark.requirement("PO-4")
async def test_a_sale_told_twice_moves_once_and_is_answered_alike(cellar: Cellar) -> None:
    rum = await cellar.item(5)

    first = await cellar.sell(whole(rum, "2.5"))
    again = await cellar.sell(whole(rum, "2.5"))

    assert first == again
    assert await cellar.stock(rum) == 2.5


@pytest.mark.requirement("PO-4")
async def test_fifty_sales_race_for_the_last_three_portions_and_three_win(cellar: Cellar) -> None:
    rum, lime = await cellar.item(3), await cellar.item(100, name="Lime")

    async def buy(number: int) -> bool:
        parts = [whole(rum, "1"), whole(lime, "1")]
        try:
            await cellar.sell(
                *(parts if number % 2 else reversed(parts)), transaction_id=f"{number}"
            )
        except PackageUnavailable:
            return False
        return True

    won = await asyncio.gather(*(buy(number) for number in range(50)))

    assert sum(won) == 3
    assert (await cellar.stock(rum), await cellar.stock(lime)) == (0, 97)


@pytest.mark.requirement("PO-4")
async def test_one_sale_sent_at_the_same_moment_by_many_is_taken_once(cellar: Cellar) -> None:
    rum = await cellar.item(5)

    answers = await asyncio.gather(*(cellar.sell(whole(rum, "1")) for _ in range(10)))

    assert len({answer.model_dump_json() for answer in answers}) == 1
    assert await cellar.stock(rum) == 4


@pytest.mark.requirement("LE-5", "PO-4")
async def test_what_is_not_tracked_or_measured_by_spouts_is_not_moved(cellar: Cellar) -> None:
    untracked = await cellar.item(0, tracking_enabled=False)
    measured = await cellar.item(2, consumed_by=ConsumedBy.POUR, unit=Unit.LTR)

    taken = await cellar.sell(whole(untracked, "9"), whole(measured, "2"))

    assert [one.moved for one in taken.items] == [0, 0]
    assert (await cellar.stock(untracked), await cellar.stock(measured)) == (0, 2)
    with pytest.raises(PackageUnavailable):
        await cellar.sell(whole(measured, "2.000001"), transaction_id="till-2")


@pytest.mark.requirement("LE-5")
async def test_tracking_switched_off_for_all_lets_a_sale_move_nothing(cellar: Cellar) -> None:
    rum = await cellar.item(5)
    async with cellar.database.transaction() as unit:
        await configuration.save(unit, key=TRACKING, value=False, version=1)

    await cellar.sell(whole(rum, "2"))
    assert await cellar.stock(rum) == 5

    async with cellar.database.transaction() as unit:
        await configuration.save(unit, key=TRACKING, value=True, version=2)
        order = ChangeItem(item_id=rum.id, tracking_enabled=True)
        await stock.change_item(order, unit, STAFF)
    await cellar.sell(whole(rum, "2"), transaction_id="till-2")
    assert await cellar.stock(rum) == 3


async def test_an_item_that_is_not_there_is_not_sold(cellar: Cellar) -> None:
    for item_id in (str(new_id()), "no id"):
        with pytest.raises(ItemUnknown):
            await cellar.sell(Taking(item_id=item_id, loose=Decimal(1)))


async def test_another_movement_of_the_same_name_is_no_sale(cellar: Cellar) -> None:
    rum = await cellar.item(5)
    async with cellar.database.transaction() as unit:
        row = await unit.one("SELECT transaction_id FROM movement")

    with pytest.raises(TransactionTaken):
        await cellar.sell(loose(rum, "1"), transaction_id=row["transaction_id"])

    assert await cellar.stock(rum) == 5
