"""Who may pour where.

Sources: the outer contract, "Authorize"; requirements LK-3, LK-7, LK-8, LC-1.
Pure functions of values. Money is the ledger's word and comes after this one.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NewType
from uuid import UUID

from pourline.auth_lock.domain.limits import Allowance, Drink, Standing, least_allowance
from pourline.auth_lock.domain.tap_states import TapState

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


class Deny(StrEnum):
    """Why a card is refused."""

    UNKNOWN_CARD = "unknown_card"
    LOST_CARD = "lost_card"
    NO_ACTIVE_VISIT = "no_active_visit"
    CARD_IN_USE = "card_in_use"
    TAP_IN_USE = "tap_in_use"
    TAP_NOT_ACTIVE = "tap_not_active"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    LIMIT_REACHED = "limit_reached"
    AGE_NOT_VERIFIED = "age_not_verified"
    CUT_OFF = "cut_off"
    UNREADABLE_CARD = "unreadable_card"
    BAD_REQUEST = "bad_request"
    UNAVAILABLE = "unavailable"


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
    kind: str | None = None
    abv: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class AskedCard:
    """The card itself. `lost`: reported and not let pour by a manager for now.

    `is_staff`: it opens taps that are being cleaned.
    """

    was_seen: bool
    lost: bool = False
    let_pour_until: datetime | None = None
    is_staff: bool = False


@dataclass(frozen=True, kw_only=True)
class AskingVisit:
    """The visit whose card it is; `lock` is the one at the asked tap, else one elsewhere.

    `assumed_abv` counts for a beverage whose strength nobody gave.
    """

    visit_id: VisitId
    guest_id: GuestId
    guest_name: str
    age_verified: bool
    lock: LockHeld | None
    is_closed: bool = False
    is_cut_off: bool = False
    limits: tuple[Standing, ...] = ()
    assumed_abv: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Enforced:
    """Which rules are in force: the flags of LK-7 that act on a card."""

    visit: bool = True
    active_tap_lock: bool = True
    sync_status: bool = True
    lost_card: bool = True


@dataclass(frozen=True, kw_only=True)
class House:
    """What the bar says today: its rules, and its clock against its serving hours.

    `serves` is from and until in the bar's own time, past midnight where until is the earlier.
    """

    enforced: Enforced = Enforced()
    local_time: time = time()
    serves: tuple[time, time] | None = None

    @property
    def is_serving(self) -> bool:
        """Return whether it is within the serving hours."""
        if self.serves is None:
            return True
        begins, ends = self.serves
        if begins < ends:
            return begins <= self.local_time < ends
        return self.local_time >= begins or self.local_time < ends


@dataclass(frozen=True, kw_only=True)
class Denied:
    """No, why, and in words for the guest."""

    reason: Deny
    message: str
    conflict: LockHeld | None = None
    visit_id: UUID | None = None
    card_uid: str | None = None


@dataclass(frozen=True, kw_only=True)
class Eligible:
    """Yes, if the ledger holds the money; `renews` is the grant this one takes the place of.

    `at_most_ml` is what the keg holds and the limits leave. `is_beside` says that the visit
    has a lock at another tap, which only a flag allows.
    """

    visit: AskingVisit
    tap: AskedTap
    price_per_litre: int
    at_most_ml: Decimal
    renews: GrantId | None
    is_beside: bool = False


STATE_WORDS = {
    TapState.PROCESSING_SYNC: "is still booking an earlier pour",
    TapState.OUT_OF_KEG: "is out of beer",
    TapState.MAINTENANCE: "is under maintenance",
    TapState.CLEANING: "is being cleaned",
    TapState.STOPPED: "was stopped by staff",
}


def decide(
    *, tap: AskedTap, visit: AskingVisit | None, card: AskedCard, house: House
) -> Denied | Eligible:
    """Decide whether a card may pour at a tap and how much, money aside."""
    if card.lost and house.enforced.lost_card:
        return Denied(
            reason=Deny.LOST_CARD, message="This card is reported lost. Please ask staff."
        )
    if visit is None:
        return _without_visit(card_was_seen=card.was_seen)
    if card.is_staff and tap.state is TapState.CLEANING:
        return _about_locks(tap, visit, house) or _cleans(tap, visit)
    return (
        _about_guest(visit, house) or _about_locks(tap, visit, house) or _at_tap(tap, visit, house)
    )


def _cleans(tap: AskedTap, visit: AskingVisit) -> Denied | Eligible:
    """Let a staff card run a line that is being cleaned, for nothing; hours and limits wait."""
    if tap.keg_id is None or tap.remaining_ml is None:
        return Denied(
            reason=Deny.TAP_NOT_ACTIVE, message=f"{tap.name} has no keg to clean with (out_of_keg)."
        )
    return Eligible(
        visit=visit,
        tap=tap,
        price_per_litre=0,
        at_most_ml=tap.remaining_ml,
        renews=_grant_here(tap, visit),
        is_beside=visit.lock is not None and _grant_here(tap, visit) is None,
    )


def _grant_here(tap: AskedTap, visit: AskingVisit) -> GrantId | None:
    """Return the grant of the visit's lock at this tap, if it has one."""
    return visit.lock.grant_id if visit.lock and visit.lock.tap_id == tap.tap_id else None


