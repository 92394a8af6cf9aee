"""The inventory monitor: what is short or will be, told once a day at most while it lasts.

A run opens alerts; they end by themselves as soon as their cause is gone, between runs too. The
cooldown of a kind and reference holds back both a second alert and a second letter; when it is
over and the cause is still there, people are reminded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from pourline.alerts.domain import packages, prediction
from pourline.alerts.domain.kinds import Breach, Cause, Findings, Kind, cause_of
from pourline.alerts.domain.notices import Occasion
from pourline.alerts.errors import PackageUnknown
from pourline.alerts.handlers.opening import end, open_breach, write_to_people
from pourline.alerts.store import alerts, inventory, known, notifications
from pourline.contracts import notices
from pourline.contracts.notices import CheckSummary, Triggered
from pourline.kit.db import UnitOfWork
from pourline.kit.ids import new_id
from pourline.kit.nats import Context

EVERY = timedelta(minutes=10)
"""How often the monitor runs by itself (AL-10)."""
HEALTHY = "healthy"
COOLING_DOWN = "cooldown"
SUPPRESSED = "suppressed"


@dataclass(frozen=True, kw_only=True)
class Measures:
    """The thresholds in force, and what time it is."""

    at: datetime
    today: date
    low_ratio: Decimal
    prediction_days: int
    bottleneck_packages: int
    cooldown: timedelta

    @property
    def cooling_since(self) -> datetime:
        """A cooldown that began after this still runs."""
        return self.at - self.cooldown


async def bar_zone(unit: UnitOfWork) -> ZoneInfo:
    """Return the bar's time zone."""
    return ZoneInfo(await known.text(unit, "timezone", "UTC"))


async def _measures(unit: UnitOfWork) -> Measures:
    at = unit.clock.now()
    hours = await known.number(unit, "notification_cooldown_hours", packages.COOLDOWN_HOURS)
    return Measures(
        at=at,
        today=prediction.business_day(at, await bar_zone(unit)),
        low_ratio=await known.ratio(unit, "package_low_stock_ratio", packages.LOW_RATIO),
        prediction_days=await known.number(
            unit, "stockout_prediction_days", prediction.PREDICTION_DAYS
        ),
        bottleneck_packages=await known.number(
            unit, "bottleneck_min_packages", packages.BOTTLENECK_PACKAGES
        ),
        cooldown=timedelta(hours=hours),
    )


async def check_inventory(
    order: notices.CheckInventory, unit: UnitOfWork, context: Context
) -> notices.InventoryCheck:
    """Check what is asked for, a package, bottlenecks or both, else all; raises `PackageUnknown`.

    The answer to both is a package's, with the looks at bottlenecks beside it.
    """
    del context
    if order.package_id is not None and not await inventory.knows_package(unit, order.package_id):
        raise PackageUnknown
    if order.check_all or (order.package_id is None and not order.check_bottlenecks):
        summary = (await _run(unit)).summary
        return notices.InventoryCheck(data=notices.CheckData(type="full_check", summary=summary))
    await inventory.one_run_at_a_time(unit)
    measures = await _measures(unit)
    result = results = None
    if order.package_id is not None:
        result = await _check_package(unit, measures, order.package_id)
    if order.check_bottlenecks:
        stands = await inventory.stands(unit, today=measures.today)
        results = await _check_bottlenecks(unit, measures, stands)
    kind = "package_check" if result else "bottleneck_check"
    data = notices.CheckData(type=kind, result=result, results=results)
    return notices.InventoryCheck(data=data)


async def run_monitor(
    order: notices.RunMonitor, unit: UnitOfWork, context: Context
) -> notices.MonitorRun:
    """Run every check, as the timetable does."""
    del order, context
    return notices.MonitorRun(data=await _run(unit))


async def run_if_due(unit: UnitOfWork) -> bool:
    """Run every check if nobody did for ten minutes; return whether it was due."""
    await inventory.one_run_at_a_time(unit)
    last = await inventory.last_run(unit)
    if last is not None and unit.clock.now() - last < EVERY:
        return False
    await _run(unit)
    return True


async def cooldowns(
    query: notices.GetCooldowns, unit: UnitOfWork, context: Context
) -> notices.Cooldowns:
    """Return how many cooldowns run, by kind."""
    del query, context
    running = await inventory.cooldowns(unit, since=(await _measures(unit)).cooling_since)
    data = notices.CooldownData(total_entries=sum(running.values()), by_type=running)
    return notices.Cooldowns(data=data)


