"""Packages and what can be sold of them, kept right while stock moves."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import orjson
import pytest
from pourline.contracts.base import Envelope, Event
from pourline.contracts.cellar import ConsumedBy, ItemCreated, Unit
from pourline.contracts.packages import (
    CreatePackage,
    GetAvailability,
    GetPackageImpact,
    ListAvailability,
    ListPackages,
    Package,
    PackageAvailability,
    PackagePart,
)
from pourline.contracts.stock import ItemChanged, MovementSource, StockMoved
from pourline.contracts.taps import ConfigChanged
from pourline.kit.db import Database
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.pos_adapter.errors import ItemUnknown, PackageUnknown
from pourline.pos_adapter.handlers import config, packages
from pourline.pos_adapter.invariants import INVARIANTS
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=4)
AT = datetime.fromisoformat("2026-05-01T18:00:00Z")
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


def moved(item_id: UUID, stock: str, number: int = 1) -> Envelope[StockMoved]:
    event = StockMoved(
        entry_id=str(new_id()),
        item_id=str(item_id),
        delta=Decimal(1),
        stock_after=Decimal(stock),
        source=MovementSource.RECEIPT,
        actor="anna",
        transaction_id=str(new_id()),
        at=AT,
        occurred_at=AT,
    )
    return told(event, number)


class Menu:
    """A pos-adapter that knows items and packages."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def item(self, name: str, stock: str | None = None) -> UUID:
        item_id = new_id()
        event = ItemCreated(
            item_id=str(item_id),
            name=name,
            unit=Unit.ML,
            tracking_enabled=True,
            consumed_by=ConsumedBy.SALE,
        )
        async with self.database.transaction() as unit:
            await packages.know_items([told(event)], unit)
        if stock is not None:
            await self.stock(moved(item_id, stock))
        return item_id

    async def stock(self, *events: Envelope[StockMoved]) -> None:
        async with self.database.transaction() as unit:
            await packages.know_stock(events, unit)

    async def track(self, item_id: UUID, *, tracked: bool, version: int) -> None:
        event = ItemChanged(
            item_id=str(item_id),
            name="Rum, dark",
            unit=Unit.ML,
            tracking_enabled=tracked,
            consumed_by=ConsumedBy.SALE,
            actor="anna",
            at=AT,
        )
        async with self.database.transaction() as unit:
            await packages.know_items([told(event, version)], unit)

    async def offer(self, **parts: tuple[UUID, str]) -> Package:
        order = CreatePackage(
            name="Mojito",
            price=900,
            items=[
                PackagePart(item_id=str(item), quantity=Decimal(much))
                for item, much in parts.values()
            ],
        )
        async with self.database.transaction() as unit:
            return await packages.create_package(order, unit, STAFF)

    async def can_sell(self, package: Package) -> PackageAvailability:
        async with self.database.transaction() as unit:
            return await packages.get_availability(
                GetAvailability(package_id=package.id), unit, STAFF
            )

    async def told(self) -> Sequence[dict[str, Any]]:
        async with self.database.transaction() as unit:
            await packages.tell_changes(unit)
        async with self.database.transaction() as unit:
            rows = await unit.all(
                "SELECT payload FROM outbox WHERE subject = 'evt.package.changed' ORDER BY id"
            )
        return [orjson.loads(row["payload"])["data"] for row in rows]


@pytest.fixture
async def menu(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Menu]:
    database = Database(url=fresh_database("pos-adapter"), service="pos-adapter", clock=clock)
    await database.open()
    yield Menu(database)
    async with database.transaction() as unit:
        await packages.tell_changes(unit)
        for rule in INVARIANTS:
            if rule.name != "outbox_is_published":
                assert await unit.all(rule.sql) == [], rule.name
    await database.close()


@pytest.mark.requirement("PO-3")
async def test_a_package_says_how_many_can_be_sold_and_what_limits_it(menu: Menu) -> None:
    rum, lime = await menu.item("Rum", "700"), await menu.item("Lime", "6")

    package = await menu.offer(rum=(rum, "40"), lime=(lime, "0.5"))

    found = await menu.can_sell(package)
    assert found.max_sellable == 12
    assert found.bottleneck is not None
    assert found.bottleneck.model_dump() == {
        "item_id": str(lime),
        "name": "Lime",
        "available": 6,
        "required": Decimal("0.5"),
    }
    [event] = await menu.told()
    assert (event["package_id"], event["max_sellable"]) == (package.id, 12)


@pytest.mark.requirement("PO-3")
async def test_every_movement_of_stock_counts_at_once_and_late_ones_undo_nothing(
    menu: Menu,
) -> None:
    rum = await menu.item("Rum", "100")
    package = await menu.offer(rum=(rum, "40"))

    await menu.stock(moved(rum, "80", 2), moved(rum, "10", 4), moved(rum, "40", 3))
    assert (await menu.can_sell(package)).max_sellable == 0
    assert [event["max_sellable"] for event in await menu.told()] == [2, 0]
    await menu.stock(moved(rum, "400", 1))
    assert (await menu.can_sell(package)).max_sellable == 0
    await menu.stock(moved(rum, "120.5", 5))

    assert (await menu.can_sell(package)).max_sellable == 3
    assert [event.get("max_sellable") for event in await menu.told()] == [2, 0, 3]


@pytest.mark.requirement("PO-3")
async def test_of_parts_that_allow_equally_many_the_one_with_less_left_limits(
    menu: Menu,
) -> None:
    rum, lime = await menu.item("Rum", "79"), await menu.item("Lime", "1")
    package = await menu.offer(rum=(rum, "40"), lime=(lime, "1"))

    found = await menu.can_sell(package)

    assert found.max_sellable == 1
    assert found.bottleneck is not None
    assert found.bottleneck.item_id == str(lime)


