"""Every kind of alert as data: how grave, in which words, about what, and what it does.

Sources: the outer contract, "Alert kinds"; requirements AL-1 to AL-3; seed 004, "Notification
Types" (urgent is published as critical, high as warning).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MAIN = "main"
"""What belongs to no place of its own is told at the bar's first location."""


class Severity(StrEnum):
    """How much an alert matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


GRAVITY = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


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
    DEVICE_BATTERY_LOW = "device_battery_low"
    MISSED_POUR = "missed_pour"
    FOAM_REPORTED = "foam_reported"
    NEGATIVE_STOCK = "negative_stock"
    LOW_STOCK = "low_stock"
    PACKAGE_UNAVAILABLE = "package_unavailable"
    PACKAGE_LOW_STOCK = "package_low_stock"
    PACKAGE_BOTTLENECK = "package_bottleneck"
    STOCKOUT_PREDICTED = "stockout_predicted"
    POUR_ANOMALY = "pour_anomaly"
    POS_FAILING = "pos_failing"
    MAIL_FAILING = "mail_failing"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One row of the matrix.

    `title` and `message` are filled in with the finding's words. `ends_itself` says that the
    cause's end resolves it; the others wait for a person. `mailed` at its opening; what is
    critical is mailed whatever stands here.
    """

    severity: Severity
    title: str
    message: str
    subject: str
    ends_itself: bool = True
    mailed: bool = False
    priority: str | None = None


def _warning(
    subject: str, title: str, message: str, *, ends_itself: bool = True, mailed: bool = False
) -> Rule:
    return Rule(
        severity=Severity.WARNING,
        title=title,
        message=message,
        subject=subject,
        ends_itself=ends_itself,
        mailed=mailed,
    )


def _critical(subject: str, title: str, message: str, *, ends_itself: bool = True) -> Rule:
    return Rule(
        severity=Severity.CRITICAL,
        title=title,
        message=message,
        subject=subject,
        ends_itself=ends_itself,
        mailed=True,
    )


def _urgent(subject: str, title: str, message: str) -> Rule:
    return Rule(
        severity=Severity.CRITICAL,
        title=title,
        message=message,
        subject=subject,
        mailed=True,
        priority="urgent",
    )


def _high(subject: str, title: str, message: str) -> Rule:
    return Rule(
        severity=Severity.WARNING,
        title=title,
        message=message,
        subject=subject,
        mailed=True,
        priority="high",
    )


