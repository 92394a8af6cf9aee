"""Reports: sums of pours over the hours, the beverages and the days of a bar."""

from datetime import date, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pourline.contracts.reports import DAYS, GetPourReport, PourReport, PourSums, ReportBy
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.nats import Context
from pourline.ledger.domain import business_day, days_until, hours_of
from pourline.ledger.errors import TimezoneUnknown
from pourline.ledger.store import copies, reports

BEVERAGES_MAX = 100
ZONE, DAY_BEGINS = "timezone", "business_day_begins"
ZONE_DEFAULT, DAY_BEGINS_DEFAULT = "UTC", "06:00"
SUMS = ("pours", "volume_ml", "amount", "ghost_ml", "wasted_ml", "held_ml")


async def get_pour_report(query: GetPourReport, unit: UnitOfWork, context: Context) -> PourReport:
    """Return the sums that were asked for; raises `TimezoneUnknown`."""
    del context
    zone = _zone(query.timezone or await copies.find_config(unit, ZONE, default=ZONE_DEFAULT))
    begins = time.fromisoformat(
        query.day_begins
        or str(await copies.find_config(unit, DAY_BEGINS, default=DAY_BEGINS_DEFAULT))
    )
    day = query.day or business_day(unit.clock.now(), zone, begins)
    match query.by:
        case ReportBy.HOUR:
            items = await _of_spans(unit, hours_of(day, zone, begins))
        case ReportBy.DAY:
            items = await _of_days(unit, days_until(day, DAYS, zone, begins), zone)
        case ReportBy.BEVERAGE:
            items = await _of_beverages(unit, days_until(day, 1, zone, begins))
    return PourReport(by=query.by, day=day, items=items)


def _zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimezoneUnknown from error


async def _of_spans(unit: UnitOfWork, steps: list[datetime]) -> list[PourSums]:
    found = await reports.sums_of_spans(unit, steps)
    return [
        _sums(begins_at, ends_at, found.get(span))
        for span, (begins_at, ends_at) in enumerate(pairwise(steps), start=1)
    ]


async def _of_days(unit: UnitOfWork, steps: list[datetime], zone: ZoneInfo) -> list[PourSums]:
    days = await _of_spans(unit, steps)
    return [one.model_copy(update={"day": _local(one.begins_at, zone)}) for one in days]


async def _of_beverages(unit: UnitOfWork, steps: list[datetime]) -> list[PourSums]:
    begins_at, ends_at = steps
    rows = await reports.sums_of_beverages(
        unit, begins_at=begins_at, ends_at=ends_at, limit=BEVERAGES_MAX
    )
    return [
        _sums(begins_at, ends_at, row).model_copy(
            update={"beverage_id": str(row["beverage_id"]) if row["beverage_id"] else None}
        )
        for row in rows
    ]


def _local(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def _sums(begins_at: datetime, ends_at: datetime, row: Row | None) -> PourSums:
    sums = {name: row[name] if row else 0 for name in SUMS}
    return PourSums.model_validate({"begins_at": begins_at, "ends_at": ends_at, **sums})
