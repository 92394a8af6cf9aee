"""Queueing what the point of sale is told, handing it over, and showing it."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from pourline.contracts import evening
from pourline.contracts.base import Envelope, Event, Listing
from pourline.contracts.evening import PosEvent
from pourline.contracts.money import GuestRefunded, GuestToppedUp, PourAccepted
from pourline.contracts.taps import ConfigChanged
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import parse_id
from pourline.kit.nats import Context
from pourline.pos_adapter import domain, store
from pourline.pos_adapter.domain import Kind, Notification
from pourline.pos_adapter.errors import AlreadySent, PosEventUnknown

POUR_FIELDS = {
    "client_tx_id",
    "short_id",
    "tap_id",
    "location",
    "visit_id",
    "guest_id",
    "beverage_id",
    "volume_ml",
    "amount",
    "price_per_litre",
    "started_at",
    "ended_at",
}
"""What a point of sale has use for; the rest is between our services."""
ADAPTER = "pos_adapter"
FLAG = "FF_POS_ADAPTER_STUB"
CLAIM_LASTS = timedelta(seconds=30)
"""A batch is handed over well within this; a killed instance's batch is taken up after it."""


async def queue_pours(events: Sequence[Envelope[PourAccepted]], unit: UnitOfWork) -> None:
    """Queue each pour that cost something."""
    await _queue(
        unit,
        [
            _notification(Kind.POUR, pour.client_tx_id, pour, fields=POUR_FIELDS)
            for pour in (event.data for event in events)
            if pour.amount > 0
        ],
    )


async def queue_topups(events: Sequence[Envelope[GuestToppedUp]], unit: UnitOfWork) -> None:
    """Queue each top-up."""
    paid = [event.data for event in events]
    await _queue(unit, [_notification(Kind.TOPUP, one.transaction_id, one) for one in paid])


async def queue_refunds(events: Sequence[Envelope[GuestRefunded]], unit: UnitOfWork) -> None:
    """Queue each refund."""
    paid = [event.data for event in events]
    await _queue(unit, [_notification(Kind.REFUND, one.transaction_id, one) for one in paid])


def _notification(
    kind: Kind, reference: str, event: Event, *, fields: set[str] | None = None
) -> Notification:
    payload = event.model_dump(mode="json", include=fields, exclude_none=True)
    return Notification(kind=kind, reference=reference, payload=payload)


async def _queue(unit: UnitOfWork, notifications: Iterable[Notification]) -> None:
    found = list(notifications)
    if not found or await store.find_config(unit, FLAG, default=True) is False:
        return
    await store.queue(unit, found, adapter=await configured_adapter(unit), at=unit.clock.now())


async def know_config(events: Sequence[Envelope[ConfigChanged]], unit: UnitOfWork) -> None:
    """Know configuration values."""
    for event in events:
        await store.save_config(
            unit, key=event.data.key, value=event.data.value, version=event.version
        )


async def configured_adapter(unit: UnitOfWork) -> str:
    """Return the name of the adapter that is to be used."""
    return str(await store.find_config(unit, ADAPTER, default=domain.ADAPTER_DEFAULT))


async def record_sent(unit: UnitOfWork, ids: Sequence[UUID]) -> None:
    """Record what the point of sale took and announce each once."""
    now = unit.clock.now()
    rows = await store.mark_sent(unit, ids, at=now)
    for row in sorted(rows, key=lambda row: int(row["number"])):
        unit.announce(
            evening.PosEventSent(
                event_id=str(row["id"]), kind=row["kind"], adapter=row["adapter"], at=now
            ),
            aggregate=f"pos_event:{row['id']}",
        )


async def mark_sent_by_hand(
    order: evening.MarkPosEventSent, unit: UnitOfWork, context: Context
) -> PosEvent:
    """Record that a person told the point of sale; a repeat changes nothing."""
    del context
    row = await _event(unit, order.event_id)
    await record_sent(unit, [row["id"]])
    return event_of(await _event(unit, order.event_id))


async def retry(order: evening.RetryPosEvent, unit: UnitOfWork, context: Context) -> PosEvent:
    """Have the point of sale told again; raises `PosEventUnknown`, `AlreadySent`."""
    del context
    row = await _event(unit, order.event_id)
    if row["status"] == domain.Status.SENT:
        raise AlreadySent
    await store.queue_again(unit, row["id"], at=unit.clock.now())
    return event_of(await _event(unit, order.event_id))


async def event_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the notification that a malformed message is about is there."""
    event_id = parse_id(str(raw.get("event_id", "")))
    return event_id is not None and await store.find_event(unit, event_id) is not None


async def _event(unit: UnitOfWork, text: str) -> Row:
    event_id = parse_id(text)
    row = await store.find_event(unit, event_id) if event_id else None
    if row is None:
        raise PosEventUnknown
    return row


async def record_failure(unit: UnitOfWork, row: Row, error: str) -> None:
    """Record a failed try and when the next one is due, if there is one."""
    wait = domain.wait_before(row["attempts"] + 1)
    await store.mark_failed(
        unit,
        event_id=row["id"],
        status=domain.status_after_failure(row["attempts"]),
        error=error,
        next_attempt_at=unit.clock.now() + wait,
    )


async def list_events(
    query: evening.ListPosEvents, unit: UnitOfWork, context: Context
) -> Listing[PosEvent]:
    """Return notifications, newest first."""
    del context
    rows = await store.list_events(
        unit,
        status=query.status,
        before=int(query.cursor) if query.cursor and query.cursor.isdecimal() else None,
        limit=query.limit + 1,
    )
    page = rows[: query.limit]
    more = len(rows) > query.limit
    return Listing[PosEvent](
        items=[event_of(row) for row in page], next=str(page[-1]["number"]) if more else None
    )


def event_of(row: Row) -> PosEvent:
    """Return a notification's row as the contract shows it."""
    return PosEvent(
        id=str(row["id"]), **{name: row[name] for name in PosEvent.model_fields if name != "id"}
    )