RULES: Mapping[Kind, Rule] = {
    Kind.LOST_CARD_USED: _critical(
        "card",
        "A lost card is on tap {tap_id}",
        "Card {card_uid} is reported lost and was put on tap {tap_id}. It stayed shut.",
        ends_itself=False,
    ),
    Kind.KEG_LOW: _warning(
        "keg", "{beverage} is low", "The keg on tap {tap_id} holds {left_ml} ml, {percent} %."
    ),
    Kind.KEG_EMPTY: _critical(
        "keg", "{beverage} is empty", "The keg on tap {tap_id} is empty. Connect another one."
    ),
    Kind.SYNC_PENDING: _warning(
        "tap", "Tap {tap_id} has pours to book", "{pours} pours wait in its controller."
    ),
    Kind.SYNC_MISMATCH: _warning(
        "pour",
        "Two words on one pour",
        "A pour on tap {tap_id} came again with other figures. No money moved.",
        ends_itself=False,
    ),
    Kind.POUR_HELD: _warning(
        "pour", "A pour waits for you", "A pour on tap {tap_id} is held: {reason}."
    ),
    Kind.GHOST_POUR: _warning(
        "pour",
        "Beer ran without a card",
        "Tap {tap_id} reported flow that nobody asked for.",
        ends_itself=False,
    ),
    Kind.OVERDRAWN: _warning("guest", "A guest owes money", "The guest's balance is {balance}."),
    Kind.STALE_LOCK: _warning(
        "tap",
        "Tap {tap_id} is locked for long",
        "A visit holds it since {since}. Look at the tap; its pour may be in it.",
    ),
    Kind.STOP_UNCONFIRMED: _critical(
        "tap",
        "Tap {tap_id} does not confirm the stop",
        "Its valve may be open. Close the tap by hand.",
    ),
    Kind.DEVICE_OFFLINE: _warning(
        "device",
        "{device} is offline",
        "It lost its link. A pour in it will come later.",
    ),
    Kind.DEVICE_BATTERY_LOW: _warning(
        "device", "{device} has little battery", "{percent} % left. Charge it or change the cell."
    ),
    Kind.MISSED_POUR: _warning(
        "tap",
        "A pour at {device} is missing",
        "Its meter counted some {volume_ml} ml more than it reported.",
        ends_itself=False,
    ),
    Kind.FOAM_REPORTED: Rule(
        severity=Severity.INFO,
        subject="tap",
        title="Foam at tap {tap_id}",
        message="A guest says that it pours foam. Look at the line, the keg and the gas.",
        ends_itself=False,
    ),
    Kind.NEGATIVE_STOCK: _warning(
        "item",
        "{name} is below zero",
        "The books say {left}. Count it, or enter what was received.",
        mailed=True,
    ),
    Kind.LOW_STOCK: _warning(
        "item", "{name} is low", "{left} left; the threshold is {threshold}.", mailed=True
    ),
    Kind.PACKAGE_UNAVAILABLE: _urgent(
        "package", "{name} cannot be sold", "None can be made: {bottleneck} is used up."
    ),
    Kind.PACKAGE_LOW_STOCK: _high(
        "package",
        "{name} is running out",
        "{sellable} can be sold, {normal} are usual. {bottleneck} limits it.",
    ),
    Kind.PACKAGE_BOTTLENECK: _urgent(
        "item", "{name} limits {count} packages", "{left} left. It limits {packages}."
    ),
    Kind.STOCKOUT_PREDICTED: _high(
        "item", "{name} will run out", "{left} left; by what is usual it is gone on {day}."
    ),
    Kind.POUR_ANOMALY: _warning("device", "{device} poured unusually", "{what}", ends_itself=False),
    Kind.POS_FAILING: _warning(
        "pos", "The point of sale does not answer", "{waiting} notifications wait: {reason}."
    ),
    Kind.MAIL_FAILING: _warning(
        "channel", "Notifications by {channel} fail", "{reason} It was tried {tries} times."
    ),
}
"""The severity matrix; `mail_failing` is never mailed: it would have to travel by what fails."""

STOCK_KINDS = frozenset(
    {
        Kind.NEGATIVE_STOCK,
        Kind.LOW_STOCK,
        Kind.PACKAGE_UNAVAILABLE,
        Kind.PACKAGE_LOW_STOCK,
        Kind.PACKAGE_BOTTLENECK,
        Kind.STOCKOUT_PREDICTED,
    }
)
"""The stock alerts of the contract: each is mailed."""

TITLE_CHARACTERS_MAX = 200
MESSAGE_CHARACTERS_MAX = 1000


def is_mailed(kind: Kind, severity: Severity) -> bool:
    """Return whether an alert goes out to people beside the screens (contract 3)."""
    if kind is Kind.MAIL_FAILING:
        return False
    return RULES[kind].mailed or severity is Severity.CRITICAL


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
    severity: Severity
    priority: str | None = None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What one happening says: causes that are there, causes that are gone."""

    opens: tuple[Breach, ...] = ()
    ends: tuple[Cause, ...] = ()


def cause_of(kind: Kind, subject_id: str, *, subject: str | None = None) -> Cause:
    """Return the cause of a kind; `subject` where it is about several sorts of things."""
    return Cause(kind=kind, subject_type=subject or RULES[kind].subject, subject_id=subject_id)


def breach_of(cause: Cause, *, location: str = MAIN, **words: object) -> Breach:
    """Return a breach in the words of its kind, filled in with `words`."""
    rule = RULES[cause.kind]
    return Breach(
        cause=cause,
        location=location,
        title=_one_line(rule.title.format(**words))[:TITLE_CHARACTERS_MAX],
        message=_one_line(rule.message.format(**words))[:MESSAGE_CHARACTERS_MAX],
        severity=rule.severity,
        priority=rule.priority,
    )


def opened(cause: Cause, *, location: str = MAIN, **words: object) -> Findings:
    """Return the finding that one cause is there."""
    return Findings(opens=(breach_of(cause, location=location, **words),))


def _one_line(text: str) -> str:
    """Return text in one line: a name may hold anything, a subject of a mail may not."""
    return " ".join(text.split())
