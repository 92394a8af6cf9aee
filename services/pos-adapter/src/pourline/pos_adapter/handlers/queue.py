"""Queueing what the point of sale is told, handing it over, and showing it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from pourline.contracts import evening
from pourline.contracts.base import Envelope, Event, Listing
from pourline.contracts.books import GuestCorrected
from pourline.contracts.evening import PosEvent
from pourline.contracts.money import GuestRefunded, GuestToppedUp, PourAccepted
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import parse_id
from pourline.kit.nats import Context
from pourline.pos_adapter.domain import notifications as domain
from pourline.pos_adapter.domain.notifications import Kind, Notification, Status
from pourline.pos_adapter.errors import AlreadySent, PosEventUnknown, StatusUnknown
from pourline.pos_adapter.handlers.config import configured_adapter
from pourline.pos_adapter.handlers.record import on_record
from pourline.pos_adapter.store import config
from pourline.pos_adapter.store import queue as store

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
FLAG = "FF_POS_ADAPTER_STUB"
CLAIM_LASTS = timedelta(seconds=30)
"""A batch is handed over well within this; a killed instance's batch is taken up after it."""
COUNTED_MAX = 1000
"""More that wait are not counted: a person looks at the list then."""


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


async def queue_corrections(events: Sequence[Envelope[GuestCorrected]], unit: UnitOfWork) -> None:
    """Queue each correction as what it is for a point of sale: money given back, or taken."""
    await _queue(
        unit,
        [
            _notification(
                Kind.REFUND if event.data.amount > 0 else Kind.TOPUP,
                event.data.transaction_id,
                event.data,
                more={"correction": True, "amount": abs(event.data.amount)},
            )
            for event in events
        ],
    )


def _notification(
    kind: Kind,
    reference: str,
    event: Event,
    *,
    fields: set[str] | None = None,
    more: Mapping[str, object] | None = None,
) -> Notification:
    payload = event.model_dump(mode="json", include=fields, exclude_none=True) | dict(more or {})
    return Notification(
        kind=kind, reference=reference, payload=payload, guest=payload.get("guest_id")
    )


async def _queue(unit: UnitOfWork, notifications: Iterable[Notification]) -> None:
    found = list(notifications)
    if not found or await config.find(unit, FLAG, default=True) is False:
        return
    await store.queue(unit, found, adapter=await configured_adapter(unit), at=unit.clock.now())


async def record_sent(unit: UnitOfWork, ids: Sequence[UUID], *, adapter: str) -> None:
    """Record what the point of sale took, announce it as one batch."""
    now = unit.clock.now()
    rows = await store.mark_sent(unit, ids, at=now, adapter=adapter)
    if rows:
        sent = [str(row["id"]) for row in sorted(rows, key=lambda row: int(row["number"]))]
        unit.announce(
            evening.PosEventsSent(event_ids=sent, adapter=adapter, at=now),
            aggregate=f"pos_adapter:{adapter}",
        )


async def record_answering(unit: UnitOfWork, *, adapter: str) -> None:
    """Note that the point of sale answers; where others know that it did not, tell them."""
    trouble = await store.end_trouble(unit)
    if trouble and trouble["told"]:
        unit.announce(
            evening.PosRecovered(adapter=adapter, since=trouble["since"], at=unit.clock.now()),
            aggregate=f"pos_trouble:{adapter}",
            version=_in_time(unit),
        )


async def record_refused(unit: UnitOfWork, row: Row, error: str) -> None:
    """Record a refused try and when the next one is due, if there is one."""
    status = domain.status_after_refusal(row["attempts"])
    now = unit.clock.now()
    was_queued = await store.mark_refused(
        unit,
        event_id=row["id"],
        status=status,
        error=error,
        next_attempt_at=now + domain.wait_before(row["attempts"] + 1),
    )
    if was_queued and status is Status.FAILED:
        unit.announce(
            evening.PosEventFailed(
                event_id=str(row["id"]),
                kind=row["kind"],
                reference=row["reference"],
                adapter=row["adapter"],
                error=error,
                at=now,
            ),
            aggregate=f"pos_event:{row['id']}",
        )


async def record_away(unit: UnitOfWork, *, adapter: str, error: str) -> None:
    """Note that the point of sale does not answer; after a while tell it, once."""
    now = unit.clock.now()
    trouble = await store.note_trouble(unit, error=error, at=now)
    if trouble["told"] or now - trouble["since"] < domain.TROUBLE_TOLD_AFTER:
        return
    await store.mark_trouble_told(unit)
    unit.announce(
        evening.PosFailing(
            adapter=adapter,
            error=error,
            since=trouble["since"],
            waiting=await store.count_queued(unit, COUNTED_MAX),
            at=now,
        ),
        aggregate=f"pos_trouble:{adapter}",
        version=_in_time(unit),
    )


def _in_time(unit: UnitOfWork) -> int:
    """Return a version that grows with time: failing and answering come one after the other."""
    return int(unit.clock.now().timestamp() * 1000)


async def mark_sent_by_hand(
    order: evening.MarkPosEventSent, unit: UnitOfWork, context: Context
) -> PosEvent:
    """Record that a person told the point of sale; a repeat changes nothing."""
    row = await _event(unit, order.event_id)
    now = unit.clock.now()
    for sent in await store.mark_sent(unit, [row["id"]], at=now):
        unit.announce(
            evening.PosEventSent(
                event_id=str(sent["id"]), kind=sent["kind"], adapter=sent["adapter"], at=now
            ),
            aggregate=f"pos_event:{sent['id']}",
        )
        subject, before = f"pos_event:{sent['id']}", {"status": row["status"]}
        on_record(unit, "pos_event_sent", subject, actor=context.actor, before=before)
    return event_of(await _event(unit, order.event_id))


async def retry(order: evening.RetryPosEvent, unit: UnitOfWork, context: Context) -> PosEvent:
    """Have the point of sale told again; raises `PosEventUnknown`, `AlreadySent`."""
    row = await _event(unit, order.event_id)
    if row["status"] == Status.SENT:
        raise AlreadySent
    await store.queue_again(unit, row["id"], at=unit.clock.now())
    subject, before = f"pos_event:{row['id']}", {"status": row["status"], "error": row["error"]}
    on_record(unit, "pos_event_retried", subject, actor=context.actor, before=before)
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


async def list_events(
    query: evening.ListPosEvents, unit: UnitOfWork, context: Context
) -> Listing[PosEvent]:
    """Return notifications, newest first; raises `StatusUnknown`."""
    del context
    if query.status is not None and query.status not in set(Status):
        raise StatusUnknown
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
