"""auth-lock's rules: who may pour where, and what state a tap is in.

Pure functions of values. Sources: the outer contract, sections "Authorize" and "Pours";
requirements LK and SY.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NewType
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

GuestId = NewType("GuestId", UUID)
VisitId = NewType("VisitId", UUID)
GrantId = NewType("GrantId", UUID)

REQUEST_AGE_MAX = timedelta(seconds=5)
"""An older request is denied: the guest has left."""
GRANT_OPENS_WITHIN = timedelta(seconds=30)
"""A grant opens the valve no later than this; lock and hold do not expire."""
POUR_S_MAX = 120
"""No valve stays open longer than this under one grant."""
DENIAL_REPEATS_FOR = timedelta(seconds=30)
"""A stored denial is repeated this long."""


class TapState(StrEnum):
    """Whether a tap may pour, and why not."""

    ACTIVE = "active"
    PROCESSING_SYNC = "processing_sync"
    OUT_OF_KEG = "out_of_keg"
    MAINTENANCE = "maintenance"
    CLEANING = "cleaning"
    STOPPED = "stopped"


class Deny(StrEnum):
    """Why a card is refused."""

    UNKNOWN_CARD = "unknown_card"
    NO_ACTIVE_VISIT = "no_active_visit"
    CARD_IN_USE = "card_in_use"
    TAP_IN_USE = "tap_in_use"
    TAP_NOT_ACTIVE = "tap_not_active"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    AGE_NOT_VERIFIED = "age_not_verified"
    UNREADABLE_CARD = "unreadable_card"
    BAD_REQUEST = "bad_request"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, kw_only=True)
class TapFacts:
    """What bears on a tap's state. `order` is what staff want it to be, if anything."""

    order: TapState | None
    keg_id: UUID | None
    remaining_ml: Decimal | None
    online: bool
    pending_sync: int
    sync_was_reset: bool
    locked: bool


def tap_state(facts: TapFacts) -> TapState:
    """Return a tap's state: staff's order first, then the keg, then unsettled pours (SY-3)."""
    if facts.order is not None:
        return facts.order
    if facts.keg_id is None or (facts.remaining_ml is not None and facts.remaining_ml <= 0):
        return TapState.OUT_OF_KEG
    unsettled = facts.pending_sync > 0 or (facts.locked and not facts.online)
    if unsettled and not facts.sync_was_reset:
        return TapState.PROCESSING_SYNC
    return TapState.ACTIVE


@dataclass(frozen=True, kw_only=True)
class LockHeld:
    """A lock that stands: which visit pours where."""

    visit_id: VisitId
    tap_id: str
    tap_name: str
    grant_id: GrantId


@dataclass(frozen=True, kw_only=True)
class AskedTap:
    """The tap on whose reader the card lies."""

    tap_id: str
    name: str
    location: str
    state: TapState
    beverage_id: UUID | None
    keg_id: UUID | None
    remaining_ml: Decimal | None
    price_per_litre: int | None
    lock: LockHeld | None


@dataclass(frozen=True, kw_only=True)
class AskingVisit:
    """The visit whose card it is."""

    visit_id: VisitId
    guest_id: GuestId
    guest_name: str
    age_verified: bool
    lock: LockHeld | None


@dataclass(frozen=True, kw_only=True)
class Denied:
    """No, why, and in words for the guest."""

    reason: Deny
    message: str
    conflict: LockHeld | None = None


@dataclass(frozen=True, kw_only=True)
class Eligible:
    """Yes, if the ledger holds the money; `renews` is the grant this one takes the place of."""

    visit: AskingVisit
    tap: AskedTap
    price_per_litre: int
    keg_limit_ml: Decimal
    renews: GrantId | None


STATE_WORDS = {
    TapState.PROCESSING_SYNC: "is still booking an earlier pour",
    TapState.OUT_OF_KEG: "is out of beer",
    TapState.MAINTENANCE: "is under maintenance",
    TapState.CLEANING: "is being cleaned",
    TapState.STOPPED: "was stopped by staff",
}


def decide(*, tap: AskedTap, visit: AskingVisit | None, card_was_seen: bool) -> Denied | Eligible:
    """Decide whether a card may pour at a tap, money aside."""
    if visit is None:
        return _without_visit(card_was_seen=card_was_seen)
    if not visit.age_verified:
        return Denied(reason=Deny.AGE_NOT_VERIFIED, message="Please show your ID at the bar first.")
    if visit.lock and visit.lock.tap_id != tap.tap_id:
        return Denied(
            reason=Deny.CARD_IN_USE,
            message=f"Card already in use on {visit.lock.tap_name}.",
            conflict=visit.lock,
        )
    if tap.lock and tap.lock.visit_id != visit.visit_id:
        return Denied(
            reason=Deny.TAP_IN_USE,
            message="Another guest is pouring here. Please wait.",
            conflict=tap.lock,
        )
    return _at_tap(tap, visit)


