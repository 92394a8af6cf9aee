"""The ledger's rules: what a pour costs, whose it is, when it was, and what becomes of it.

Pure functions of values. Sources: the outer contract, section "Pours".
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from uuid import UUID

from pourline.ledger.domain.values import (
    AGE_MAX,
    AMOUNT_MAX,
    FUTURE_MAX,
    RATE_ML_S_MAX,
    VOLUME_ML_MAX,
    Connection,
    Entry,
    Grant,
    Knowledge,
    Report,
    Settlement,
    Span,
    Status,
    Visit,
)

ML_PER_LITRE = 1000
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""A clock without a battery may say an earlier year; nothing can be reckoned back from there."""
_MILLI = Decimal("0.001")


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
        ended_at = max(report.ended_at, EARLIEST)
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
    """Decide what becomes of a new pour: accepted, billed or not, or held for a person.

    One that staff had entered by hand is compared with their figures and never billed again.
    """
    told = span_of(report)
    visit, grant = _attribute(report, known)
    settles = grant or _grant_held_by_tap(report, visit, known)
    span = _within_visit(told, visit)
    keg = keg_at(known.kegs.get(report.tap_id, []), span.started_at)
    beverage_id = beverage_of(known, report.tap_id, keg)
    price = settles.price_per_litre if settles else price_at(known, beverage_id, span.started_at)
    reason = _reason_to_hold(report, told, visit, price, settles)
    decided = Settlement(
        report=report,
        status=Status.ACCEPTED,
        reason=None,
        span=span,
        price_per_litre=price,
        visit=visit,
        settles=settles,
        keg_id=keg.keg_id if keg else None,
        beverage_id=beverage_id,
        takes_keg=reason not in IMPOSSIBLE,
    )
    entry = entry_of(report, visit, known.entries)
    if entry:
        return _compared(decided, entry, price)
    reason = reason or _reason_to_ask(report, decided, known.entries)
    if reason:
        return replace(decided, status=Status.HELD, reason=reason)
    if visit is None:
        return replace(decided, ghost=report.volume_ml > 0)
    return replace(decided, amount=amount_of(report.volume_ml, price or 0))


def entry_of(report: Report, visit: Visit | None, entries: Sequence[Entry]) -> Entry | None:
    """Return what staff entered for this very pour: its visit, tap and short id (SY-5)."""
    if visit is None:
        return None
    wanted = (visit.visit_id, report.tap_id, report.short_id)
    found = (one for one in entries if (one.visit_id, one.tap_id, one.short_id) == wanted)
    return next(found, None)


def _compared(decided: Settlement, entry: Entry, price: int | None) -> Settlement:
    """Say whether the tap's figures agree with those that staff had entered (SY-6)."""
    if _agree(decided.report.volume_ml, entry, price or 0):
        return replace(decided, status=Status.RECONCILED, entry=entry)
    return replace(decided, status=Status.MISMATCH, reason=DIFFERS, entry=entry)


def _agree(volume_ml: Decimal, entry: Entry, price: int) -> bool:
    """Return whether figures agree within a millilitre, and the stated amount within its price."""
    if abs(volume_ml - entry.volume_ml) > AGREES_WITHIN_ML:
        return False
    if entry.stated_amount is None:
        return True
    leeway = amount_of(AGREES_WITHIN_ML, price) + 1
    return abs(entry.stated_amount - amount_of(entry.volume_ml, price)) <= leeway


def _reason_to_ask(report: Report, decided: Settlement, entries: Sequence[Entry]) -> str | None:
    """Return why a sound pour must wait: it may be the one that staff entered with a wrong id."""
    if decided.visit is None or report.volume_ml == 0:
        return None
    place, began_at = (decided.visit.visit_id, report.tap_id), _began_at(report, decided)
    is_open = any(
        (one.visit_id, one.tap_id) == place and (began_at is None or began_at < one.entered_at)
        for one in entries
    )
    return ENTRY_UNMATCHED if is_open else None


def _began_at(report: Report, decided: Settlement) -> datetime | None:
    """Return when a pour began, None for some time before it came.

    Where its tap does not say, its session began with its grant; of one that was stored while
    offline and says no time at all, nobody knows.
    """
    told = decided.span.started_at
    if decided.span.timed or (report.started_at is not None and report.age_ms is None):
        return told
    if decided.settles and decided.settles.placed_at:
        return min(told, decided.settles.placed_at)
    is_told = report.age_ms is not None or report.ended_at is not None
    return told if is_told or not report.offline else None


ENTRY_UNMATCHED = "manual_entry_unmatched"
DIFFERS = "differs_from_manual_entry"
AGREES_WITHIN_ML = Decimal(1)
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
    if report.grant_id is not None:
        return None
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


def beverage_of(known: Knowledge, tap_id: str, keg: Connection | None) -> UUID | None:
    """Return what a tap poured from `keg`; without any, what the tap was made for."""
    return keg.beverage_id if keg else known.tap_beverages.get(tap_id)


def price_at(known: Knowledge, beverage_id: UUID | None, at: datetime) -> int | None:
    """Return the price in force at `at`, else the beverage's first, else None."""
    steps = known.prices.get(beverage_id, []) if beverage_id else []
    found = [step for step in steps if step.from_at <= at]
    if found:
        return found[-1].price_per_litre
    return steps[0].price_per_litre if steps else None
