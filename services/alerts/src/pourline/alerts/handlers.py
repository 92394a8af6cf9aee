"""Opening, acknowledging and ending alerts."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from pourline.alerts import domain, store
from pourline.alerts.domain import Breach, Findings, KegLevel, Kind
from pourline.alerts.errors import AlertOver, AlertUnknown
from pourline.contracts import evening
from pourline.contracts.base import Envelope, Event, Listing
from pourline.contracts.books import GuestCorrected, PourDecided
from pourline.contracts.cellar import (
    KegConnected,
    KegDisconnected,
    KegLevelChanged,
)
from pourline.contracts.device import AlertSubject
from pourline.contracts.evening import Alert, AlertChanged
from pourline.contracts.guests import LockStale, LostCardUsed, PourMissed
from pourline.contracts.money import GuestToppedUp, PourAccepted, PourHeld, PourMismatched
from pourline.contracts.stock import StockChanged
from pourline.contracts.taps import ConfigChanged, TapStateChanged
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context

MAIN = "main"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
State = TypeVar("State", bound=Event)


async def apply(unit: UnitOfWork, findings: Iterable[Findings]) -> None:
    """Open what is there and has no alert, end what is gone; each announced once."""
    for found in findings:
        for cause in found.ends:
            if ended := await store.end_alert(unit, cause):
                _announce(unit, ended, evening.AlertResolved, actor="system")
        for breach in found.opens:
            await _open(unit, breach)


async def _open(unit: UnitOfWork, breach: Breach) -> None:
    alert_id = new_id()
    if not await store.open_alert(unit, alert_id=alert_id, breach=breach):
        return
    if row := await store.find_alert(unit, alert_id):
        _announce(unit, row, evening.AlertOpened, actor=None)


async def _no_old_news(
    unit: UnitOfWork, events: Sequence[Envelope[State]]
) -> list[Envelope[State]]:
    """Return the newest of `events` about each thing, unless a newer one came before."""
    newest = {event.aggregate: event for event in sorted(events, key=lambda one: one.version)}
    fresh = await store.note_newest(unit, {about: one.version for about, one in newest.items()})
    return [event for about, event in newest.items() if about in fresh]


async def on_keg_levels(events: Sequence[Envelope[KegLevelChanged]], unit: UnitOfWork) -> None:
    """Look at the newest level of each keg."""
    ratio = await store.keg_low_ratio(unit)
    levels = [
        KegLevel(**_keg(event.data), tap_id=event.data.tap_id)
        for event in await _no_old_news(unit, events)
    ]
    await apply(unit, [domain.keg_findings(level, low_ratio=ratio) for level in levels])


async def on_kegs_connected(events: Sequence[Envelope[KegConnected]], unit: UnitOfWork) -> None:
    """Look at a keg as it is connected."""
    ratio = await store.keg_low_ratio(unit)
    await apply(
        unit,
        [
            domain.keg_findings(
                KegLevel(**_keg(event.data), tap_id=event.data.tap_id), low_ratio=ratio
            )
            for event in await _no_old_news(unit, events)
        ],
    )


def _keg(level: KegLevelChanged | KegConnected) -> dict[str, Any]:
    return {
        "keg_id": level.keg_id,
        "beverage": level.beverage_name,
        "location": getattr(level, "location", MAIN),
        "volume_ml": level.volume_ml,
        "remaining_ml": level.remaining_ml,
    }


async def on_kegs_disconnected(
    events: Sequence[Envelope[KegDisconnected]], unit: UnitOfWork
) -> None:
    """End the alerts of kegs that are off."""
    await apply(
        unit,
        [domain.keg_is_off(event.data.keg_id) for event in await _no_old_news(unit, events)],
    )


async def on_pours_accepted(events: Sequence[Envelope[PourAccepted]], unit: UnitOfWork) -> None:
    """Look for flow that nobody asked for, and for guests who owe."""
    pours = [event.data for event in events]
    findings = [_about_pour(pour, Kind.GHOST_POUR) for pour in pours if pour.ghost]
    charged = {
        pour.guest_id: pour
        for pour in sorted(pours, key=_accepted_at)
        if pour.guest_id and pour.balance is not None
    }
    fresh = await store.note_newest(
        unit, {_purse(guest_id): _accepted_at(pour) for guest_id, pour in charged.items()}
    )
    findings += [
        domain.balance_findings(
            guest_id=guest_id, location=pour.location, balance=pour.balance or 0
        )
        for guest_id, pour in charged.items()
        if _purse(guest_id) in fresh and (pour.balance or 0) < 0
    ]
    await apply(unit, findings)


async def on_pours_held(events: Sequence[Envelope[PourHeld]], unit: UnitOfWork) -> None:
    """Tell staff of pours that wait for a person."""
    news = await _no_old_news(unit, events)
    await apply(unit, [_about_pour(event.data, Kind.POUR_HELD) for event in news])


async def on_pours_decided(events: Sequence[Envelope[PourDecided]], unit: UnitOfWork) -> None:
    """End the alerts of pours that a person decided."""
    news = await _no_old_news(unit, events)
    await apply(unit, [domain.pour_is_decided(event.data.client_tx_id) for event in news])


async def on_corrections(events: Sequence[Envelope[GuestCorrected]], unit: UnitOfWork) -> None:
    """End or open the alert of a guest whose account was set right."""
    moved = {event.data.guest_id: event.data for event in events}
    fresh = await store.note_newest(
        unit, {_purse(guest_id): _microseconds(one.at) for guest_id, one in moved.items()}
    )
    await apply(
        unit,
        [
            domain.balance_findings(guest_id=guest_id, location=MAIN, balance=one.balance)
            for guest_id, one in moved.items()
            if _purse(guest_id) in fresh
        ],
    )


async def on_pours_mismatched(events: Sequence[Envelope[PourMismatched]], unit: UnitOfWork) -> None:
    """Tell staff of two words on one pour."""
    await apply(unit, [_about_pour(event.data, Kind.SYNC_MISMATCH) for event in events])


def _purse(guest_id: str) -> str:
    return f"balance:{guest_id}"


def _accepted_at(pour: PourAccepted) -> int:
    return _microseconds(pour.accepted_at)


def _microseconds(at: datetime) -> int:
    """Return an instant as a number: what one account's balances are ordered by."""
    return int((at - EPOCH) / timedelta(microseconds=1))


