"""Taking in what spouts poured: a batch is decided, booked and announced in one transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pourline.contracts.device import SpoutPourResult, SpoutStatus
from pourline.keg_fifo import domain
from pourline.keg_fifo.domain import Calibration, Drink, Item, SpoutReport
from pourline.keg_fifo.errors import SpoutInactive
from pourline.keg_fifo.handlers import stock as handle_stock
from pourline.keg_fifo.store import meters, spouts, stock
from pourline.kit.db import Database, Row, UnitOfWork

CONSUMER = "keg-fifo--spout-pour"
OTHER_CONTENT = "same_id_other_content"
WAITS = "This channel is not calibrated yet; its first calibration books the pour."

Key = tuple[UUID, str]


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Why a message is no pour of a spout that may speak; `event_id` where it can be read."""

    reason: str
    event_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A message as it came, and what it says."""

    subject: str
    payload: bytes
    received_at: datetime
    content: SpoutReport | Broken


class TakeInSpoutPours:
    """Takes in a batch of spout pours and returns an answer for each, in order."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def __call__(self, arrivals: Sequence[Arrival]) -> list[SpoutPourResult]:
        """Decide and book `arrivals` in one commit."""
        async with self._database.transaction() as unit:
            return await take_in(unit, arrivals)


async def take_in(unit: UnitOfWork, arrivals: Sequence[Arrival]) -> list[SpoutPourResult]:
    """Decide and book `arrivals`; what is rejected becomes a dead letter with its reason."""
    results = await _decide(unit, [one.content for one in arrivals])
    for arrival, result in zip(arrivals, results, strict=True):
        if result.status is SpoutStatus.REJECTED:
            await _set_aside(unit, arrival, result.reason or "")
    return results


async def _decide(
    unit: UnitOfWork, contents: Sequence[SpoutReport | Broken]
) -> list[SpoutPourResult]:
    reports = [one for one in contents if isinstance(one, SpoutReport)]
    if not reports:
        return [_rejected(one) for one in contents if isinstance(one, Broken)]
    active = await spouts.lock_reporting(unit, reports)
    await spouts.note_seen(unit, {one.device_id: one.received_at for one in reports})
    stored = await spouts.find_stored(unit, reports)
    fresh = _first_of_each([one for one in reports if one.device_id in active], stored)
    drinks = await _book(unit, list(fresh.values())) if fresh else {}
    return [
        _rejected(one)
        if isinstance(one, Broken)
        else _result(one, active=active, stored=stored, fresh=fresh, drinks=drinks)
        for one in contents
    ]


def _first_of_each(
    reports: Sequence[SpoutReport], stored: Mapping[Key, Row]
) -> dict[Key, SpoutReport]:
    first: dict[Key, SpoutReport] = {}
    for report in reports:
        if report.key not in stored:
            first.setdefault(report.key, report)
    return first


async def _book(unit: UnitOfWork, fresh: Sequence[SpoutReport]) -> dict[Key, Drink]:
    """Keep new reports, and take from the stock what the calibrated ones poured."""
    calibrations = await spouts.list_calibrations(unit, sorted({one.device_id for one in fresh}))
    found = [
        (report, calibration)
        for report in fresh
        if (calibration := _calibration_of(report, calibrations))
    ]
    items = await stock.lock_items(unit, sorted({one.item_id for _, one in found}))
    drinks = {
        report.key: drink_of(
            report.key, report.pulses, report.occurred_at, calibration, items[calibration.item_id]
        )
        for report, calibration in found
    }
    await spouts.save_events(unit, fresh, drinks)
    told: Counter[UUID] = Counter()
    for report in fresh:
        told[report.device_id] += report.pulses
    await meters.add_told(unit, told, at=unit.clock.now())
    await handle_stock.consume(unit, list(drinks.values()), items)
    return drinks


def _calibration_of(
    report: SpoutReport, calibrations: Mapping[tuple[UUID, int], Sequence[Calibration]]
) -> Calibration | None:
    channel = calibrations.get((report.device_id, report.channel), [])
    return domain.calibration_at(channel, report.occurred_at)


def drink_of(
    key: Key, pulses: int, occurred_at: datetime, calibration: Calibration, item: Item
) -> Drink:
    """Return what so many pulses are under a calibration."""
    volume_ml = domain.poured_ml(pulses, calibration.ml_per_pulse)
    return Drink(
        device_id=key[0],
        event_id=key[1],
        occurred_at=occurred_at,
        item_id=item.id,
        volume_ml=volume_ml,
        quantity=domain.quantity_of(volume_ml, item),
    )


def _result(
    report: SpoutReport,
    *,
    active: set[UUID],
    stored: Mapping[Key, Row],
    fresh: Mapping[Key, SpoutReport],
    drinks: Mapping[Key, Drink],
) -> SpoutPourResult:
    if report.device_id not in active:
        return _rejected(Broken(reason=SpoutInactive.code, event_id=report.event_id))
    first = fresh.get(report.key)
    if first is None:
        return _repeated(report, stored[report.key])
    if first.digest != report.digest:
        return _rejected(Broken(reason=OTHER_CONTENT, event_id=report.event_id))
    drink = drinks.get(report.key)
    if drink is None:
        return _waiting(report)
    return SpoutPourResult(
        event_id=report.event_id,
        status=SpoutStatus.ACCEPTED if first is report else SpoutStatus.DUPLICATE,
        volume_ml=drink.volume_ml,
    )


def _repeated(report: SpoutReport, row: Row) -> SpoutPourResult:
    """Answer a repeat: what was booked is a duplicate, what still waits is told so again."""
    if bytes(row["digest"]) != report.digest:
        return _rejected(Broken(reason=OTHER_CONTENT, event_id=report.event_id))
    if row["status"] == SpoutStatus.UNCALIBRATED:
        return _waiting(report)
    return SpoutPourResult(
        event_id=report.event_id, status=SpoutStatus.DUPLICATE, volume_ml=row["volume_ml"]
    )


def _waiting(report: SpoutReport) -> SpoutPourResult:
    return SpoutPourResult(event_id=report.event_id, status=SpoutStatus.UNCALIBRATED, reason=WAITS)


def _rejected(broken: Broken) -> SpoutPourResult:
    return SpoutPourResult(
        event_id=broken.event_id, status=SpoutStatus.REJECTED, reason=broken.reason
    )


async def _set_aside(unit: UnitOfWork, arrival: Arrival, reason: str) -> None:
    await spouts.save_dead_letter(
        unit,
        consumer=CONSUMER,
        subject=arrival.subject,
        payload=arrival.payload,
        reason=reason,
        at=arrival.received_at,
    )
