"""Sums of pours: by the hour, the beverage and the business day, each pour in one span."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from pourline.contracts.reports import DAYS, GetPourReport, PourReport, ReportBy
from pourline.kit.nats import Context
from pourline.ledger.handlers import reports
from pourline.testkit.books import Books

STAFF = Context(actor="anna", level=2)


async def report(bar: Books, query: GetPourReport) -> PourReport:
    async with bar.database.transaction() as unit:
        return await reports.get_pour_report(query, unit, STAFF)


async def test_a_pour_stands_in_the_hour_in_which_it_began_and_in_no_other(bar: Books) -> None:
    await bar.top_up(10_000)
    await bar.pour(
        bar.report("tx-1", visit_id=str(bar.visit)), bar.report("tx-2", visit_id=str(bar.visit))
    )

    found = await report(bar, GetPourReport())

    with_pours = [one for one in found.items if one.pours]
    assert len(found.items) == 24
    assert [one.pours for one in with_pours] == [2]
    assert with_pours[0].begins_at <= bar.clock.now() < with_pours[0].ends_at + timedelta(hours=1)


async def test_hours_days_and_beverages_add_up_to_the_same(bar: Books) -> None:
    await bar.top_up(10_000)
    await bar.pour(
        bar.report("tx-1", visit_id=str(bar.visit)),
        bar.report("tx-2", visit_id=str(bar.visit), volume_ml=Decimal(70)),
    )

    hours = await report(bar, GetPourReport(by=ReportBy.HOUR))
    beverages = await report(bar, GetPourReport(by=ReportBy.BEVERAGE))
    days = await report(bar, GetPourReport(by=ReportBy.DAY))

    assert len(days.items) == DAYS
    assert days.items[-1].day == days.day == hours.day
    sums = [(one.pours, one.volume_ml, one.amount) for one in days.items[-1:]]
    for other in (hours, beverages):
        assert sums == [
            (
                sum(one.pours for one in other.items),
                sum((one.volume_ml for one in other.items), Decimal(0)),
                sum(one.amount for one in other.items),
            )
        ]
    assert sums[0][0] == 2


async def test_what_nobody_paid_is_told_by_its_kind_and_not_among_the_charged(bar: Books) -> None:
    await bar.pour(
        bar.report("ghost", volume_ml=Decimal(120)),
        bar.report("held", visit_id="nobody", volume_ml=Decimal(300)),
    )

    found = await report(bar, GetPourReport(by=ReportBy.DAY))

    today = found.items[-1]
    assert (today.pours, today.volume_ml, today.amount) == (0, Decimal(0), 0)
    assert (today.ghost_ml, today.held_ml) == (Decimal(120), Decimal(300))


async def test_a_day_with_a_change_of_clocks_has_25_hours(bar: Books) -> None:
    query = GetPourReport(day=date(2026, 10, 24), timezone="Europe/Berlin", day_begins="06:00")

    found = await report(bar, query)

    assert len(found.items) == 25
    assert found.items[0].begins_at == datetime(2026, 10, 24, 4, tzinfo=UTC)
    assert found.items[-1].ends_at == datetime(2026, 10, 25, 5, tzinfo=UTC)
