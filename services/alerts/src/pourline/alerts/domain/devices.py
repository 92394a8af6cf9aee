"""What taps, spouts and the point of sale say about themselves."""

from datetime import datetime
from decimal import Decimal

from pourline.alerts.domain.kinds import MAIN, Findings, Kind, breach_of, cause_of, opened


def tap_findings(*, tap_id: str, location: str, online: bool, pending_sync: int) -> Findings:
    """Return what a tap's link says: offline, or pours that wait to be booked."""
    offline = cause_of(Kind.DEVICE_OFFLINE, tap_id, subject="tap")
    pending = cause_of(Kind.SYNC_PENDING, tap_id)
    opens, ends = [], []
    if online:
        ends.append(offline)
    else:
        opens.append(breach_of(offline, location=location, device=f"Tap {tap_id}"))
    if pending_sync == 0:
        ends.append(pending)
    else:
        opens.append(breach_of(pending, location=location, tap_id=tap_id, pours=pending_sync))
    return Findings(opens=tuple(opens), ends=tuple(ends))


def stop_findings(*, tap_id: str, location: str, unconfirmed: bool) -> Findings:
    """Return what a stopped tap says: whether its valve may still be open."""
    cause = cause_of(Kind.STOP_UNCONFIRMED, tap_id)
    if not unconfirmed:
        return Findings(ends=(cause,))
    return opened(cause, location=location, tap_id=tap_id)


def missed_pour_findings(*, tap_id: str, location: str, volume_ml: Decimal) -> Findings:
    """Return the alert that a meter opens which counted more than its tap reported."""
    cause = cause_of(Kind.MISSED_POUR, tap_id)
    return opened(cause, location=location, device=f"tap {tap_id}", volume_ml=f"{volume_ml:.0f}")


def missed_spout_pour_findings(
    *, device_id: str, name: str, location: str, volume_ml: Decimal
) -> Findings:
    """Return the alert that a meter opens which counted more than its spout reported."""
    cause = cause_of(Kind.MISSED_POUR, device_id, subject="spout")
    return opened(cause, location=location, device=name, volume_ml=f"{volume_ml:.0f}")


def foam_findings(*, tap_id: str, location: str) -> Findings:
    """Return the alert that a guest's word of foam opens; only a person ends it."""
    return opened(cause_of(Kind.FOAM_REPORTED, tap_id), location=location, tap_id=tap_id)


def stale_lock_findings(
    *, tap_id: str, location: str, lock_set_at: datetime, over: bool
) -> Findings:
    """Return what a lock that stood too long says: it still stands, or it is open at last."""
    cause = cause_of(Kind.STALE_LOCK, tap_id)
    if over:
        return Findings(ends=(cause,))
    since = lock_set_at.strftime("%Y-%m-%d %H:%M UTC")
    return opened(cause, location=location, tap_id=tap_id, since=since)


def spout_findings(
    *,
    device_id: str,
    name: str,
    location: str,
    online: bool,
    battery_low: bool,
    battery_pct: Decimal | None,
) -> Findings:
    """Return what a spout's health says: silent, short of battery, or well.

    The owner of the spouts decides what is low, with a gap before it is well again.
    """
    offline = cause_of(Kind.DEVICE_OFFLINE, device_id, subject="spout")
    battery = cause_of(Kind.DEVICE_BATTERY_LOW, device_id, subject="spout")
    opens, ends = [], []
    device = f"Spout {name}"
    if online:
        ends.append(offline)
    else:
        opens.append(breach_of(offline, location=location, device=device))
    if battery_low:
        percent = "?" if battery_pct is None else f"{battery_pct:.0f}"
        opens.append(breach_of(battery, location=location, device=device, percent=percent))
    else:
        ends.append(battery)
    return Findings(opens=tuple(opens), ends=tuple(ends))


def anomaly_findings(*, subject: str, about: str, name: str, location: str, what: str) -> Findings:
    """Return the alert that pours unlike the others open; a person ends it."""
    cause = cause_of(Kind.POUR_ANOMALY, about, subject=subject)
    return opened(cause, location=location, device=name, what=what)


def pos_findings(*, adapter: str, is_failing: bool, waiting: int, reason: str) -> Findings:
    """Return what the way to the point of sale says: it fails, or it is well again."""
    cause = cause_of(Kind.POS_FAILING, adapter)
    if not is_failing:
        return Findings(ends=(cause,))
    return opened(cause, location=MAIN, waiting=waiting, reason=reason)


def refused_findings(*, event_id: str, reference: str, reason: str) -> Findings:
    """Return the alert that a notification opens which the point of sale will not have."""
    cause = cause_of(Kind.POS_FAILING, event_id, subject="pos_event")
    return opened(cause, location=MAIN, waiting=1, reason=f"{reference}: {reason}")