@pytest.mark.requirement("PO-3", "SP-6")
async def test_less_than_nothing_in_stock_sells_nothing(menu: Menu) -> None:
    package = await menu.offer(rum=(await menu.item("Rum", "-5"), "1"))

    assert (await menu.can_sell(package)).max_sellable == 0


@pytest.mark.requirement("PO-3")
async def test_so_many_can_be_made_and_not_one_more(menu: Menu) -> None:
    dice = random.Random(7)  # noqa: S311 numbers, not secrets
    stock, made = {}, []
    for number in range(20):
        amount = Decimal(dice.randrange(-(10**6), 10**9)).scaleb(-dice.randrange(7))
        stock[await menu.item(f"item {number}", str(amount))] = amount
    for _ in range(50):
        parts = dice.sample(sorted(stock), dice.randrange(1, 7))
        chosen = {str(item): (item, f"{dice.randrange(1, 10**6)}e-6") for item in parts}
        made.append((await menu.offer(**chosen), chosen))

    for package, chosen in made:
        count = (await menu.can_sell(package)).max_sellable
        assert count is not None
        needs = [(Decimal(much), max(stock[item], Decimal(0))) for item, much in chosen.values()]
        assert all(count * much <= there for much, there in needs)
        assert any((count + 1) * much > there for much, there in needs)


@pytest.mark.requirement("LE-5", "PO-3")
async def test_an_item_that_is_not_tracked_limits_no_package(menu: Menu) -> None:
    rum, lime = await menu.item("Rum", "0"), await menu.item("Lime", "5")
    package = await menu.offer(rum=(rum, "40"), lime=(lime, "1"))

    await menu.track(rum, tracked=False, version=2)
    assert (await menu.can_sell(package)).max_sellable == 5
    await menu.track(rum, tracked=True, version=3)
    await menu.track(rum, tracked=False, version=2)

    found = await menu.can_sell(package)
    assert found.max_sellable == 0
    assert found.bottleneck is not None
    assert found.bottleneck.name == "Rum, dark"


@pytest.mark.requirement("LE-5")
async def test_the_switch_for_all_items_lets_every_package_be_sold(menu: Menu) -> None:
    package = await menu.offer(rum=(await menu.item("Rum", "0"), "40"))
    for version, value in enumerate((False, True), start=1):
        async with menu.database.transaction() as unit:
            change = ConfigChanged(key="inventory_tracking_enabled", value=value)
            await config.know_config([told(change, version)], unit)
        assert (await menu.can_sell(package)).max_sellable == (0 if value else None)


@pytest.mark.requirement("PO-3")
async def test_stock_that_moves_while_a_package_is_made_is_never_missed(menu: Menu) -> None:
    items = [await menu.item(f"item {number}", "0") for number in range(5)]

    async def move(item: UUID, number: int) -> None:
        for count in range(2, 12):
            await menu.stock(moved(item, str(count * (number + 1)), count))

    async def make() -> list[Package]:
        return [
            await menu.offer(one=(items[number % 5], "1"), two=(items[(number + 1) % 5], "2"))
            for number in range(10)
        ]

    async def tell() -> None:
        for _ in range(30):
            await menu.told()

    making = asyncio.create_task(make())
    await asyncio.gather(making, tell(), *(move(item, n) for n, item in enumerate(items)))

    final = [11 * (number + 1) for number in range(5)]
    for number, package in enumerate(making.result()):
        one, two = final[number % 5], final[(number + 1) % 5] // 2
        assert (await menu.can_sell(package)).max_sellable == min(one, two)
        told = [event for event in await menu.told() if event["package_id"] == package.id]
        assert told[-1]["max_sellable"] == min(one, two)


@pytest.mark.requirement("PO-3")
async def test_an_items_impact_names_the_packages_it_limits(menu: Menu) -> None:
    rum, lime = await menu.item("Rum", "100"), await menu.item("Lime", "1")
    mojito = await menu.offer(rum=(rum, "40"), lime=(lime, "1"))
    neat = await menu.offer(rum=(rum, "50"))

    async with menu.database.transaction() as unit:
        found = await packages.get_impact(GetPackageImpact(item_id=str(rum)), unit, STAFF)

    assert (found.name, float(found.available)) == ("Rum", 100)
    assert [(one.package_id, int(one.required), one.max_sellable) for one in found.items] == [
        (mojito.id, 40, 1),
        (neat.id, 50, 2),
    ]
    assert [one.is_bottleneck for one in found.items] == [False, True]


async def test_packages_are_listed_in_order_and_in_pages(menu: Menu) -> None:
    rum = await menu.item("Rum", "100")
    made = [await menu.offer(rum=(rum, "1")) for _ in range(5)]

    async with menu.database.transaction() as unit:
        first = await packages.list_packages(ListPackages(limit=3), unit, STAFF)
        rest = await packages.list_availability(
            ListAvailability(limit=3, cursor=first.next), unit, STAFF
        )

    assert first.items == made[:3]
    assert [one.package_id for one in rest.items] == [one.id for one in made[3:]]
    assert rest.next is None


async def test_what_is_not_there_is_in_no_package(menu: Menu) -> None:
    with pytest.raises(ItemUnknown):
        await menu.offer(rum=(new_id(), "1"))
    for name in (str(new_id()), "no id"):
        async with menu.database.transaction() as unit:
            with pytest.raises(PackageUnknown):
                await packages.get_availability(GetAvailability(package_id=name), unit, STAFF)
            with pytest.raises(ItemUnknown):
                await packages.get_impact(GetPackageImpact(item_id=name), unit, STAFF)
