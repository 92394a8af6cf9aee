"""What taps, locks and cards tell."""

from collections.abc import Sequence

from pourline.alerts.domain import devices, pours
from pourline.alerts.domain.kinds import Findings
from pourline.alerts.handlers.opening import apply, no_old_news
from pourline.contracts.base import Envelope
from pourline.contracts.evening import PosEventFailed, PosFailing, PosRecovered
from pourline.contracts.guests import LockStale, LostCardUsed, PourMissed
from pourline.contracts.spouts import PourAnomaly, SpoutHealthChanged, SpoutPourMissed
from pourline.contracts.taps import FoamReported, TapStateChanged
from pourline.kit.db import UnitOfWork


async def on_tap_states(events: Sequence[Envelope[TapStateChanged]], unit: UnitOfWork) -> None:
    """Look at the newest word on each tap's link."""
    newest = [event.data for event in await no_old_news(unit, events)]
    findings = [
        devices.tap_findings(
            tap_id=tap.tap_id,
            location=tap.location,
            online=tap.online or not tap.was_ever_online,
            pending_sync=tap.pending_sync,
        )
        for tap in newest
    ]
    findings += [
        devices.stop_findings(
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
            devices.missed_pour_findings(
                tap_id=event.data.tap_id,
                location=event.data.location,
                volume_ml=event.data.volume_ml,
            )
            for event in events
        ],
    )


async def on_missed_spout_pours(
    events: Sequence[Envelope[SpoutPourMissed]], unit: UnitOfWork
) -> None:
    """Tell staff of what ran from a spout and that no pour told of."""
    await apply(
        unit,
        [
            devices.missed_spout_pour_findings(
                device_id=event.data.device_id,
                name=event.data.name,
                location=event.data.location,
                volume_ml=event.data.volume_ml,
            )
            for event in events
        ],
    )


async def on_foam(events: Sequence[Envelope[FoamReported]], unit: UnitOfWork) -> None:
    """Tell staff of foam that a guest reported; an alert that stands is not told twice."""
    told = (event.data for event in events)
    await apply(
        unit,
        [devices.foam_findings(tap_id=one.tap_id, location=one.location) for one in told],
    )


async def on_lost_cards(events: Sequence[Envelope[LostCardUsed]], unit: UnitOfWork) -> None:
    """Tell staff at once of a lost card on a tap."""
    await apply(
        unit,
        [
            pours.lost_card_findings(
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
            devices.stale_lock_findings(
                tap_id=event.data.tap_id,
                location=event.data.location,
                lock_set_at=event.data.lock_set_at,
                over=event.data.over,
            )
            for event in sorted(await no_old_news(unit, events), key=lambda one: one.data.at)
        ],
    )


async def on_spout_health(events: Sequence[Envelope[SpoutHealthChanged]], unit: UnitOfWork) -> None:
    """Look at the newest word on each spout: gone, silent, short of battery, or well."""
    newest = [event.data for event in await no_old_news(unit, events)]
    await apply(
        unit,
        [
            devices.spout_findings(
                device_id=spout.device_id,
                name=spout.name,
                location=spout.location,
                online=spout.online,
                battery_low=spout.battery_low,
                battery_pct=spout.battery_pct,
            )
            for spout in newest
        ],
    )


async def on_anomalies(events: Sequence[Envelope[PourAnomaly]], unit: UnitOfWork) -> None:
    """Tell staff of pours that fit no pattern."""
    await apply(unit, [_anomaly(event.data) for event in events])


def _anomaly(told: PourAnomaly) -> Findings:
    subject = "spout" if told.device_id else "item"
    return devices.anomaly_findings(
        subject=subject,
        about=told.device_id or told.item_id or told.anomaly_id,
        name=told.name,
        location=told.location,
        what=told.explanation,
    )


async def on_pos_failing(events: Sequence[Envelope[PosFailing]], unit: UnitOfWork) -> None:
    """Tell staff that the point of sale does not answer."""
    await apply(
        unit,
        [
            devices.pos_findings(
                adapter=event.data.adapter,
                is_failing=True,
                waiting=event.data.waiting,
                reason=event.data.error,
            )
            for event in await no_old_news(unit, events)
        ],
    )


async def on_pos_recovered(events: Sequence[Envelope[PosRecovered]], unit: UnitOfWork) -> None:
    """End what stands about a point of sale that answers again."""
    await apply(
        unit,
        [
            devices.pos_findings(adapter=event.data.adapter, is_failing=False, waiting=0, reason="")
            for event in await no_old_news(unit, events)
        ],
    )


async def on_pos_failed(events: Sequence[Envelope[PosEventFailed]], unit: UnitOfWork) -> None:
    """Tell staff of a notification that the point of sale will not have."""
    await apply(
        unit,
        [
            devices.refused_findings(
                event_id=event.data.event_id,
                reference=event.data.reference,
                reason=event.data.error,
            )
            for event in events
        ],
    )
