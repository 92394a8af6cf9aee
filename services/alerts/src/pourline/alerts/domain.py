"""Which happening opens which alert, and which one ends it.

Pure functions of values. Sources: the outer contract, "Alert kinds"; requirement AL-2.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

KEG_LOW_RATIO = Decimal("0.15")
"""A keg at or below this share of its volume is low, unless `keg_low_ratio` says otherwise."""


class Severity(StrEnum):
    """How much an alert matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Kind(StrEnum):
    """What an alert is about."""

    LOST_CARD_USED = "lost_card_used"
    KEG_LOW = "keg_low"
    KEG_EMPTY = "keg_empty"
    SYNC_PENDING = "sync_pending"
    SYNC_MISMATCH = "sync_mismatch"
    POUR_HELD = "pour_held"
    GHOST_POUR = "ghost_pour"
    OVERDRAWN = "overdrawn"
    STALE_LOCK = "stale_lock"
    STOP_UNCONFIRMED = "stop_unconfirmed"
    DEVICE_OFFLINE = "device_offline"
    MISSED_POUR = "missed_pour"
    NEGATIVE_STOCK = "negative_stock"
    LOW_STOCK = "low_stock"


SEVERITIES: dict[Kind, Severity] = {
    Kind.LOST_CARD_USED: Severity.CRITICAL,
    Kind.KEG_LOW: Severity.WARNING,
    Kind.KEG_EMPTY: Severity.CRITICAL,
    Kind.SYNC_PENDING: Severity.WARNING,
    Kind.SYNC_MISMATCH: Severity.WARNING,
    Kind.POUR_HELD: Severity.WARNING,
    Kind.GHOST_POUR: Severity.WARNING,
    Kind.OVERDRAWN: Severity.WARNING,
    Kind.STALE_LOCK: Severity.WARNING,
    Kind.STOP_UNCONFIRMED: Severity.CRITICAL,
    Kind.DEVICE_OFFLINE: Severity.WARNING,
    Kind.MISSED_POUR: Severity.WARNING,
    Kind.NEGATIVE_STOCK: Severity.WARNING,
    Kind.LOW_STOCK: Severity.WARNING,
}


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What an alert stands for: one open alert a kind and subject."""

    kind: Kind
    subject_type: str
    subject_id: str


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A cause that is there, in words for staff."""

    cause: Cause
    location: str
    title: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What one happening says: causes that are there, causes that are gone."""

    opens: tuple[Breach, ...] = ()
    ends: tuple[Cause, ...] = ()


@dataclass(frozen=True, kw_only=True)
class KegLevel:
    """What is left in a keg."""

    keg_id: str
    beverage: str
    tap_id: str | None
    location: str
    volume_ml: Decimal
    remaining_ml: Decimal


def keg_findings(level: KegLevel, *, low_ratio: Decimal) -> Findings:
    """Return what a keg's level says: low, empty, or neither.

    A late pour may change the level of a keg that is off its tap: that is no news for anybody.
    """
    if level.tap_id is None:
        return keg_is_off(level.keg_id)
    low = Cause(kind=Kind.KEG_LOW, subject_type="keg", subject_id=level.keg_id)
    empty = Cause(kind=Kind.KEG_EMPTY, subject_type="keg", subject_id=level.keg_id)
    if level.remaining_ml <= 0:
        breach = Breach(
            cause=empty,
            location=level.location,
            title=f"{level.beverage} is empty",
            message=f"The keg on tap {level.tap_id} is empty. Connect another one.",
        )
        return Findings(opens=(breach,), ends=(low,))
    if level.remaining_ml > level.volume_ml * low_ratio:
        return Findings(ends=(low, empty))
    share = level.remaining_ml * 100 / level.volume_ml
    breach = Breach(
        cause=low,
        location=level.location,
        title=f"{level.beverage} is low",
        message=f"The keg on tap {level.tap_id} holds {level.remaining_ml:.0f} ml, {share:.0f} %.",
    )
    return Findings(opens=(breach,), ends=(empty,))


def keg_is_off(keg_id: str) -> Findings:
    """Return what a disconnected keg says: it is nobody's trouble any more."""
    return Findings(
        ends=(
            Cause(kind=Kind.KEG_LOW, subject_type="keg", subject_id=keg_id),
            Cause(kind=Kind.KEG_EMPTY, subject_type="keg", subject_id=keg_id),
        )
    )


def pour_findings(
    *, client_tx_id: str, tap_id: str, location: str, kind: Kind, reason: str | None
) -> Findings:
    """Return the alert that a pour out of the ordinary opens."""
    words = {
        Kind.POUR_HELD: ("A pour waits for you", f"A pour on tap {tap_id} is held: {reason}."),
        Kind.SYNC_MISMATCH: (
            "Two words on one pour",
            f"A pour on tap {tap_id} came again with other figures. No money moved.",
        ),
        Kind.GHOST_POUR: (
            "Beer ran without a card",
            f"Tap {tap_id} reported flow that nobody asked for.",
        ),
    }
    title, message = words[kind]
    cause = Cause(kind=kind, subject_type="pour", subject_id=client_tx_id)
    return Findings(opens=(Breach(cause=cause, location=location, title=title, message=message),))


def pour_is_decided(client_tx_id: str) -> Findings:
    """Return what a person's decision on a held pour ends."""
    cause = Cause(kind=Kind.POUR_HELD, subject_type="pour", subject_id=client_tx_id)
    return Findings(ends=(cause,))