def _about_pour(pour: PourAccepted | PourHeld | PourMismatched, kind: Kind) -> Findings:
    return domain.pour_findings(
        client_tx_id=pour.client_tx_id,
        tap_id=pour.tap_id,
        location=pour.location,
        kind=kind,
        reason=pour.reason,
    )


async def on_topups(events: Sequence[Envelope[GuestToppedUp]], unit: UnitOfWork) -> None:
    """End the alert of a guest who paid."""
    topups = sorted((event.data for event in events), key=lambda topup: topup.at)
    paid = {topup.guest_id: topup for topup in topups}
    fresh = await store.note_newest(
        unit, {_purse(guest_id): _microseconds(one.at) for guest_id, one in paid.items()}
    )
    await apply(
        unit,
        [
            domain.balance_findings(guest_id=guest_id, location=MAIN, balance=one.balance)
            for guest_id, one in paid.items()
            if _purse(guest_id) in fresh and one.balance >= 0
        ],
    )


async def on_tap_states(events: Sequence[Envelope[TapStateChanged]], unit: UnitOfWork) -> None:
    """Look at the newest word on each tap's link."""
    newest = [event.data for event in await _no_old_news(unit, events)]
    findings = [
        domain.tap_findings(
            tap_id=tap.tap_id,
            location=tap.location,
            online=tap.online or not tap.was_ever_online,
            pending_sync=tap.pending_sync,
        )
        for tap in newest
    ]
    findings += [
        domain.stop_findings(
            tap_id=tap.tap_id, location=tap.location, unconfirmed=tap.stop_unconfirmed
        )
        for tap in newest
    ]
    await apply(unit, findings)


async def on_missed_pours(events: Sequence[Envelope[PourMissed]], unit: UnitOfWork) -> None:
    """Tell staff of beer that ran and that no pour told of."""
    await apply(
        unit,
        [
            domain.missed_pour_findings(
                tap_id=event.data.tap_id,
                location=event.data.location,
                volume_ml=event.data.volume_ml,
            )
            for event in events
        ],
    )


async def on_lost_cards(events: Sequence[Envelope[LostCardUsed]], unit: UnitOfWork) -> None:
    """Tell staff at once of a lost card on a tap."""
    await apply(
        unit,
        [
            domain.lost_card_findings(
                card_uid=event.data.card_uid,
                tap_id=event.data.tap_id,
                location=event.data.location,
            )
            for event in events
        ],
    )


async def on_stale_locks(events: Sequence[Envelope[LockStale]], unit: UnitOfWork) -> None:
    """Tell staff of locks that stand too long, until they are open."""
    await apply(
        unit,
        [
            domain.stale_lock_findings(
                tap_id=event.data.tap_id,
                location=event.data.location,
                lock_set_at=event.data.lock_set_at,
                over=event.data.over,
            )
            for event in sorted(await _no_old_news(unit, events), key=lambda one: one.data.at)
        ],
    )


