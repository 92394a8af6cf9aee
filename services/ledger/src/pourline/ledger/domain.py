"""The ledger's rules: what a pour costs, whose it is, when it was, and what becomes of it.

Pure functions of values. Sources: the outer contract, section "Pours".
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import NewType
from uuid import UUID

GuestId = NewType("GuestId", UUID)
VisitId = NewType("VisitId", UUID)
GrantId = NewType("GrantId", UUID)

ML_PER_LITRE = 1000
VOLUME_ML_MAX = Decimal(100_000)
"""More than 100 l in one pour is no pour."""
RATE_ML_S_MAX = Decimal(250)
"""No tap runs faster; a higher mean rate is a broken meter."""
AMOUNT_MAX = 10**12
"""A pour that costs more cannot be said to anybody (contract 1); a person must decide."""
FUTURE_MAX = timedelta(seconds=120)
"""A device's clock may be this far ahead of the broker's."""
AGE_MAX = timedelta(days=36_500)
"""An age beyond a century is no age; it is taken as this much."""
_MILLI = Decimal("0.001")


class GrantState(StrEnum):
    """Where a grant's money is."""

    PENDING = "pending"
    SUPERSEDED = "superseded"
    CAPTURED = "captured"
    HELD = "held"
    VOIDED = "voided"


class Status(StrEnum):
    """What becomes of a pour that is kept."""

    ACCEPTED = "accepted"
    HELD = "held"


@dataclass(frozen=True, kw_only=True)
class Report:
    """A pour as its tap told it; `received_at` is when the broker took the message."""

    client_tx_id: str
    short_id: str
    tap_id: str
    location: str
    volume_ml: Decimal
    received_at: datetime
    grant_id: str | None = None
    request_id: str | None = None
    visit_id: str | None = None
    card_uid: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: int | None = None
    age_ms: int | None = None
    offline: bool = False
    digest: bytes = b""

    @property
    def names_nobody(self) -> bool:
        """Return whether the tap named neither grant, request, visit nor card."""
        return not (self.grant_id or self.request_id or self.visit_id or self.card_uid)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What an allowed card may pour, and the money set aside for it.

    `visit_was_closed`: it was given to a closed visit, which only a flag allows.
    """

    grant_id: GrantId
    request_id: str
    visit_id: VisitId
    guest_id: GuestId
    tap_id: str
    price_per_litre: int
    state: GrantState
    beverage_id: UUID | None = None
    visit_was_closed: bool = False


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A visit as far as money needs to know it."""

    visit_id: VisitId
    guest_id: GuestId
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A keg on a tap from an instant on, until another one or for now."""

    keg_id: UUID
    beverage_id: UUID
    connected_at: datetime
    disconnected_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PriceStep:
    """A beverage's price from an instant on."""

    from_at: datetime
    price_per_litre: int