def balance_findings(*, guest_id: str, location: str, balance: int) -> Findings:
    """Return what a guest's balance says: overdrawn or not."""
    cause = Cause(kind=Kind.OVERDRAWN, subject_type="guest", subject_id=guest_id)
    if balance >= 0:
        return Findings(ends=(cause,))
    breach = Breach(
        cause=cause,
        location=location,
        title="A guest owes money",
        message=f"The guest's balance is {balance} minor units.",
    )
    return Findings(opens=(breach,))


def tap_findings(*, tap_id: str, location: str, online: bool, pending_sync: int) -> Findings:
    """Return what a tap's link says: offline, or pours that wait to be booked."""
    offline = Cause(kind=Kind.DEVICE_OFFLINE, subject_type="tap", subject_id=tap_id)
    pending = Cause(kind=Kind.SYNC_PENDING, subject_type="tap", subject_id=tap_id)
    opens, ends = [], []
    if online:
        ends.append(offline)
    else:
        opens.append(
            Breach(
                cause=offline,
                location=location,
                title=f"Tap {tap_id} is offline",
                message="Its controller lost its link. A pour in it will come later.",
            )
        )
    if pending_sync == 0:
        ends.append(pending)
    else:
        opens.append(
            Breach(
                cause=pending,
                location=location,
                title=f"Tap {tap_id} has pours to book",
                message=f"{pending_sync} pours wait in its controller.",
            )
        )
    return Findings(opens=tuple(opens), ends=tuple(ends))


def stop_findings(*, tap_id: str, location: str, unconfirmed: bool) -> Findings:
    """Return what a stopped tap says: whether its valve may still be open."""
    cause = Cause(kind=Kind.STOP_UNCONFIRMED, subject_type="tap", subject_id=tap_id)
    if not unconfirmed:
        return Findings(ends=(cause,))
    breach = Breach(
        cause=cause,
        location=location,
        title=f"Tap {tap_id} does not confirm the stop",
        message="Its valve may be open. Close the tap by hand.",
    )
    return Findings(opens=(breach,))


def missed_pour_findings(*, tap_id: str, location: str, volume_ml: Decimal) -> Findings:
    """Return the alert that a meter opens which counted more than its tap reported."""
    cause = Cause(kind=Kind.MISSED_POUR, subject_type="tap", subject_id=tap_id)
    breach = Breach(
        cause=cause,
        location=location,
        title=f"A pour at tap {tap_id} is missing",
        message=f"Its meter counted some {volume_ml:.0f} ml more than it reported.",
    )
    return Findings(opens=(breach,))


def lost_card_findings(*, card_uid: str, tap_id: str, location: str) -> Findings:
    """Return the alert that a lost card on a tap opens; only a person ends it."""
    cause = Cause(kind=Kind.LOST_CARD_USED, subject_type="card", subject_id=card_uid)
    breach = Breach(
        cause=cause,
        location=location,
        title=f"A lost card is on tap {tap_id}",
        message=f"Card {card_uid} is reported lost and was put on tap {tap_id}. It stayed shut.",
    )
    return Findings(opens=(breach,))


def stale_lock_findings(
    *, tap_id: str, location: str, lock_set_at: datetime, over: bool
) -> Findings:
    """Return what a lock that stood too long says: it still stands, or it is open at last."""
    cause = Cause(kind=Kind.STALE_LOCK, subject_type="tap", subject_id=tap_id)
    if over:
        return Findings(ends=(cause,))
    since = lock_set_at.strftime("%Y-%m-%d %H:%M UTC")
    breach = Breach(
        cause=cause,
        location=location,
        title=f"Tap {tap_id} is locked for long",
        message=f"A visit holds it since {since}. Look at the tap; its pour may be in it.",
    )
    return Findings(opens=(breach,))


@dataclass(frozen=True, kw_only=True)
class Stock:
    """An item's stock, in its unit; `is_low` by its threshold, `ever_moved` since it exists."""

    item_id: str
    name: str
    quantity: Decimal
    unit: str
    threshold: Decimal | None
    is_low: bool
    ever_moved: bool


def stock_findings(stock: Stock) -> Findings:
    """Return what an item's stock says: below zero, low, both or neither.

    An item that was never in stock is no breach: nothing fell below anything.
    """
    negative = Cause(kind=Kind.NEGATIVE_STOCK, subject_type="item", subject_id=stock.item_id)
    low = Cause(kind=Kind.LOW_STOCK, subject_type="item", subject_id=stock.item_id)
    left = f"{_plain(stock.quantity)} {stock.unit}"
    opens, ends = [], []
    if stock.quantity < 0:
        message = f"The books say {left}. Count it, or enter what was received."
        opens.append(_about_stock(negative, f"{stock.name} is below zero", message))
    else:
        ends.append(negative)
    if stock.is_low and stock.ever_moved:
        message = f"{left} left; the threshold is {_plain(stock.threshold or Decimal(0))}."
        opens.append(_about_stock(low, f"{stock.name} is low", message))
    else:
        ends.append(low)
    return Findings(opens=tuple(opens), ends=tuple(ends))


def _about_stock(cause: Cause, title: str, message: str) -> Breach:
    return Breach(cause=cause, location="main", title=title, message=message)


def _plain(quantity: Decimal) -> str:
    """Return a quantity without an exponent or zeros at its end."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