async def on_stock_changed(events: Sequence[Envelope[StockChanged]], unit: UnitOfWork) -> None:
    """Look at each item's stock, step by step: a breach is told of once until it is over.

    Every word counts, not the newest alone: what was restocked and fell again is a new breach.
    """
    for event in sorted(events, key=lambda one: one.version):
        if not await _no_old_news(unit, [event]):
            continue
        row = event.data.row
        stock = domain.Stock(
            item_id=row.item_id,
            name=row.name,
            quantity=row.current_stock,
            unit=row.unit.value,
            threshold=row.low_stock_threshold,
            is_low=row.low_stock,
            ever_moved=row.last_activity_at is not None,
        )
        await _apply_once(unit, domain.stock_findings(stock))


async def _apply_once(unit: UnitOfWork, found: Findings) -> None:
    """Apply findings; a breach whose alert staff resolved opens none until it was over."""
    for cause in found.ends:
        await store.end_breach(unit, cause)
    opens = [
        breach
        for breach in found.opens
        if await store.begin_breach(unit, breach.cause) or await store.has_alert(unit, breach.cause)
    ]
    await apply(unit, [Findings(opens=tuple(opens), ends=found.ends)])


async def on_config(events: Sequence[Envelope[ConfigChanged]], unit: UnitOfWork) -> None:
    """Know configuration values."""
    for event in events:
        await store.save_config(
            unit, key=event.data.key, value=event.data.value, version=event.version
        )


async def list_alerts(
    query: evening.ListAlerts, unit: UnitOfWork, context: Context
) -> Listing[Alert]:
    """Return alerts, newest first."""
    del context
    rows = await store.list_alerts(
        unit,
        severity=query.severity.value if query.severity else None,
        state=query.state.value if query.state else None,
        before=int(query.cursor) if query.cursor and query.cursor.isdecimal() else None,
        limit=query.limit + 1,
    )
    page = rows[: query.limit]
    more = len(rows) > query.limit
    return Listing[Alert](
        items=[alert_of(row) for row in page], next=str(page[-1]["number"]) if more else None
    )


async def acknowledge_alert(
    order: evening.AcknowledgeAlert, unit: UnitOfWork, context: Context
) -> Alert:
    """Record who deals with an alert; raises `AlertUnknown`, `AlertOver`."""
    alert_id = await _standing(unit, order.alert_id)
    row = await store.acknowledge(
        unit, alert_id=alert_id, actor=context.actor, comment=order.comment
    )
    _announce(unit, row, evening.AlertAcknowledged, actor=context.actor)
    return alert_of(row)


async def resolve_alert(order: evening.ResolveAlert, unit: UnitOfWork, context: Context) -> Alert:
    """Record who ended an alert; raises `AlertUnknown`, `AlertOver`."""
    alert_id = await _standing(unit, order.alert_id)
    row = await store.resolve(unit, alert_id=alert_id, actor=context.actor, comment=order.comment)
    _announce(unit, row, evening.AlertResolved, actor=context.actor)
    return alert_of(row)


async def _standing(unit: UnitOfWork, text: str) -> UUID:
    alert_id = parse_id(text)
    row = await store.find_alert(unit, alert_id) if alert_id else None
    if alert_id is None or row is None:
        raise AlertUnknown
    if row["state"] == evening.AlertState.RESOLVED:
        raise AlertOver
    return alert_id


async def alert_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the alert that a malformed message is about is there."""
    alert_id = parse_id(str(raw.get("alert_id", "")))
    return alert_id is not None and await store.find_alert(unit, alert_id) is not None


def _announce(unit: UnitOfWork, row: Row, model: type[AlertChanged], *, actor: str | None) -> None:
    unit.announce(
        model(
            alert_id=str(row["id"]),
            kind=row["kind"],
            severity=row["severity"],
            location=row["location"],
            actor=actor,
            at=unit.clock.now(),
        ),
        aggregate=f"alert:{row['id']}",
        version=row["version"],
    )


def alert_of(row: Row) -> Alert:
    """Return an alert's row as the contract shows it."""
    return Alert(
        id=str(row["id"]),
        alert_id=str(row["id"]),
        severity=row["severity"],
        kind=row["kind"],
        title=row["title"],
        message=row["message"],
        subject=AlertSubject(type=row["subject_type"], id=row["subject_id"]),
        state=row["state"],
        opened_at=row["opened_at"],
        acknowledged_by=row["acknowledged_by"],
        resolved_at=row["resolved_at"],
        resolved_by=row["resolved_by"],
        comment=row["comment"],
        priority=row["priority"],
    )