def _without_visit(*, card_was_seen: bool) -> Denied:
    if card_was_seen:
        return Denied(
            reason=Deny.NO_ACTIVE_VISIT, message="This card has no open visit. Please check in."
        )
    return Denied(reason=Deny.UNKNOWN_CARD, message="We do not know this card. Please ask staff.")


def _at_tap(tap: AskedTap, visit: AskingVisit) -> Denied | Eligible:
    if tap.state is not TapState.ACTIVE:
        return Denied(
            reason=Deny.TAP_NOT_ACTIVE,
            message=f"{tap.name} {STATE_WORDS[tap.state]} ({tap.state.value}).",
        )
    if tap.price_per_litre is None or tap.remaining_ml is None:
        return Denied(
            reason=Deny.TAP_NOT_ACTIVE, message=f"{tap.name} has no beverage (out_of_keg)."
        )
    return Eligible(
        visit=visit,
        tap=tap,
        price_per_litre=tap.price_per_litre,
        keg_limit_ml=tap.remaining_ml,
        renews=visit.lock.grant_id if visit.lock else None,
    )


def is_stale(*, received_at: datetime, age_ms: int | None, now: datetime) -> bool:
    """Return whether a request is too old to answer with an allow."""
    asked_at = received_at - timedelta(milliseconds=min(age_ms or 0, 10**9))
    return now - asked_at > REQUEST_AGE_MAX


@dataclass(frozen=True, kw_only=True)
class ConfigRule:
    """A configuration key: its default and which values it takes."""

    default: object
    kind: type
    least: int | float | None = None
    most: int | float | None = None
    pattern: str = ""


FLAGS = (
    "FF_VISIT_ENFORCEMENT",
    "FF_ACTIVE_TAP_LOCK",
    "FF_SYNC_STATUS_ENFORCEMENT",
    "FF_MANUAL_POUR_RECONCILE",
    "FF_BACKEND_SHIFT_AUTHORITY",
    "FF_LOST_CARD_ENFORCEMENT",
    "FF_POS_ADAPTER_STUB",
)
CONFIG: dict[str, ConfigRule] = {
    **{flag: ConfigRule(default=True, kind=bool) for flag in FLAGS},
    "notification_recipients": ConfigRule(default=[], kind=list),
    "inventory_tracking_enabled": ConfigRule(default=True, kind=bool),
    "keg_low_ratio": ConfigRule(default=0.15, kind=float, least=0, most=1),
    "min_pour_ml": ConfigRule(default=50, kind=float, least=1, most=10_000),
    "sync_timeout_s": ConfigRule(default=120, kind=int, least=60, most=300),
    "pos_adapter": ConfigRule(default="log", kind=str, pattern=r"[a-z][a-z0-9_-]{0,31}"),
    "currency": ConfigRule(default="EUR", kind=str, pattern=r"[A-Z]{3}"),
    "timezone": ConfigRule(default="UTC", kind=ZoneInfo),
}
"""Every configuration key of this version; requirement LK-7 and the contract's list."""
ADDRESSES_MAX = 100
ADDRESS = re.compile(r"[^\s@\0]{1,64}@[^\s@\0]{1,189}")
"""What may be a mail address: the server has the last word on it."""


def fits(rule: ConfigRule, value: object) -> bool:
    """Return whether `value` may stand under a key with `rule`."""
    if rule.kind is bool:
        return isinstance(value, bool)
    if rule.kind in (int, float):
        return _number_fits(rule, value)
    if rule.kind is list:
        return isinstance(value, list) and len(value) <= ADDRESSES_MAX and all(map(_mail, value))
    if not isinstance(value, str):
        return False
    return _is_zone(value) if rule.kind is ZoneInfo else bool(re.fullmatch(rule.pattern, value))


def _number_fits(rule: ConfigRule, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if rule.kind is int and not isinstance(value, int):
        return False
    above = rule.least is None or value >= rule.least
    return above and (rule.most is None or value <= rule.most)


def _mail(value: object) -> bool:
    return isinstance(value, str) and bool(ADDRESS.fullmatch(value))


def _is_zone(value: str) -> bool:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
