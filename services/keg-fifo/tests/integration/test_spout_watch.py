"""How spouts are, and pours that are not as usual: told on change, and once a day."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from pourline.contracts.base import Envelope, Event
from pourline.contracts.cellar import Item
from pourline.contracts.device import SpoutHealth
from pourline.contracts.packages import PackageChanged, PackagePart, SaleLine, SaleRecorded
from pourline.contracts.spouts import ListSpoutHealth
from pourline.contracts.stock import CountStock
from pourline.contracts.taps import ConfigChanged
from pourline.keg_fifo import consumers
from pourline.keg_fifo.devices import HealthEdge
from pourline.keg_fifo.handlers import corrections, health, sold
from pourline.keg_fifo.handlers.anomalies import LookAtPours, LookAtSales
from pourline.kit.errors import outcome_of
from pourline.kit.ids import new_id
from pourline.kit.nats import Message
from pourline.testkit.cellar import STAFF, Cellar, open_cellar
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pydantic import ValidationError

Told = TypeVar("Told", bound=Event)


@pytest.fixture
async def bar(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Cellar]:
    async with open_cellar(fresh_database("keg-fifo"), clock) as cellar:
        yield cellar


async def says(bar: Cellar, **fields: Any) -> None:  # noqa: ANN401 a payload's field
    word = SpoutHealth.model_validate({"online": True} | fields)
    bar.clock.advance(seconds=1)
    async with bar.database.transaction() as unit:
        await health.note(unit, [(bar.device, word, bar.clock.now())])


async def hear(bar: Cellar, payload: bytes) -> None:
    """Let the spout's health come over MQTT."""
    message = Message(
        subject=f"bar.main.spout.{bar.device}.health",
        data=payload,
        headers={},
        received_at=bar.clock.now(),
        sequence=1,
        deliveries=1,
    )
    await HealthEdge(database=bar.database)([message])


async def changes(bar: Cellar) -> list[tuple[bool, bool, bool]]:
    told = await bar.told("spout.health_changed")
    return [(one["online"], one["silent"], one["battery_low"]) for one in told]


@pytest.mark.requirement("SP-10")
async def test_only_what_changes_of_a_spouts_health_is_told(bar: Cellar) -> None:
    for battery in (87, 86, 21, 19, 22, 18, 24, 26):
        await says(bar, battery_pct=battery, rssi_dbm=-60, firmware="1.2")
    await says(bar, online=False)
    await says(bar, online=False)
    await says(bar)

    assert await changes(bar) == [
        (True, False, False),
        (True, False, True),
        (True, False, False),
        (False, False, False),
        (True, False, False),
    ]
    [first, *_] = await bar.told("spout.health_changed")
    assert (first["battery_pct"], first["rssi_dbm"], first["firmware"]) == (87, -60, "1.2")
    query = ListSpoutHealth(device_ids=[str(bar.device), str(new_id()), "no id"])
    async with bar.database.transaction() as unit:
        [row] = (await health.list_health(query, unit, STAFF)).items
    assert (row.online, row.last_seen_at) == (True, bar.clock.now())
    assert row.battery_pct == 26


@pytest.mark.requirement("SP-10")
async def test_a_battery_is_low_from_the_threshold_down_and_not_from_above_it(bar: Cellar) -> None:
    for battery in ("20.01", "20", "24.99", "25", "19.5"):
        word = b'{"online": true, "battery_pct": %b}' % battery.encode()
        bar.clock.advance(seconds=1)
        await hear(bar, word)

    assert await changes(bar) == [
        (True, False, False),
        (True, False, True),
        (True, False, False),
        (True, False, True),
    ]
    *_, last = await bar.told("spout.health_changed")
    assert last["battery_pct"] == 19.5


