"""Sales: asked of the stock's owner, recorded once, finished whatever happens on the way."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal

import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from pourline.contracts.base import Envelope
from pourline.contracts.cellar import ConsumedBy, ItemCreated, Unit
from pourline.contracts.packages import (
    CreatePackage,
    PackagePart,
    RecordSale,
    Sale,
    SaleLine,
    TakeStock,
)
from pourline.contracts.problems import Problem
from pourline.kit.db import Database
from pourline.kit.errors import Retryable
from pourline.kit.ids import new_id
from pourline.kit.nats import Caller, Context
from pourline.kit.nats.requests import Refused
from pourline.pos_adapter.errors import PackageUnknown, SaleTooLarge
from pourline.pos_adapter.handlers import packages, sales
from pourline.pos_adapter.handlers.sales import Selling
from pourline.pos_adapter.invariants import INVARIANTS
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

TILL = Context(actor="till", level=1)


@dataclass
class Cellar:
    """Stands where keg-fifo is: remembers what it was asked, and refuses or is away when told."""

    asked: list[TakeStock] = field(default_factory=list)
    refuses: bool = False
    is_away: bool = False

    async def answer(self, request: Msg) -> None:
        order = TakeStock.model_validate_json(request.data)
        self.asked.append(order)
        status, body = "200", b""
        if self.is_away:
            status = "503"
        elif self.refuses:
            status = "409"
            body = Problem(
                title="x", status=409, code="package_unavailable", detail="No rum."
            ).wire()
        else:
            items = [
                {
                    "item_id": one.item_id,
                    "moved": float(one.whole + one.loose),
                    "stock_after": "7",
                    "number": len(self.asked) + 1,
                }
                for one in order.takings
            ]
            body = orjson.dumps({"transaction_id": order.transaction_id, "items": items})
        headers = {"Pourline-Status": status, "Pourline-Events": "evt.stock.moved=told"}
        client = request._client  # noqa: SLF001 nats-py answers with headers only so
        await client.publish(request.reply, body, headers=headers)


@dataclass(kw_only=True)
class Shop:
    """A pos-adapter with one item and one package of it."""

    database: Database
    clock: FakeClock
    cellar: Cellar
    selling: Selling
    item: str = ""
    package: str = ""

    async def stock_up(self) -> None:
        self.item = str(new_id())
        event = ItemCreated(
            item_id=self.item,
            name="Rum",
            unit=Unit.ML,
            tracking_enabled=True,
            consumed_by=ConsumedBy.SALE,
        )
        envelope = Envelope[ItemCreated](
            id=str(new_id()),
            type="item.created.v1",
            source="keg-fifo",
            subject="x",
            time=self.clock.now(),
            aggregate="x",
            version=1,
            data=event,
        )
        part = PackagePart(item_id=self.item, quantity=Decimal(40))
        async with self.database.transaction() as unit:
            await packages.know_items([envelope], unit)
            order = CreatePackage(name="Neat", price=900, items=[part])
            self.package = (await packages.create_package(order, unit, TILL)).id

    async def sell(self, *lines: SaleLine, transaction_id: str = "t1") -> Sale:
        order = RecordSale(lines=list(lines), transaction_id=transaction_id)
        await self.selling(order, TILL)
        async with self.database.transaction() as unit:
            return await sales.record_sale(order, unit, TILL)

    def two_packages(self) -> SaleLine:
        return SaleLine(package_id=self.package, quantity=Decimal(2))

    async def told(self) -> int:
        async with self.database.transaction() as unit:
            rows = await unit.all("SELECT FROM outbox WHERE subject = 'evt.sale.recorded'")
        return len(rows)

    async def kept(self) -> int:
        async with self.database.transaction() as unit:
            return len(await unit.all("SELECT FROM sale"))


@pytest.fixture
async def shop(fresh_database: FreshDatabase, clock: FakeClock, bus: Client) -> AsyncIterator[Shop]:
    database = Database(url=fresh_database("pos-adapter"), service="pos-adapter", clock=clock)
    await database.open()
    cellar = Cellar()
    await bus.subscribe(TakeStock.subject(), cb=cellar.answer)
    selling = Selling(database=database, caller=Caller(bus=bus))
    shop = Shop(database=database, clock=clock, cellar=cellar, selling=selling)
    await shop.stock_up()
    yield shop
    async with database.transaction() as unit:
        for rule in INVARIANTS:
            if rule.name not in {"outbox_is_published", "no_sale_is_left_half_way"}:
                assert await unit.all(rule.sql) == [], rule.name
    await database.close()


@pytest.mark.requirement("PO-4")
async def test_a_sale_asks_for_all_its_lines_at_once_and_knows_what_is_left(shop: Shop) -> None:
    single = SaleLine(item_id=shop.item, quantity=Decimal("1.5"))

    sale = await shop.sell(shop.two_packages(), single, shop.two_packages())

    [asked] = shop.cellar.asked
    [taking] = asked.takings
    assert (taking.item_id, float(taking.whole), float(taking.loose)) == (shop.item, 160, 1.5)
    assert (sale.amount, sale.is_repeat, sale.sold_by) == (3600, False, "till")
    assert await shop.told() == 1
    async with shop.database.transaction() as unit:
        row = await unit.one("SELECT stock FROM item")
    assert row["stock"] == 7


@pytest.mark.requirement("PO-4")
async def test_the_same_transaction_again_is_the_first_sale_and_nothing_is_asked(
    shop: Shop,
) -> None:
    first = await shop.sell(shop.two_packages())
    other = SaleLine(item_id=shop.item, quantity=Decimal(1))

    again = await shop.sell(other)

    assert again == first.model_copy(update={"is_repeat": True})
    assert len(shop.cellar.asked) == await shop.told() == 1


@pytest.mark.requirement("PO-4")
async def test_a_refused_sale_is_forgotten_and_may_come_again(shop: Shop) -> None:
    shop.cellar.refuses = True
    with pytest.raises(Refused) as refused:
        await shop.sell(shop.two_packages())
    assert refused.value.wire_code == "package_unavailable"
    assert await shop.kept() == 0

    shop.cellar.refuses = False
    assert not (await shop.sell(shop.two_packages())).is_repeat


@pytest.mark.requirement("PO-4")
async def test_a_sale_whose_stock_could_not_be_asked_is_finished_later(shop: Shop) -> None:
    shop.cellar.is_away = True
    with pytest.raises(Retryable):
        await shop.sell(shop.two_packages())
    assert await shop.told() == 0

    shop.cellar.is_away = False
    assert await sales.finish_left(shop.selling, shop.database) == 0, "it may be on its way"
    shop.clock.advance(seconds=31)
    assert await sales.finish_left(shop.selling, shop.database) == 1

    assert await shop.told() == 1
    assert (await shop.sell(shop.two_packages())).is_repeat


@pytest.mark.requirement("PO-4")
async def test_a_process_that_ends_between_taking_and_recording_loses_nothing(shop: Shop) -> None:
    order = RecordSale(lines=[shop.two_packages()], transaction_id="t1")
    assert await shop.selling(order, TILL) == ["evt.stock.moved=told"]
    shop.clock.advance(seconds=31)

    await sales.finish_left(shop.selling, shop.database)

    assert await shop.told() == 1
    assert len({asked.transaction_id for asked in shop.cellar.asked}) == 1


async def test_a_left_sale_that_is_refused_is_forgotten(shop: Shop) -> None:
    shop.cellar.is_away = True
    with pytest.raises(Retryable):
        await shop.sell(shop.two_packages())
    shop.cellar.is_away, shop.cellar.refuses = False, True
    shop.clock.advance(seconds=31)

    await sales.finish_left(shop.selling, shop.database)

    assert (await shop.kept(), await shop.told()) == (0, 0)


async def test_what_is_not_on_the_menu_is_not_sold(shop: Shop) -> None:
    for name in (str(new_id()), "no id"):
        with pytest.raises(PackageUnknown):
            await shop.sell(SaleLine(package_id=name, quantity=Decimal(1)))
    with pytest.raises(SaleTooLarge):
        await shop.sell(
            SaleLine(package_id=shop.package, quantity=Decimal(10**9)),
            *([SaleLine(package_id=shop.package, quantity=Decimal(10**9))] * 2),
        )
    assert shop.cellar.asked == []
