"""Booking movements of stock and telling of each; the switch that lets sales and pours move it."""

from collections.abc import Sequence

from pourline.contracts.base import Envelope
from pourline.contracts.spouts import MAP_PREFIX
from pourline.contracts.stock import MovementSource, StockMoved, StockShort
from pourline.contracts.taps import ConfigChanged
from pourline.keg_fifo.domain import Movement
from pourline.keg_fifo.store import configuration
from pourline.keg_fifo.store import movements as store
from pourline.keg_fifo.store.stock import TRACKING
from pourline.kit.db import Row, UnitOfWork

GOES_BY = (TRACKING, "timezone", "device_silent_minutes", "battery_low_pct")
"""The configuration keys of which keg-fifo keeps a copy, beside the vendors' maps."""


async def record(unit: UnitOfWork, movements: Sequence[Movement]) -> list[Row]:
    """Book movements in the order given and announce each, and what no batch covered.

    Their items are locked by the caller, who has moved batches and shortfalls as they say.
    """
    if not movements:
        return []
    rows = await store.save_movements(unit, movements)
    for movement, row in zip(movements, rows, strict=True):
        _announce(unit, row)
        if movement.shortfall > 0:
            _announce_short(unit, movement, row)
    return rows


def _announce(unit: UnitOfWork, row: Row) -> None:
    unit.announce(
        StockMoved(
            entry_id=str(row["id"]),
            item_id=str(row["item_id"]),
            delta=row["delta"],
            stock_after=row["stock_after"],
            source=row["source"],
            reason=row["reason"],
            actor=row["actor"],
            transaction_id=row["transaction_id"],
            at=row["at"],
            occurred_at=row["occurred_at"],
        ),
        aggregate=f"stock:{row['item_id']}",
        version=row["number"],
    )


def _announce_short(unit: UnitOfWork, movement: Movement, row: Row) -> None:
    unit.announce(
        StockShort(
            item_id=str(movement.item_id),
            shortfall=movement.shortfall,
            stock_after=row["stock_after"],
            source=MovementSource(movement.source),
            transaction_id=movement.transaction_id,
            actor=movement.actor,
            at=row["at"],
        ),
        aggregate=f"stock:{movement.item_id}",
        version=row["number"],
    )


async def know_config(events: Sequence[Envelope[ConfigChanged]], unit: UnitOfWork) -> None:
    """Know the values that the cellar goes by: whether stock is tracked, how vendors speak."""
    for event in events:
        if event.data.key in GOES_BY or event.data.key.startswith(MAP_PREFIX):
            await configuration.save(
                unit, key=event.data.key, value=event.data.value, version=event.version
            )