async def _run(unit: UnitOfWork) -> notices.MonitorResult:
    """Look at everything, and keep what it came to."""
    await inventory.one_run_at_a_time(unit)
    measures = await _measures(unit)
    await inventory.forget_cooldowns(unit, until=measures.cooling_since - EVERY)
    stands = await inventory.stands(unit, today=measures.today)
    looks: list[Triggered] = []
    for stand in stands:
        found = packages.package_findings(stand, ratio=measures.low_ratio)
        looks += await _tell(unit, measures, found)
    held_up = await _check_bottlenecks(unit, measures, stands)
    looks += held_up
    looks += await _check_supplies(unit, measures)
    duration = unit.clock.now() - measures.at
    summary = CheckSummary(
        packages_checked=len(stands),
        notifications_sent=sum(look.triggered for look in looks),
        bottlenecks_detected=len(held_up),
        errors=[],
    )
    result = notices.MonitorResult(
        success=True,
        timestamp=measures.at,
        duration_ms=max(0, duration // timedelta(milliseconds=1)),
        summary=summary,
    )
    fields = summary.model_dump() | {"at": measures.at, "duration_ms": result.duration_ms}
    await inventory.save_run(unit, run_id=new_id(), fields=fields)
    return result


async def _check_package(unit: UnitOfWork, measures: Measures, package_id: str) -> Triggered:
    found = await _package_findings(unit, measures, package_id)
    looks = await _tell(unit, measures, found)
    healthy = Triggered(triggered=False, reference=package_id, reason=HEALTHY)
    return looks[0] if looks else healthy


async def _package_findings(unit: UnitOfWork, measures: Measures, package_id: str) -> Findings:
    [stand] = await inventory.stands(unit, today=measures.today, package_id=package_id)
    return packages.package_findings(stand, ratio=measures.low_ratio)


async def _check_bottlenecks(
    unit: UnitOfWork, measures: Measures, stands: Sequence[packages.Stand]
) -> list[Triggered]:
    return await _tell(unit, measures, await _bottleneck_findings(unit, measures, stands))


async def _bottleneck_findings(
    unit: UnitOfWork, measures: Measures, stands: Sequence[packages.Stand]
) -> Findings:
    held_up: Mapping[str, list[packages.Stand]] = packages.bottlenecks(
        stands, ratio=measures.low_ratio, at_least=measures.bottleneck_packages
    )
    standing = await alerts.standing_subjects(unit, Kind.PACKAGE_BOTTLENECK)
    return packages.bottleneck_findings(held_up, standing)


async def _check_supplies(unit: UnitOfWork, measures: Measures) -> list[Triggered]:
    since = measures.today - timedelta(days=prediction.WEEKS * prediction.WEEK)
    supplies = await inventory.supplies(unit, since=since)
    looks: list[Triggered] = []
    for supply in supplies:
        found = prediction.stockout_findings(
            supply, today=measures.today, within_days=measures.prediction_days
        )
        looks += await _tell(unit, measures, found)
    known_items = {supply.item_id for supply in supplies}
    for item_id in await alerts.standing_subjects(unit, Kind.STOCKOUT_PREDICTED):
        if item_id not in known_items:
            await end(unit, cause_of(Kind.STOCKOUT_PREDICTED, item_id))
    return looks


async def _tell(unit: UnitOfWork, measures: Measures, found: Findings) -> list[Triggered]:
    """End what is gone; tell of what is there, unless it was told of a short while ago."""
    await _end_all(unit, found)
    return [await _tell_one(unit, measures, breach) for breach in found.opens]


async def _tell_one(unit: UnitOfWork, measures: Measures, breach: Breach) -> Triggered:
    cause = breach.cause
    standing = await alerts.standing_alert(unit, cause)
    begun = await inventory.begin_cooldown(
        unit, cause, at=measures.at, since=measures.cooling_since
    )
    if not begun and not standing:
        return _look(cause, reason=COOLING_DOWN)
    opened = await open_breach(unit, breach)
    if not begun:
        return _look(cause, reason=COOLING_DOWN)
    row = opened or standing
    if row is None or row["suppressed_until"] is not None:
        return _look(cause, reason=SUPPRESSED)
    if opened:
        return _look(cause, notification_id=await notifications.newest_of(unit, row["id"]))
    reminder = await write_to_people(unit, row, Occasion.REMINDER)
    return _look(cause, notification_id=reminder)


def _look(
    cause: Cause, *, notification_id: object | None = None, reason: str | None = None
) -> Triggered:
    return Triggered(
        triggered=reason is None,
        type=cause.kind.value,
        reference=cause.subject_id,
        notification_id=str(notification_id) if notification_id else None,
        reason=reason,
    )


async def _end_all(unit: UnitOfWork, found: Findings) -> None:
    for cause in found.ends:
        await end(unit, cause)


async def end_package_alerts(unit: UnitOfWork, package_id: str) -> None:
    """End a package's alerts whose cause is gone."""
    await _end_all(unit, await _package_findings(unit, await _measures(unit), package_id))


async def end_bottlenecks(unit: UnitOfWork) -> None:
    """End the alerts of items that hold up too few packages now."""
    measures = await _measures(unit)
    stands = await inventory.stands(unit, today=measures.today)
    await _end_all(unit, await _bottleneck_findings(unit, measures, stands))


async def end_stockouts(unit: UnitOfWork, items: Sequence[str]) -> None:
    """End the predictions for items that will not run out any more."""
    standing = set(await alerts.standing_subjects(unit, Kind.STOCKOUT_PREDICTED)) & set(items)
    if not standing:
        return
    measures = await _measures(unit)
    since = measures.today - timedelta(days=prediction.WEEKS * prediction.WEEK)
    supplies = await inventory.supplies(unit, since=since, items=sorted(standing))
    for supply in supplies:
        found = prediction.stockout_findings(
            supply, today=measures.today, within_days=measures.prediction_days
        )
        await _end_all(unit, found)
    for item_id in sorted(standing - {supply.item_id for supply in supplies}):
        await end(unit, cause_of(Kind.STOCKOUT_PREDICTED, item_id))


async def package_exists(raw: dict[str, object], unit: UnitOfWork) -> bool:
    """Return whether the package that a malformed check is about is there; none is none."""
    named = raw.get("package_id")
    return not isinstance(named, str) or await inventory.knows_package(unit, named)