def _without_visit(*, card_was_seen: bool) -> Denied:
    if card_was_seen:
        return Denied(
            reason=Deny.NO_ACTIVE_VISIT, message="This card has no open visit. Please check in."
        )
    return Denied(reason=Deny.UNKNOWN_CARD, message="We do not know this card. Please ask staff.")


def _about_guest(visit: AskingVisit, house: House) -> Denied | None:
    if visit.is_cut_off:
        return Denied(
            reason=Deny.CUT_OFF, message="We serve you no more for now. Please talk to staff."
        )
    if not house.is_serving and house.serves:
        begins = house.serves[0].strftime("%H:%M")
        return Denied(reason=Deny.CUT_OFF, message=f"We serve again from {begins}.")
    if not visit.age_verified:
        return Denied(reason=Deny.AGE_NOT_VERIFIED, message="Please show your ID at the bar first.")
    return None


def _about_locks(tap: AskedTap, visit: AskingVisit, house: House) -> Denied | None:
    if visit.lock and visit.lock.tap_id != tap.tap_id and house.enforced.active_tap_lock:
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
    return None


def _at_tap(tap: AskedTap, visit: AskingVisit, house: House) -> Denied | Eligible:
    booking = tap.state is TapState.PROCESSING_SYNC and not house.enforced.sync_status
    if tap.state is not TapState.ACTIVE and not booking:
        return Denied(
            reason=Deny.TAP_NOT_ACTIVE,
            message=f"{tap.name} {STATE_WORDS[tap.state]} ({tap.state.value}).",
        )
    if tap.price_per_litre is None or tap.remaining_ml is None:
        return Denied(
            reason=Deny.TAP_NOT_ACTIVE, message=f"{tap.name} has no beverage (out_of_keg)."
        )
    allowance = _allowance(tap, visit, tap.price_per_litre)
    if allowance and allowance.is_used_up:
        return Denied(
            reason=Deny.LIMIT_REACHED, message=f"Your limit is reached: {allowance.words}."
        )
    here = _grant_here(tap, visit)
    return Eligible(
        visit=visit,
        tap=tap,
        price_per_litre=tap.price_per_litre,
        at_most_ml=min(allowance.volume_ml, tap.remaining_ml) if allowance else tap.remaining_ml,
        renews=here,
        is_beside=visit.lock is not None and here is None,
    )


def _allowance(tap: AskedTap, visit: AskingVisit, price_per_litre: int) -> Allowance | None:
    abv = visit.assumed_abv if tap.abv is None else tap.abv
    drink = Drink(kind=tap.kind, abv=abv, price_per_litre=price_per_litre)
    return least_allowance(visit.limits, drink)


def is_stale(*, received_at: datetime, age_ms: int | None, now: datetime) -> bool:
    """Return whether a request is too old to answer with an allow."""
    asked_at = received_at - timedelta(milliseconds=min(age_ms or 0, 10**9))
    return now - asked_at > REQUEST_AGE_MAX
