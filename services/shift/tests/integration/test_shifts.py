"""Shifts against the real database: one open at a location, and what happens counts once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import pytest
from nats.aio.client import Client
from pourline.contracts.base import Envelope, Event, Listing
from pourline.contracts.device import PourStatus
from pourline.contracts.evening import (
    AddShiftMember,
    GetCurrentShift,
    ListShifts,
    OpenShift,
    RemoveShiftMember,
    Shift,
    ShiftFigures,
)
from pourline.contracts.guests import AccessDenied
from pourline.contracts.money import GuestRefunded, GuestToppedUp, PourAccepted
from pourline.contracts.packages import SaleLine, SaleRecorded
from pourline.contracts.shifts import GetShiftReport
from pourline.contracts.stock import MovementSource, StockCorrected
from pourline.contracts.taps import ConfigChanged
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Caller, Context
from pourline.local.servers import NatsServer
from pourline.shift.app import build
from pourline.shift.errors import MemberUnknown
from pourline.shift.handlers import closing, figures, opening
from pourline.shift.invariants import INVARIANTS
from pourline.shift.settings import Settings
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.services import running
from pourline.testkit.until import until
from pourline.upkeep import migrations

STAFF = Context(actor="anna", level=3)
Told = TypeVar("Told", bound=Event)
NONE = ShiftFigures(pours=0, volume_ml=Decimal(0), revenue=0, topups=0, refunds=0, denials=0)


def told(event: Told) -> Envelope[Told]:
    return Envelope(
        id=str(new_id()),
        type=f"{event.TYPE}.v1",
        source=event.PRODUCER,
        subject="x",
        time=datetime.fromisoformat("2026-05-01T18:00:00Z"),
        aggregate="x",
        version=1,
        data=event,
    )


def pour(at: datetime, *, amount: int = 350, volume_ml: str = "500") -> PourAccepted:
    return PourAccepted(
        client_tx_id=str(new_id()),
        tap_id="1",
        location="main",
        volume_ml=Decimal(volume_ml),
        amount=amount,
        status=PourStatus.ACCEPTED,
        started_at=at,
        ended_at=at,
        received_at=at,
        accepted_at=at,
    )


@dataclass(kw_only=True)
class House:
    """A shift service's database and its clock."""

    database: Database
    clock: FakeClock

    async def open(self, location: str = "main") -> Shift:
        async with self.database.transaction() as unit:
            order = OpenShift(opening_float=10_000, location=location)
            return await opening.open_shift(order, unit, STAFF)

    async def close(self, shift_id: str) -> None:
        async with self.database.transaction() as unit:
            await unit.execute(
                "UPDATE shift SET status = 'closed', closed_at = %s WHERE id = %s",
                (self.clock.now(), UUID(shift_id)),
            )

    async def current(self) -> Shift:
        async with self.database.transaction() as unit:
            return await opening.get_current_shift(GetCurrentShift(), unit, STAFF)

    async def take(
        self,
        handle: Callable[[Sequence[Envelope[Told]], UnitOfWork], Awaitable[None]],
        *events: Told,
    ) -> None:
        async with self.database.transaction() as unit:
            await handle([told(event) for event in events], unit)

    async def offenders(self) -> list[str]:
        async with self.database.transaction() as unit:
            return [
                rule.name
                for rule in INVARIANTS
                if rule.name != "outbox_is_published" and await unit.all(rule.sql)
            ]


