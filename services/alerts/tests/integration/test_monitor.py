"""The inventory monitor against the real database, told what the others tell."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from pourline.alerts.handlers import desk, monitor, suppressions
from pourline.alerts.handlers.config import on_config
from pourline.alerts.handlers.stock import (
    on_packages_changed,
    on_stock_changed,
    on_stock_moved,
)
from pourline.alerts.invariants import INVARIANTS
from pourline.contracts.base import Envelope, Event
from pourline.contracts.cellar import Unit
from pourline.contracts.evening import ListAlerts, ResolveAlert
from pourline.contracts.notices import (
    CheckInventory,
    CheckSummary,
    GetCooldowns,
    InventoryCheck,
    RunMonitor,
    SuppressAlerts,
    Triggered,
)
from pourline.contracts.packages import Bottleneck, PackageChanged, PackagePart
from pourline.contracts.stock import InventoryRow, MovementSource, StockChanged, StockMoved
from pourline.contracts.taps import ConfigChanged
from pourline.kit.db import Database, Row
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=3)
NOON = datetime.fromisoformat("2026-05-13T12:00:00Z")
Told = TypeVar("Told", bound=Event)


@dataclass(kw_only=True)
class Cellar:
    """What the monitor hears and is asked."""

    database: Database
    clock: FakeClock
    versions: "itertools.count[int]"

    def told(self, event: Told, about: str) -> Envelope[Told]:
        return Envelope(
            id=str(new_id()),
            type=f"{event.TYPE}.v1",
            source=event.PRODUCER,
            subject=about,
            time=self.clock.now(),
            aggregate=about,
            version=next(self.versions),
            data=event,
        )

    async def package(self, package_id: str, sellable: int | None, *, limit: str = "gin") -> None:
        """Hear how many of a package can be sold."""
        found = Bottleneck(
            item_id=limit, name=limit.title(), available=Decimal(3), required=Decimal(4)
        )
        changed = PackageChanged(
            package_id=package_id,
            name=package_id.title(),
            price=900,
            items=[PackagePart(item_id=limit, quantity=Decimal(4))],
            max_sellable=sellable,
            bottleneck=None if sellable is None else found,
            at=self.clock.now(),
        )
        async with self.database.transaction() as unit:
            await on_packages_changed([self.told(changed, f"package:{package_id}")], unit)

    async def stock(self, quantity: int, *, item: str = "gin", tracked: bool = True) -> None:
        """Hear how much of an item is left."""
        row = InventoryRow(
            item_id=item,
            name=item.title(),
            unit=Unit.ML,
            current_stock=Decimal(quantity),
            low_stock=False,
            negative=quantity < 0,
            tracking_enabled=tracked,
            last_activity_at=self.clock.now(),
            version=1,
        )
        async with self.database.transaction() as unit:
            await on_stock_changed([self.told(StockChanged(row=row), f"stock:{item}")], unit)

    async def moved(
        self,
        delta: int,
        *,
        item: str = "gin",
        at: datetime | None = None,
        source: MovementSource = MovementSource.POUR,
    ) -> None:
        """Hear of a movement."""
        movement = StockMoved(
            entry_id=str(new_id()),
            item_id=item,
            delta=Decimal(delta),
            stock_after=Decimal(0),
            source=source,
            actor="spout",
            transaction_id=str(new_id()),
            at=self.clock.now(),
            occurred_at=at or self.clock.now(),
        )
        async with self.database.transaction() as unit:
            await on_stock_moved([self.told(movement, f"item:{item}")], unit)

    async def configure(self, **values: object) -> None:
        async with self.database.transaction() as unit:
            for key, value in values.items():
                change = ConfigChanged(key=key, value=value)
                await on_config([self.told(change, f"config:{key}")], unit)

    async def check(self, **body: object) -> InventoryCheck:
        async with self.database.transaction() as unit:
            order = CheckInventory.model_validate(body)
            return await monitor.check_inventory(order, unit, STAFF)

    async def full(self) -> CheckSummary:
        summary = (await self.check()).data.summary
        assert summary is not None
        return summary

    async def look(self, package_id: str) -> Triggered:
        result = (await self.check(package_id=package_id)).data.result
        assert result is not None
        return result

    async def cooldowns(self) -> dict[str, int]:
        async with self.database.transaction() as unit:
            return (await monitor.cooldowns(GetCooldowns(), unit, STAFF)).data.by_type

    async def standing(self) -> list[tuple[str, str]]:
        async with self.database.transaction() as unit:
            listed = await desk.list_alerts(ListAlerts(), unit, STAFF)
        return sorted((one.kind, one.subject.id) for one in listed.items if one.state != "resolved")

    async def resolve_all(self) -> None:
        async with self.database.transaction() as unit:
            for one in (await desk.list_alerts(ListAlerts(), unit, STAFF)).items:
                if one.state != "resolved":
                    await desk.resolve_alert(ResolveAlert(alert_id=one.id), unit, STAFF)

    async def rows(self, sql: str) -> list[Row]:
        async with self.database.transaction() as unit:
            return await unit.all(sql)

    async def letters(self) -> list[tuple[str, str]]:
        rows = await self.rows("SELECT type, payload FROM notification ORDER BY number")
        return [(row["type"], row["payload"]["kind"]) for row in rows]


@pytest.fixture
async def cellar(fresh_database: FreshDatabase) -> AsyncIterator[Cellar]:
    clock = FakeClock(NOON)
    database = Database(url=fresh_database("alerts"), service="alerts", clock=clock)
    await database.open()
    cellar = Cellar(database=database, clock=clock, versions=itertools.count(1))
    yield cellar
    rules = [rule for rule in INVARIANTS if rule.name != "outbox_is_published"]
    assert [rule.name for rule in rules if await cellar.rows(rule.sql)] == []
    await database.close()


@pytest.mark.requirement("AL-3", "AL-10")
async def test_a_package_that_cannot_be_sold_is_told_once_and_ends_with_its_cause(
    cellar: Cellar,
) -> None:
    await cellar.package("spritz", 9)
    well = await cellar.full()
    await cellar.package("spritz", 0)
    assert await cellar.standing() == [], "a run opens it, not the news"
    short, again = await cellar.full(), await cellar.full()

    assert [one.notifications_sent for one in (well, short, again)] == [0, 1, 0]
    assert [one.packages_checked for one in (well, short, again)] == [1, 1, 1]
    assert await cellar.standing() == [("package_unavailable", "spritz")]
    assert await cellar.letters() == [("alert", "package_unavailable")]
    await cellar.package("spritz", 5)
    assert await cellar.standing() == []


@pytest.mark.requirement("AL-3")
async def test_a_package_is_low_below_a_fifth_of_what_is_usual(cellar: Cellar) -> None:
    seen = []
    await cellar.package("spritz", 10)
    cellar.clock.advance(days=3)
    for sellable in (2, 1, 0, 1, 10):
        await cellar.package("spritz", sellable)
        await cellar.full()
        seen.append([kind for kind, _ in await cellar.standing()])
        await cellar.configure(notification_cooldown_hours=0)

    low, gone = ["package_low_stock"], ["package_unavailable"]
    assert seen == [[], low, gone, low, []]


@pytest.mark.requirement("AL-3")
async def test_the_thresholds_are_configuration(cellar: Cellar) -> None:
    await cellar.package("spritz", 10)
    await cellar.package("sour", 4)
    await cellar.package("spritz", 4)
    assert (await cellar.full()).notifications_sent == 0

    await cellar.configure(package_low_stock_ratio=0.5, bottleneck_min_packages=1)
    assert (await cellar.full()).bottlenecks_detected == 1

    kinds = [kind for kind, _ in await cellar.standing()]
    assert kinds == ["package_bottleneck", "package_low_stock"]


async def test_a_package_without_tracked_parts_is_looked_at_and_its_alert_ends(
    cellar: Cellar,
) -> None:
    await cellar.package("spritz", 0)
    await cellar.full()
    await cellar.package("spritz", None)
    summary = await cellar.full()

    assert (summary.packages_checked, summary.notifications_sent) == (1, 0)
    assert await cellar.standing() == []
    await cellar.package("sour", 9)
    assert (await cellar.full()).packages_checked == 2


@pytest.mark.requirement("AL-3")
async def test_an_item_that_holds_up_two_packages_is_a_bottleneck_until_one_is_well(
    cellar: Cellar,
) -> None:
    for name in ("spritz", "sour"):
        await cellar.package(name, 0)
    await cellar.package("mojito", 0, limit="rum")
    found = await cellar.check(check_bottlenecks=True)
    before = await cellar.standing()
    await cellar.package("sour", 7)

    assert found.data.type == "bottleneck_check"
    assert [(one.reference, one.triggered) for one in found.data.results or []] == [("gin", True)]
    assert before == [("package_bottleneck", "gin")]
    assert await cellar.standing() == []


@pytest.mark.requirement("AL-3", "RT-2")
async def test_a_package_and_the_bottlenecks_are_looked_at_in_one_check(cellar: Cellar) -> None:
    for name in ("spritz", "sour"):
        await cellar.package(name, 0)

    found = (await cellar.check(package_id="sour", check_bottlenecks=True)).data

    assert found.type == "package_check"
    assert found.result is not None
    assert (found.result.reference, found.result.triggered) == ("sour", True)
    assert [(one.reference, one.triggered) for one in found.results or []] == [("gin", True)]
    assert await cellar.standing() == [
        ("package_bottleneck", "gin"),
        ("package_unavailable", "sour"),
    ]


@pytest.mark.requirement("AL-3")
async def test_a_cooldown_holds_back_a_second_alert_for_a_day_and_then_reminds(
    cellar: Cellar,
) -> None:
    await cellar.package("spritz", 0)
    looks = [await cellar.look("spritz")]
    await cellar.resolve_all()
    looks.append(await cellar.look("spritz"))
    assert await cellar.standing() == []
    assert await cellar.cooldowns() == {"package_unavailable": 1}
    cellar.clock.advance(hours=24)
    assert await cellar.cooldowns() == {}
    looks.append(await cellar.look("spritz"))
    cellar.clock.advance(hours=24)
    looks.append(await cellar.look("spritz"))

    assert [(one.triggered, one.reason) for one in looks] == [
        (True, None),
        (False, "cooldown"),
        (True, None),
        (True, None),
    ]
    assert [kind for kind, _ in await cellar.letters()] == ["alert", "alert", "reminder"]
    log = await cellar.rows("SELECT id FROM notification ORDER BY number")
    assert [str(row["id"]) for row in log] == [
        one.notification_id for one in looks if one.triggered
    ]


async def test_an_unknown_package_is_refused_and_a_healthy_one_is_well(cellar: Cellar) -> None:
    await cellar.package("spritz", 9)

    with pytest.raises(Rejected) as refused:
        await cellar.look("nothing")
    assert refused.value.wire_code == "not_found"
    well = await cellar.look("spritz")
    assert (well.triggered, well.reason) == (False, "healthy")


@pytest.mark.requirement("RT-2")
async def test_an_answer_has_the_shape_that_its_callers_know(cellar: Cellar) -> None:
    await cellar.package("spritz", 0)
    everything = {"package_id": "spritz", "check_bottlenecks": True, "check_all": True}

    assert (await cellar.check(**everything)).model_dump(mode="json") == {
        "success": True,
        "data": {
            "type": "full_check",
            "summary": {
                "packages_checked": 1,
                "notifications_sent": 1,
                "bottlenecks_detected": 0,
                "errors": [],
            },
        },
    }
    async with cellar.database.transaction() as unit:
        run = await monitor.run_monitor(RunMonitor(), unit, STAFF)
    assert run.model_dump(mode="json") == {
        "success": True,
        "data": {
            "success": True,
            "timestamp": "2026-05-13T12:00:00Z",
            "duration_ms": 0,
            "summary": {
                "packages_checked": 1,
                "notifications_sent": 0,
                "bottlenecks_detected": 0,
                "errors": [],
            },
        },
    }


@pytest.mark.requirement("AL-10")
async def test_the_monitor_runs_by_itself_every_ten_minutes_also_after_a_restart(
    cellar: Cellar,
) -> None:
    runs = []
    for minutes in (0, 9, 1, 0, 10):
        cellar.clock.advance(minutes=minutes)
        async with cellar.database.transaction() as unit:
            runs.append(await monitor.run_if_due(unit))

    assert runs == [True, False, True, False, True]


@pytest.mark.requirement("AL-3", "PO-5")
async def test_an_item_that_will_be_gone_within_a_week_is_told_until_it_is_restocked(
    cellar: Cellar,
) -> None:
    for day in range(1, 29):
        await cellar.moved(-100, at=NOON - timedelta(days=day))
    await cellar.moved(-500, source=MovementSource.RECONCILIATION)
    seen = []
    for left in (900, 750, 300, 900):
        await cellar.stock(left)
        await cellar.full()
        seen.append(await cellar.standing())

    found = [("stockout_predicted", "gin")]
    assert seen == [[], found, found, []]


@pytest.mark.requirement("PO-5")
async def test_what_is_not_tracked_or_taken_back_is_no_consumption(cellar: Cellar) -> None:
    await cellar.moved(-700, at=NOON - timedelta(days=1), source=MovementSource.PURCHASE)
    await cellar.stock(300)
    await cellar.full()
    assert await cellar.standing() == [("stockout_predicted", "gin")]

    await cellar.stock(300, tracked=False)
    assert await cellar.standing() == []
    await cellar.moved(700, at=NOON - timedelta(days=1), source=MovementSource.PURCHASE)
    await cellar.configure(notification_cooldown_hours=0)
    await cellar.stock(300)
    await cellar.full()

    assert await cellar.standing() == []


@pytest.mark.requirement("AL-9")
async def test_a_suppressed_package_is_an_alert_and_no_letter(cellar: Cellar) -> None:
    async with cellar.database.transaction() as unit:
        order = SuppressAlerts.model_validate(
            {"subject": "spritz", "until": NOON + timedelta(hours=1), "reason": "delivery at one"}
        )
        await suppressions.suppress(order, unit, STAFF)
    await cellar.package("spritz", 0)
    look = await cellar.look("spritz")

    assert (look.triggered, look.reason) == (False, "suppressed")
    assert await cellar.standing() == [("package_unavailable", "spritz")]
    assert await cellar.letters() == []
