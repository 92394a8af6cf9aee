"""Holds against the real database while flags let grants share them or outlive their visit."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from pourline.contracts.device import PourResult
from pourline.contracts.money import GetGrant, GetVisitMoney, Grant, Hold, PlaceHold, TopUp
from pourline.kit.db import Database
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.ledger.domain import Report
from pourline.ledger.handlers import money
from pourline.ledger.handlers.pours import TakeInPours
from pourline.ledger.invariants import INVARIANTS
from pourline.ledger.store import copies
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=5)


@dataclass(kw_only=True)
class Bar:
    """A ledger that knows one guest's visit with 10.00, and two taps at 5.00 a litre."""

    database: Database
    clock: FakeClock
    guest: UUID
    visit: UUID

    async def hold(self, tap_id: str = "1", **changes: object) -> Hold:
        fields: dict[str, object] = {
            "grant_id": str(new_id()),
            "request_id": str(new_id()),
            "visit_id": str(self.visit),
            "guest_id": str(self.guest),
            "tap_id": tap_id,
            "location": "main",
            "price_per_litre": 500,
            "keg_limit_ml": Decimal(50_000),
            "min_pour_ml": Decimal(50),
        }
        order = PlaceHold.model_validate(fields | changes)
        async with self.database.transaction() as unit:
            return await money.place_hold(order, unit, STAFF)

    async def grant(self, grant_id: str) -> Grant:
        async with self.database.transaction() as unit:
            return await money.get_grant(GetGrant(grant_id=grant_id), unit, STAFF)

    async def pour(self, grant_id: str, tap_id: str = "1", volume_ml: int = 300) -> PourResult:
        report = Report(
            client_tx_id=str(new_id()),
            short_id="000001",
            tap_id=tap_id,
            location="main",
            volume_ml=Decimal(volume_ml),
            received_at=self.clock.now(),
            grant_id=grant_id,
            digest=grant_id.encode(),
        )
        [answer] = await TakeInPours(database=self.database)([report])
        return answer.result

    async def held(self) -> int:
        async with self.database.transaction() as unit:
            query = GetVisitMoney(visit_id=str(self.visit), guest_id=str(self.guest))
            return (await money.get_visit_money(query, unit, STAFF)).held

    async def close_visit(self, at: datetime) -> None:
        async with self.database.transaction() as unit:
            await copies.close_visit(unit, visit_id=self.visit, guest_id=self.guest, closed_at=at)


@pytest.fixture
async def bar(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Bar]:
    database = Database(url=fresh_database("ledger"), service="ledger", clock=clock)
    await database.open()
    bar = Bar(database=database, clock=clock, guest=new_id(), visit=new_id())
    before, beverage = clock.now() - timedelta(hours=1), new_id()
    async with database.transaction() as unit:
        await copies.save_visit(unit, visit_id=bar.visit, guest_id=bar.guest, opened_at=before)
        await copies.save_price(unit, beverage_id=beverage, from_at=before, price_per_litre=500)
        for tap_id in ("1", "2"):
            await copies.connect_keg(
                unit, tap_id=tap_id, keg_id=new_id(), beverage_id=beverage, at=before
            )
        await money.top_up(TopUp(guest_id=str(bar.guest), amount=1000), unit, STAFF)
    yield bar
    async with database.transaction() as unit:
        rules = [rule for rule in INVARIANTS if rule.name != "outbox_is_published"]
        assert [rule.name for rule in rules if await unit.all(rule.sql)] == []
    await database.close()


@pytest.mark.requirement("LK-7")
async def test_grants_at_two_taps_share_one_hold_and_each_pour_settles_its_own(bar: Bar) -> None:
    first = await bar.hold("1")
    second = await bar.hold("2", shares_hold=True)
    both = await bar.held()
    poured = await bar.pour(first.grant_id, "1")
    one_left = await bar.held()
    states = [(await bar.grant(one.grant_id)).state for one in (first, second)]
    await bar.pour(second.grant_id, "2")

    assert {first.max_volume_ml, second.max_volume_ml} == {Decimal(2000)}
    assert (both, one_left, await bar.held()) == (1000, 1000, 0)
    assert (poured.status, poured.amount) == ("accepted", 150)
    assert states == ["captured", "pending"]


@pytest.mark.requirement("LK-7")
async def test_a_shared_hold_is_renewed_at_its_own_tap_only(bar: Bar) -> None:
    first = await bar.hold("1")
    second = await bar.hold("2", shares_hold=True)
    third = await bar.hold("2", shares_hold=True)

    grants = (first, second, third)
    states = [(await bar.grant(one.grant_id)).state for one in grants]
    assert states == ["pending", "superseded", "pending"]


@pytest.mark.requirement("LK-2")
async def test_with_the_tap_lock_a_newer_grant_takes_every_hold_of_the_visit_over(bar: Bar) -> None:
    first = await bar.hold("1")
    second = await bar.hold("2", shares_hold=True)
    third = await bar.hold("2")

    grants = (first, second, third)
    states = [(await bar.grant(one.grant_id)).state for one in grants]
    assert states == ["superseded", "superseded", "pending"]


@pytest.mark.requirement("LK-7")
@pytest.mark.parametrize(("allowed", "status"), [(True, "accepted"), (False, "held")])
async def test_a_pour_after_the_visit_closed_is_billed_where_the_grant_allowed_it(
    bar: Bar, *, allowed: bool, status: str
) -> None:
    await bar.close_visit(bar.clock.now())
    bar.clock.advance(minutes=1)
    grant = await bar.hold(visit_closed=allowed)

    assert (await bar.pour(grant.grant_id)).status == status


@pytest.mark.requirement("LK-8")
async def test_a_settled_grant_says_its_pour_and_is_not_renewed(bar: Bar) -> None:
    grant = await bar.hold()
    renewed = await bar.hold(renews=grant.grant_id)
    await bar.pour(renewed.grant_id, volume_ml=250)

    settled = await bar.grant(renewed.grant_id)
    with pytest.raises(Rejected) as refused:
        await bar.hold(renews=renewed.grant_id)

    assert refused.value.wire_code == "grant_settled"
    assert settled.state == "captured"
    assert settled.pour is not None
    assert (settled.pour.volume_ml, settled.pour.amount) == (Decimal(250), 125)
    assert (settled.pour.visit_id, settled.pour.guest_id) == (str(bar.visit), str(bar.guest))
    assert (await bar.grant(str(new_id()))).pour is None
