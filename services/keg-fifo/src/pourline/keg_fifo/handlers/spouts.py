"""Spouts: knowing them, calibrating their channels, showing what they poured."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pourline.contracts import cellar
from pourline.contracts import spouts as spout_contract
from pourline.contracts.base import Envelope, Listing, place, place_of
from pourline.contracts.cellar import Calibration
from pourline.contracts.spouts import SpoutEvent
from pourline.contracts.taps import SpoutChanged
from pourline.keg_fifo import domain
from pourline.keg_fifo.domain import Unit
from pourline.keg_fifo.domain.calibrating import OUTLIER_SHARE, Sample, factor_of
from pourline.keg_fifo.errors import (
    FactorOutOfRange,
    ItemUnknown,
    SampleOutlier,
    SpoutUnknown,
    UnitNotVolume,
)
from pourline.keg_fifo.handlers import stock as handle_stock
from pourline.keg_fifo.handlers.pours import drink_of
from pourline.keg_fifo.handlers.record import on_record
from pourline.keg_fifo.store import spouts, stock
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context

FACTOR_MAX = 1000
"""Millilitres: no spout lets more run between two pulses."""
NOT_MEASURED: dict[str, object] = {"samples": None, "spread": None}
BOOKED_A_ROUND = 1000
"""Waiting pours that a calibration books with one set of statements."""


async def know_spouts(
    events: Sequence[Envelope[SpoutChanged]],
    unit: UnitOfWork,
    *,
    forget: Callable[[Iterable[UUID]], None],
) -> None:
    """Know spouts, and `forget` the keys of those that changed."""
    for event in events:
        values = event.data.model_dump() | {"version": event.version}
        await spouts.save_spout(unit, values | {"device_id": UUID(event.data.device_id)})
    forget(UUID(event.data.device_id) for event in events)


async def calibrate(order: cellar.Calibrate, unit: UnitOfWork, context: Context) -> Calibration:
    """Set what a channel pours from now on, and book what it poured before its first calibration.

    Raises `SpoutUnknown`, `ItemUnknown`, `UnitNotVolume`, `SampleOutlier`, `FactorOutOfRange`.
    """
    device_id, item_id = parse_id(order.device_id), parse_id(order.item_id)
    if device_id is None or await spouts.lock_spout(unit, device_id) is None:
        raise SpoutUnknown
    items = await stock.lock_items(unit, [item_id] if item_id else [])
    if item_id is None or item_id not in items:
        raise ItemUnknown
    if items[item_id].unit is Unit.EACH:
        raise UnitNotVolume
    values = _factor(order) | {
        "id": new_id(),
        "device_id": device_id,
        "channel": order.channel,
        "item_id": item_id,
        "at": order.effective_from or unit.clock.now(),
    }
    row = await spouts.save_calibration(unit, values)
    if changed := await stock.mark_poured(unit, item_id):
        handle_stock.announce_item(unit, changed, actor=context.actor)
    await _book_waiting(unit, row, items)
    on_record(
        unit,
        "spout_calibrated",
        f"spout:{device_id}",
        actor=context.actor,
        after={
            "channel": order.channel,
            "item_id": str(item_id),
            "ml_per_pulse": str(row["ml_per_pulse"]),
            "effective_from": row["effective_from"].isoformat(),
        },
    )
    return _calibration(row)


def _factor(order: cellar.Calibrate) -> dict[str, object]:
    """Return the factor and where it comes from; samples must agree with each other."""
    if order.samples is None:
        return {"ml_per_pulse": order.ml_per_pulse, "source": "given", **NOT_MEASURED}
    samples = [Sample(pulses=one.pulses, measured_ml=one.measured_ml) for one in order.samples]
    measured = factor_of(samples)
    if measured.outliers:
        which = ", ".join(str(place + 1) for place in measured.outliers)
        raise SampleOutlier(
            f"Not within {OUTLIER_SHARE:.0%} of the middle one: sample {which} of {len(samples)}. "
            "Measure again."
        )
    if not 0 < measured.ml_per_pulse <= FACTOR_MAX:
        raise FactorOutOfRange(f"{measured.ml_per_pulse} ml a pulse is no meter's factor.")
    return {
        "ml_per_pulse": measured.ml_per_pulse,
        "source": "samples",
        "samples": len(samples),
        "spread": measured.spread,
    }


async def _book_waiting(
    unit: UnitOfWork, calibration: Row, items: Mapping[UUID, domain.Item]
) -> None:
    """Book the events that waited for a channel's first calibration, oldest first."""
    in_force = domain.Calibration(
        item_id=calibration["item_id"],
        ml_per_pulse=calibration["ml_per_pulse"],
        effective_from=calibration["effective_from"],
    )
    item = items[in_force.item_id]
    while rows := await spouts.uncalibrated_events(
        unit,
        device_id=calibration["device_id"],
        channel=calibration["channel"],
        limit=BOOKED_A_ROUND,
    ):
        drinks = [
            drink_of(
                (row["device_id"], row["event_id"]),
                row["pulses"],
                row["occurred_at"],
                in_force,
                item,
            )
            for row in rows
        ]
        await spouts.mark_booked(unit, drinks)
        await handle_stock.consume(unit, drinks, items)


async def spout_and_item_exist(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether what a malformed calibration names, as far as it does, is there."""
    device = raw.get("device_id", raw.get("deviceId"))
    if isinstance(device, str):
        device_id = parse_id(device)
        if device_id is None or await spouts.find_spout(unit, device_id) is None:
            return False
    item = raw.get("inventoryItemId", raw.get("inventory_item_id", raw.get("item_id")))
    return await handle_stock.item_exists({"item_id": item}, unit)


async def list_events(
    query: spout_contract.ListSpoutEvents, unit: UnitOfWork, context: Context
) -> Listing[SpoutEvent]:
    """Return what spouts poured, newest first."""
    del context
    device_id = parse_id(query.device_id) if query.device_id else None
    if query.device_id and device_id is None:
        return Listing[SpoutEvent](items=[])
    rows = await spouts.list_events(
        unit,
        device_id=device_id,
        between=(query.from_, query.to),
        before=_cursor(query.cursor),
        limit=query.limit + 1,
    )
    page = rows[: query.limit]
    more = len(rows) > query.limit
    last = place(page[-1]["occurred_at"], page[-1]["number"]) if more else None
    return Listing[SpoutEvent](items=[_event(row) for row in page], next=last)


def _cursor(text: str | None) -> tuple[datetime, int] | None:
    if text is None:
        return None
    at, number = place_of(text)
    return (at, int(number)) if number.isdecimal() else None


def _event(row: Row) -> SpoutEvent:
    return SpoutEvent(
        event_id=row["event_id"],
        device_id=str(row["device_id"]),
        channel=row["channel"],
        pulses=row["pulses"],
        item_id=str(row["item_id"]) if row["item_id"] else None,
        volume_ml=row["volume_ml"],
        status=row["status"],
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
    )


def _calibration(row: Row) -> Calibration:
    return Calibration(
        id=str(row["id"]),
        device_id=str(row["device_id"]),
        item_id=str(row["item_id"]),
        channel=row["channel"],
        ml_per_pulse=row["ml_per_pulse"],
        effective_from=row["effective_from"],
        source=row["source"],
        samples=row["samples"],
        spread=row["spread"],
    )