@dataclass(kw_only=True)
class Knowledge:
    """What the ledger knows that bears on a batch of pours."""

    grants: dict[str, Grant] = field(default_factory=dict)
    requests: dict[tuple[str, str], Grant] = field(default_factory=dict)
    tap_grants: dict[str, Grant] = field(default_factory=dict)
    visits: dict[str, Visit] = field(default_factory=dict)
    card_visits: dict[str, Visit] = field(default_factory=dict)
    kegs: dict[str, list[Connection]] = field(default_factory=dict)
    prices: dict[UUID, list[PriceStep]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Span:
    """When a pour began and ended; `timed` says whether its length is known."""

    started_at: datetime
    ended_at: datetime
    timed: bool

    @property
    def duration_s(self) -> Decimal:
        """Return the length in seconds."""
        return Decimal(str((self.ended_at - self.started_at).total_seconds()))


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What becomes of one pour."""

    report: Report
    status: Status
    reason: str | None
    span: Span
    amount: int = 0
    price_per_litre: int | None = None
    visit: Visit | None = None
    settles: Grant | None = None
    keg_id: UUID | None = None
    beverage_id: UUID | None = None
    ghost: bool = False
    takes_keg: bool = True


def amount_of(volume_ml: Decimal, price_per_litre: int) -> int:
    """Return volume * price / 1000 in minor units, rounded half up (contract 1)."""
    exact = volume_ml * price_per_litre / ML_PER_LITRE
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def volume_for(amount: int, price_per_litre: int) -> Decimal | None:
    """Return the most millilitres that `amount` pays, or None when they cost nothing."""
    if price_per_litre == 0:
        return None
    volume = Decimal(amount) * ML_PER_LITRE / price_per_litre
    return volume.quantize(_MILLI, rounding=ROUND_FLOOR)


def span_of(report: Report) -> Span:
    """Return when the pour ran: its age wins over clocks, its duration gives the start."""
    length = _length_of(report)
    if report.age_ms is not None:
        age = min(timedelta(milliseconds=report.age_ms), AGE_MAX)
        ended_at = report.received_at - age
    elif report.ended_at is not None:
        ended_at = report.ended_at
    elif report.started_at is not None:
        ended_at = _moved(report.started_at, length or timedelta())
    else:
        ended_at = report.received_at
    if report.age_ms is None and report.started_at is not None:
        started_at = report.started_at
    else:
        started_at = _moved(ended_at, -(length or timedelta()))
    return Span(started_at=started_at, ended_at=ended_at, timed=length is not None)


def _moved(at: datetime, by: timedelta) -> datetime:
    """Return `at` moved, no further than a calendar goes."""
    try:
        return at + by
    except OverflowError:
        if by > timedelta():
            return datetime.max.replace(tzinfo=at.tzinfo)
        return datetime.min.replace(tzinfo=at.tzinfo)


def _length_of(report: Report) -> timedelta | None:
    if report.duration_ms is not None:
        return max(min(timedelta(milliseconds=report.duration_ms), AGE_MAX), -AGE_MAX)
    if report.started_at is not None and report.ended_at is not None:
        return report.ended_at - report.started_at
    return None


def settle(report: Report, known: Knowledge) -> Settlement:
    """Decide what becomes of a new pour: accepted, billed or not, or held for a person."""
    told = span_of(report)
    visit, grant = _attribute(report, known)
    settles = grant or _grant_held_by_tap(report, visit, known)
    span = _within_visit(told, visit)
    keg = keg_at(known.kegs.get(report.tap_id, []), span.started_at)
    beverage_id = keg.beverage_id if keg else None
    price = settles.price_per_litre if settles else _price_at(known, beverage_id, span.started_at)
    reason = _reason_to_hold(report, told, visit, price, settles)
    ghost = visit is None and reason is None and report.volume_ml > 0
    billed = reason is None and not ghost
    return Settlement(
        report=report,
        status=Status.HELD if reason else Status.ACCEPTED,
        reason=reason,
        span=span,
        amount=amount_of(report.volume_ml, price or 0) if billed else 0,
        price_per_litre=price,
        visit=visit,
        settles=settles,
        keg_id=keg.keg_id if keg else None,
        beverage_id=beverage_id,
        ghost=ghost,
        takes_keg=reason not in IMPOSSIBLE,
    )


IMPOSSIBLE = frozenset({"negative_volume", "volume_impossible", "rate_impossible"})
"""Reasons that say the meter is wrong: no keg lost that much."""


def _attribute(report: Report, known: Knowledge) -> tuple[Visit | None, Grant | None]:
    """Return whose pour it is and the grant it names; never decided by a clock."""
    grant = known.grants.get(report.grant_id or "") or known.requests.get(
        (report.tap_id, report.request_id or "")
    )
    if report.visit_id:
        return known.visits.get(report.visit_id), grant
    if grant:
        return known.visits.get(str(grant.visit_id)), grant
    holder = known.tap_grants.get(report.tap_id)
    if holder:
        return known.visits.get(str(holder.visit_id)), None
    return known.card_visits.get(report.card_uid or ""), None


def _grant_held_by_tap(report: Report, visit: Visit | None, known: Knowledge) -> Grant | None:
    """Return the grant that the pour's own tap holds for its visit, for a pour that names none."""
    holder = known.tap_grants.get(report.tap_id)
    if holder and visit and holder.visit_id == visit.visit_id:
        return holder
    return None


def _within_visit(span: Span, visit: Visit | None) -> Span:
    """Let a start before the visit opened count as its opening."""
    if visit is None or span.started_at >= visit.opened_at:
        return span
    return Span(
        started_at=visit.opened_at,
        ended_at=max(span.ended_at, visit.opened_at),
        timed=span.timed,
    )


def _reason_to_hold(
    report: Report, span: Span, visit: Visit | None, price: int | None, settles: Grant | None
) -> str | None:
    """Return why a person must decide, or None; a time in the past alone never holds a pour."""
    if report.volume_ml == 0:
        return None
    may_be_closed = settles is not None and settles.visit_was_closed
    checks = (
        (report.volume_ml < 0, "negative_volume"),
        (report.volume_ml > VOLUME_ML_MAX, "volume_impossible"),
        (span.ended_at < span.started_at, "ends_before_start"),
        (span.timed and report.volume_ml > RATE_ML_S_MAX * span.duration_s, "rate_impossible"),
        (max(span.started_at, span.ended_at) > report.received_at + FUTURE_MAX, "time_in_future"),
        (visit is None and not report.names_nobody, "unknown_visit_or_card"),
        (visit and not may_be_closed and _began_after_close(visit, span), "began_after_close"),
        (visit is not None and price is None, "no_price"),
        (amount_of(report.volume_ml, price or 0) > AMOUNT_MAX, "amount_impossible"),
    )
    return next((reason for applies, reason in checks if applies), None)


def _began_after_close(visit: Visit, span: Span) -> bool:
    return visit.closed_at is not None and span.started_at > visit.closed_at


def keg_at(connections: list[Connection], at: datetime) -> Connection | None:
    """Return the keg that was connected at `at`, else the tap's first, else None.

    `connections` is the tap's history in order. Between two kegs it is the one before: that is
    the one whose line the beer stood in.
    """
    found = [one for one in connections if one.connected_at <= at]
    if found:
        return found[-1]
    return connections[0] if connections else None


def _price_at(known: Knowledge, beverage_id: UUID | None, at: datetime) -> int | None:
    """Return the price in force at `at`, else the beverage's first, else None."""
    steps = known.prices.get(beverage_id, []) if beverage_id else []
    found = [step for step in steps if step.from_at <= at]
    if found:
        return found[-1].price_per_litre
    return steps[0].price_per_litre if steps else None
