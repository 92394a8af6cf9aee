"""What happened to stock, on record: who corrected or counted it, and what was not there."""

from collections.abc import Sequence

from pourline.auth_lock.store import audit
from pourline.contracts.base import Envelope
from pourline.contracts.stock import ItemChanged, MovementSource, StockCorrected, StockShort
from pourline.kit.db import UnitOfWork

SHORT = "NEGATIVE_STOCK"
"""The action's name is that of requirement SP-6."""


async def record_corrections(events: Sequence[Envelope[StockCorrected]], unit: UnitOfWork) -> None:
    """Record who corrected or counted an item."""
    for event in events:
        is_count = event.data.source is MovementSource.RECONCILIATION
        await audit.record(
            unit,
            actor=event.data.actor,
            action="stock_counted" if is_count else "stock_adjusted",
            subject=f"item:{event.data.item_id}",
            reason=event.data.reason,
            after=event.data.model_dump(
                mode="json",
                include={"delta", "stock_after", "counted", "expected", "transaction_id"},
                exclude_none=True,
            ),
        )


async def record_shortfalls(events: Sequence[Envelope[StockShort]], unit: UnitOfWork) -> None:
    """Record what left the stock and no batch covered."""
    for event in events:
        await audit.record(
            unit,
            actor=event.data.actor,
            action=SHORT,
            subject=f"item:{event.data.item_id}",
            reason=event.data.source.value,
            after=event.data.model_dump(
                mode="json", include={"shortfall", "stock_after", "transaction_id"}
            ),
        )


async def record_items(events: Sequence[Envelope[ItemChanged]], unit: UnitOfWork) -> None:
    """Record who renamed an item, set its threshold or switched its tracking."""
    for event in events:
        await audit.record(
            unit,
            actor=event.data.actor,
            action="item_changed",
            subject=f"item:{event.data.item_id}",
            after=event.data.model_dump(
                mode="json",
                include={"name", "low_stock_threshold", "tracking_enabled", "consumed_by"},
                exclude_none=True,
            ),
        )
