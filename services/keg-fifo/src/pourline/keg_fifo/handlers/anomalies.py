"""Looking at pours that are booked already: what is not as usual is kept and told, once a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from pourline.contracts.spouts import AnomalyKind, PourAnomaly
from pourline.keg_fifo.domain import ML_A_LITRE, Unit, anomalies
from pourline.keg_fifo.domain.anomalies import (
    DAY_BEGINS_HOUR,
    HOUR_HISTORY,
    SIZE_HISTORY,
    Finding,
    Hours,
    business_day,
    days_to_close,
)
from pourline.keg_fifo.store import anomalies as store
from pourline.keg_fifo.store import configuration
from pourline.kit.db import Database, Row, UnitOfWork
from pourline.kit.ids import new_id

LOOKED_A_ROUND = 500
ROUNDS_MAX = 10
"""Pours under load wait for a later look: nobody waits for this one."""
SALES_LATE = timedelta(hours=1)
"""A day is compared this long after it ended: receipts come with the last guests."""
DAYS_BACK = 7
"""A service that was away for longer leaves older days unlooked at."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a finding is about, and when."""

    name: str
    occurred_at: datetime
    location: str = "main"
    device_id: UUID | None = None
    channel: int | None = None
    item_id: UUID | None = None

    @property
    def key(self) -> str:
        """Return what makes a finding of a kind and a day one."""
        if self.device_id:
            return f"spout:{self.device_id}:{self.channel}"
        return f"item:{self.item_id}"


async def tell(unit: UnitOfWork, finding: Finding, about: Subject, zone: ZoneInfo) -> None:
    """Keep a finding and tell of it, unless its like was told of that day."""
    anomaly_id = new_id()
    values = {
        "id": anomaly_id,
        "kind": finding.kind.value,
        "subject": about.key,
        "business_day": business_day(about.occurred_at, zone),
        "explanation": finding.explanation,
        "figures": {name: str(value) for name, value in finding.figures.items()},
        "occurred_at": about.occurred_at,
    }
    if not await store.save(unit, values):
        return
    unit.announce(
        PourAnomaly(
            anomaly_id=str(anomaly_id),
            kind=AnomalyKind(finding.kind.value),
            device_id=str(about.device_id) if about.device_id else None,
            channel=about.channel,
            item_id=str(about.item_id) if about.item_id else None,
            name=about.name,
            location=about.location,
            explanation=finding.explanation,
            figures=dict(finding.figures),
            occurred_at=about.occurred_at,
            at=unit.clock.now(),
        ),
        aggregate=f"anomaly:{anomaly_id}",
    )


async def zone_of(unit: UnitOfWork) -> ZoneInfo:
    """Return the bar's time zone."""
    return ZoneInfo(str(await configuration.value_of(unit, "timezone", "UTC")))


class LookAtPours:
    """Compares new pours with their channel's usual size and their spout's usual hours."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._hours: dict[UUID, tuple[datetime, Hours]] = {}

    async def __call__(self) -> int:
        """Look at what is new; return how many pours were looked at."""
        looked = 0
        for _ in range(ROUNDS_MAX):
            async with self._database.transaction() as unit:
                rows = await store.take_unlooked(unit, limit=LOOKED_A_ROUND)
                if rows:
                    await self._look(unit, rows)
            looked += len(rows)
            if len(rows) < LOOKED_A_ROUND:
                break
        return looked

    async def _look(self, unit: UnitOfWork, rows: Sequence[Row]) -> None:
        zone = await zone_of(unit)
        begins: dict[tuple[UUID, int], datetime] = {}
        for row in rows:
            begins.setdefault((row["device_id"], row["channel"]), row["occurred_at"])
        sizes = await store.sizes_before(unit, begins, limit=SIZE_HISTORY)
        names = await store.name_of_spouts(unit, sorted({one for one, _ in begins}))
        for row in rows:
            history = sizes[row["device_id"], row["channel"]]
            usual = await self._usual_hours(unit, row, zone)
            for finding in (
                anomalies.unusual_size(row["volume_ml"], history),
                anomalies.unusual_hour(row["occurred_at"], zone, usual),
            ):
                if finding and row["volume_ml"] > 0:
                    await tell(unit, finding, _spout(row, names), zone)
            if row["volume_ml"] > 0:
                history.insert(0, row["volume_ml"])
                del history[SIZE_HISTORY:]

    async def _usual_hours(self, unit: UnitOfWork, row: Row, zone: ZoneInfo) -> Hours:
        """Return a spout's hours before a pour's day of business, counted once a day."""
        until = day_begins(business_day(row["occurred_at"], zone), zone)
        known = self._hours.get(row["device_id"])
        if known and known[0] == until:
            return known[1]
        hours = await store.hours_of(
            unit, row["device_id"], between=(until - HOUR_HISTORY, until), zone=zone.key
        )
        self._hours[row["device_id"]] = until, hours
        return hours


def _spout(row: Row, names: Mapping[UUID, Row]) -> Subject:
    spout = names.get(row["device_id"])
    return Subject(
        name=spout["name"] if spout else str(row["device_id"]),
        location=spout["location"] if spout else "main",
        device_id=row["device_id"],
        channel=row["channel"],
        item_id=row["item_id"],
        occurred_at=row["occurred_at"],
    )


def day_begins(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which a day of business begins."""
    return datetime.combine(day, time(DAY_BEGINS_HOUR), tzinfo=zone).astimezone(UTC)


class LookAtSales:
    """Compares what ran in each day of business with what was sold, once the day is over."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def __call__(self) -> None:
        """Look at the days that are over and were not looked at."""
        async with self._database.transaction() as unit:
            zone = await zone_of(unit)
            today = business_day(unit.clock.now() - SALES_LATE, zone)
            days = [today - timedelta(days=back) for back in range(1, DAYS_BACK + 1)]
            done = await store.days_looked_at(unit, since=days[-1])
            for day in days_to_close(days, done, today):
                if await store.close_day(unit, day):
                    await _compare(unit, day, zone)


async def _compare(unit: UnitOfWork, day: date, zone: ZoneInfo) -> None:
    begins, ends = day_begins(day, zone), day_begins(day + timedelta(days=1), zone)
    rows = await store.poured_and_sold(
        unit, between=(begins, ends), sales_since=ends - timedelta(days=DAYS_BACK)
    )
    for row in rows:
        sold_ml = row["sold"] * (ML_A_LITRE if row["unit"] == Unit.LTR else 1)
        finding = anomalies.no_sale(row["poured_ml"], Decimal(sold_ml))
        if finding:
            about = Subject(
                name=row["name"], item_id=row["id"], occurred_at=ends - timedelta(seconds=1)
            )
            await tell(unit, finding, about, zone)


async def look_at_count(
    unit: UnitOfWork, item: Row, moved: Mapping[str, Decimal], discrepancy: Decimal
) -> None:
    """Compare what spouts measured since the last count with what was counted."""
    if item["unit"] == Unit.EACH or item["counted_at"] is None:
        return
    times = ML_A_LITRE if item["unit"] == Unit.LTR else Decimal(1)
    finding = anomalies.calibration_drift(
        -moved.get("pour", Decimal(0)) * times,
        discrepancy * times,
        sold_unmeasured_ml=-moved.get("purchase", Decimal(0)) * times,
    )
    if finding:
        about = Subject(name=item["name"], item_id=item["id"], occurred_at=unit.clock.now())
        await tell(unit, finding, about, await zone_of(unit))