@pytest.mark.parametrize(
    ("battery", "reason"),
    [
        ("150", "battery_pct: must be between 0 and 100"),
        ("-0.5", "battery_pct: must be between 0 and 100"),
        ('"full"', "battery_pct: must be a number"),
    ],
)
async def test_a_battery_that_cannot_be_is_refused_in_plain_words(
    bar: Cellar, battery: str, reason: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        await hear(bar, b'{"online": true, "battery_pct": %b}' % battery.encode())

    assert outcome_of(refused.value).detail == reason


@pytest.mark.requirement("SP-10")
async def test_a_spout_that_says_nothing_for_long_is_told_once_and_so_is_its_return(
    bar: Cellar,
) -> None:
    look = health.Silence(database=bar.database)
    await look()
    await bar.say(bar.signed(10, "one"))
    for hours in (23, 2, 2):
        bar.clock.advance(hours=hours)
        await look()
    await bar.say(bar.signed(10, "two"))
    await look()
    await look()

    assert await changes(bar) == [(False, True, False), (True, False, False)]


def told(bar: Cellar, data: Told) -> Envelope[Told]:
    return Envelope(
        id=str(new_id()),
        type=f"{data.TYPE}.v1",
        source="pos-adapter",
        subject="x",
        time=bar.clock.now(),
        aggregate="x",
        version=1,
        data=data,
    )


async def pour_for_days(bar: Cellar, days: int, *, ml: int = 40, a_day: int = 20) -> None:
    """Pour in the evenings from eight to midnight."""
    start = bar.clock.now().replace(hour=20, minute=0)
    for day in range(days):
        bodies = []
        for number in range(a_day):
            at = start + timedelta(days=day, minutes=number * 240 // a_day)
            pulses = ml * 2 + (number % 3)
            bodies.append(bar.signed(pulses, f"{day}-{number}", occurred_at=at.isoformat()))
        await bar.say(*bodies)
    bar.clock.advance(days=days)


@pytest.mark.requirement("SP-11")
async def test_a_pour_of_an_unusual_size_or_hour_is_told_once_a_day_with_its_reason(
    bar: Cellar,
) -> None:
    item = await bar.item()
    await bar.calibrate(item)
    look = LookAtPours(database=bar.database)
    await pour_for_days(bar, 8)
    assert await look() == 160
    assert await bar.told("pour.anomaly") == []
    night = bar.clock.now().replace(hour=4, minute=10)
    evening = night.replace(hour=21)

    for name, pulses, at in (
        ("double", 160, evening),
        ("flood", 1400, evening),
        ("again", 1600, evening),
        ("night", 80, night),
    ):
        await bar.say(bar.signed(pulses, name, occurred_at=at.isoformat()))
    assert await look() == 4
    assert await look() == 0

    found = {one["kind"]: one for one in await bar.told("pour.anomaly")}
    assert len(await bar.told("pour.anomaly")) == 2
    size, hour = found["unusual_size"], found["unusual_hour"]
    assert "700 ml in one pour; usual here is 41 ml" in size["explanation"]
    assert (size["device_id"], size["item_id"]) == (str(bar.device), item.id)
    assert "A pour at 04:10; of 140 pours on 7 days none was" in hour["explanation"]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles"])
async def test_a_spout_whose_clock_says_any_year_is_looked_at_like_the_others(
    bar: Cellar, zone: str
) -> None:
    await bar.calibrate(await bar.item())
    changed = ConfigChanged(key="timezone", value=zone)
    hear = consumers.handlers(forget=lambda _: None)[ConfigChanged]
    async with bar.database.transaction() as unit:
        await hear([told(bar, changed)], unit)
    for number, at in enumerate(("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")):
        await bar.say(bar.signed(1, f"e{number}", occurred_at=at))

    assert await LookAtPours(database=bar.database)() == 2


async def a_day_with(bar: Cellar, item: Item, sales: list[SaleRecorded]) -> list[dict[str, Any]]:
    start = bar.clock.now().replace(hour=20, minute=0)
    await bar.say(
        *(
            bar.signed(
                200, f"{number}", occurred_at=(start + timedelta(minutes=number)).isoformat()
            )
            for number in range(40)
        )
    )
    async with bar.database.transaction() as unit:
        await sold.know_sales([told(bar, one) for one in sales], unit)
    bar.clock.advance(days=2)
    look = LookAtSales(database=bar.database)
    await look()
    await look()
    return [one for one in await bar.told("pour.anomaly") if one.get("item_id") == item.id]


def sale(at: datetime, *lines: SaleLine) -> SaleRecorded:
    return SaleRecorded(
        sale_id=str(new_id()),
        transaction_id="till-1",
        location="main",
        lines=list(lines),
        amount=0,
        sold_by="anna",
        at=at,
    )


@pytest.mark.requirement("SP-11")
async def test_what_ran_in_a_day_without_a_sale_is_told_packages_counting_by_their_parts(
    bar: Cellar,
) -> None:
    item = await bar.item()
    await bar.calibrate(item)
    package = PackageChanged(
        package_id=str(new_id()),
        name="Gin tonic",
        price=900,
        items=[PackagePart(item_id=item.id, quantity=Decimal(40))],
        at=bar.clock.now(),
    )
    async with bar.database.transaction() as unit:
        await sold.know_packages([told(bar, package)], unit)
    at = bar.clock.now().replace(hour=21)
    lines = (
        SaleLine(package_id=package.package_id, quantity=Decimal(30)),
        SaleLine(item_id=item.id, quantity=Decimal(600)),
    )

    [found] = await a_day_with(bar, item, [sale(at, *lines)])

    assert found["kind"] == "no_sale"
    assert found["figures"] == {"poured_ml": 4000, "sold_ml": 1800, "unsold_ml": 2200}
    assert "4.0 l ran in a day and 1.8 l were sold" in found["explanation"]


@pytest.mark.requirement("SP-11")
async def test_a_day_that_was_sold_is_no_news_and_without_sales_nobody_can_tell(
    bar: Cellar,
) -> None:
    item, other = await bar.item(), await bar.item()
    await bar.calibrate(item)
    at = bar.clock.now().replace(hour=21)
    line = SaleLine(item_id=other.id, quantity=Decimal(1))

    assert await a_day_with(bar, item, [sale(at, line)]) == []


@pytest.mark.requirement("SP-11", "SP-12")
async def test_a_count_that_disagrees_with_what_was_measured_suggests_a_calibration(
    bar: Cellar,
) -> None:
    item = await bar.item()
    await bar.receive(item, "20000")
    await bar.calibrate(item)

    async def count(quantity: int) -> list[dict[str, Any]]:
        order = CountStock(item_id=item.id, counted=Decimal(quantity), reason="month")
        async with bar.database.transaction() as unit:
            await corrections.count_stock(order, unit, STAFF)
        return await bar.told("pour.anomaly")

    assert await count(20_000) == []
    await bar.say(bar.signed(10_000, "one"))
    assert await count(14_900) == []
    await bar.say(bar.signed(10_000, "two"))
    [drift] = await count(10_500)

    assert drift["kind"] == "calibration_drift"
    assert drift["figures"]["factor_times"] == 0.88
    assert "12.0% less is gone" in drift["explanation"]