@pytest.fixture
async def house(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[House]:
    database = Database(url=fresh_database("shift"), service="shift", clock=clock)
    await database.open()
    house = House(database=database, clock=clock)
    yield house
    assert await house.offenders() == []
    await database.close()


async def test_closed_shifts_are_listed_by_weekday_newest_first(house: House) -> None:
    opened = []
    for _ in range(15):
        shift = await house.open()
        await house.take(figures.count_pours, pour(house.clock.now()))
        await house.close(shift.id)
        opened.append(shift)
        house.clock.advance(days=1)
    going_on = await house.open()

    async def listed(**fields: object) -> Listing[Shift]:
        async with house.database.transaction() as unit:
            query = ListShifts.model_validate(fields)
            return await opening.list_shifts(query, unit, STAFF)

    assert opened[0].business_day is not None
    weekday = opened[0].business_day.isoweekday()
    everyone = await listed()
    first = await listed(weekday=weekday, limit=2)
    second = await listed(weekday=weekday, limit=2, cursor=first.next)

    assert [one.id for one in everyone.items] == [one.id for one in reversed(opened)]
    assert going_on.id not in {one.id for one in everyone.items}
    assert [one.id for one in first.items] == [opened[14].id, opened[7].id]
    assert ([one.id for one in second.items], second.next) == ([opened[0].id], None)
    assert first.items[0].figures.pours == 1


def test_the_migrations_make_the_tables(fresh_database: FreshDatabase) -> None:
    migrations.differences("shift", fresh_database("shift"))


@pytest.mark.requirement("SH-1")
async def test_of_two_that_open_a_shift_at_once_one_is_refused(house: House) -> None:
    results = await asyncio.gather(house.open(), house.open(), return_exceptions=True)

    refused = [one for one in results if isinstance(one, Rejected)]
    assert [one.code for one in refused] == ["shift_already_open"]
    assert [refused[0].status] == [409]
    assert (await house.open("garden")).location == "garden"


@pytest.mark.requirement("SH-1")
async def test_members_join_the_open_shift_once(house: House) -> None:
    shift = await house.open()
    for name in ("Ben", "Cleo", "Ben"):
        async with house.database.transaction() as unit:
            order = AddShiftMember(shift_id=shift.id, member=name)
            answer = await opening.add_member(order, unit, STAFF)

    assert answer.members == ["Ben", "Cleo"]
    await house.close(shift.id)
    with pytest.raises(Rejected, match="closed"):
        async with house.database.transaction() as unit:
            await opening.add_member(order, unit, STAFF)


async def test_without_an_open_shift_there_is_no_current_one(house: House) -> None:
    with pytest.raises(Rejected) as refused:
        await house.current()

    assert refused.value.status == 404


@pytest.mark.requirement("SH-3")
async def test_the_open_shift_shows_what_happened_so_far(house: House) -> None:
    now = (await house.open()).opened_at
    paid = {"transaction_id": "t", "guest_id": "g", "balance": 0, "method": "cash", "actor": "a"}
    denied = AccessDenied(
        tap_id="1",
        location="main",
        request_id="r",
        card_uid="c",
        reason="lost_card",
        message="m",
        denied_at=now,
    )
    await house.take(figures.count_pours, pour(now), pour(now, amount=210, volume_ml="300.25"))
    await house.take(figures.count_pours, pour(now, volume_ml="0", amount=0))
    await house.take(figures.count_topups, GuestToppedUp(**paid, amount=2000, at=now))
    await house.take(figures.count_refunds, GuestRefunded(**paid, amount=500, at=now))
    await house.take(figures.count_denials, denied, denied)

    shift = await house.current()

    assert shift.figures == ShiftFigures(
        pours=2, volume_ml=Decimal("800.25"), revenue=560, topups=2000, refunds=500, denials=2
    )
    assert shift.late == NONE


@pytest.mark.requirement("SH-3")
async def test_a_late_pour_leaves_a_closed_shift_alone_and_stands_under_late(house: House) -> None:
    first = await house.open()
    await house.take(figures.count_pours, pour(first.opened_at))
    house.clock.advance(hours=8)
    await house.close(first.id)
    house.clock.advance(minutes=30)
    second = await house.open()

    await house.take(figures.count_pours, pour(first.opened_at + timedelta(hours=1)))

    shift = await house.current()
    assert (shift.id, shift.figures, shift.late.pours) == (second.id, NONE, 1)
    async with house.database.transaction() as unit:
        row = await unit.one("SELECT pours FROM shift_figure WHERE shift_id = %s", (first.id,))
    assert row["pours"] == 1


async def test_without_any_shift_a_pour_is_kept_unassigned(house: House) -> None:
    await house.take(figures.count_pours, pour(house.clock.now()))
    await house.take(figures.count_pours, pour(house.clock.now(), amount=50))

    async with house.database.transaction() as unit:
        row = await unit.one("SELECT location, pours, revenue FROM unassigned_figure")
    assert row == {"location": "main", "pours": 2, "revenue": 400}


async def test_over_the_bus_a_shift_opens_and_a_repeated_event_counts_once(
    fresh_database: FreshDatabase, nats_server: NatsServer, bus: Client, clock: FakeClock
) -> None:
    settings = Settings(nats_url=nats_server.url, database_url=fresh_database("shift"))
    async with running(await build(settings=settings, clock=clock)):
        caller = Caller(bus=bus)
        await caller.ask(OpenShift(), Shift, actor="anna")
        event = told(pour(clock.now()))
        for _ in range(2):
            await bus.jetstream().publish(PourAccepted.subject(), event.wire())
        last = told(pour(clock.now(), amount=1))
        await bus.jetstream().publish(PourAccepted.subject(), last.wire())

        async def figures() -> ShiftFigures:
            return (await caller.ask(GetCurrentShift(), Shift)).figures

        seen = await until(figures, lambda shown: shown.pours >= 2)
    assert (seen.pours, seen.revenue) == (2, 351)


@pytest.mark.requirement("SH-1")
async def test_members_join_leave_and_come_back(house: House) -> None:
    shift = await house.open()

    async def order(model: type[AddShiftMember] | type[RemoveShiftMember], name: str) -> Shift:
        async with house.database.transaction() as unit:
            if model is AddShiftMember:
                joins = AddShiftMember(shift_id=shift.id, member=name)
                return await opening.add_member(joins, unit, STAFF)
            leaves = RemoveShiftMember(shift_id=shift.id, member=name)
            return await opening.remove_member(leaves, unit, STAFF)

    await order(AddShiftMember, "ana")
    await order(AddShiftMember, "ben")
    left = await order(RemoveShiftMember, "ana")
    assert left.members == ["ben"]
    assert [(one.name, one.left_at) for one in left.team] == [
        ("ana", house.clock.now()),
        ("ben", None),
    ]
    with pytest.raises(MemberUnknown):
        await order(RemoveShiftMember, "nobody")
    assert (await order(AddShiftMember, "ana")).members == ["ana", "ben"]


@pytest.mark.requirement("SH-3")
async def test_a_shift_over_midnight_and_a_change_of_clocks_keeps_its_day(house: House) -> None:
    for version, (key, value) in enumerate(
        {"timezone": "Europe/Berlin", "business_day_begins": "05:00"}.items(), start=1
    ):
        change = ConfigChanged(key=key, value=value)
        async with house.database.transaction() as unit:
            await figures.know_config([told(change).model_copy(update={"version": version})], unit)
    evening = datetime.fromisoformat("2026-10-24T20:00:00Z")
    house.clock.advance(seconds=(evening - house.clock.now()).total_seconds())
    shift = await house.open()
    before = house.clock.now()
    for _ in range(9):
        house.clock.advance(hours=1)
        await house.take(figures.count_pours, pour(house.clock.now()))

    current = await house.current()
    assert current.business_day == shift.business_day == date(2026, 10, 24)
    assert current.figures.pours == 9
    assert house.clock.now() - before == timedelta(hours=9), "22:00 to 06:00, an hour twice"


@pytest.mark.requirement("SH-3")
async def test_sales_and_what_counts_of_the_stock_found_stand_in_the_report(house: House) -> None:
    shift = await house.open()
    now = house.clock.now()
    sale = SaleRecorded(
        sale_id="s",
        transaction_id="till-1",
        location="main",
        lines=[SaleLine(item_id="rum", quantity=Decimal(1))],
        amount=900,
        sold_by="till",
        at=now,
    )
    count = StockCorrected(
        item_id="rum",
        source=MovementSource.RECONCILIATION,
        delta=Decimal("-0.25"),
        stock_after=Decimal(1),
        transaction_id="c",
        reason="monthly",
        actor="anna",
        at=now,
    )
    adjusted = count.model_copy(update={"source": MovementSource.MANUAL_ADJUSTMENT})
    await house.take(figures.count_sales, sale, sale)
    await house.take(figures.count_discrepancies, count, count, adjusted)

    async with house.database.transaction() as unit:
        report = await closing.get_report(GetShiftReport(shift_id=shift.id), unit, STAFF)

    lines = {(line.what, line.key): line for line in report.lines}
    assert (lines["sales", "till"].count, lines["sales", "till"].amount) == (2, 1800)
    off = lines["discrepancies", "rum"]
    assert (off.count, off.quantity) == (2, Decimal("-0.5"))
