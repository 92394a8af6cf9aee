"""What became of a keg's beer, and when the next one is due.

Source: requirement KG-6; the trade's loss classes (reference on the trade, section on variance).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from pourline.keg_fifo.domain import KegStatus

FORECAST_LOOKS_BACK = timedelta(days=7)
"""A week holds its quiet and its busy days once each."""
FORECAST_LEAST = timedelta(days=1)
"""Less is part of a day: its rate says nothing of the night."""
FORECAST_LEAST_POURS = 10
FORECAST_MOST = timedelta(days=365)
"""Beyond a year the beer is not the question any more."""
FOUR_DECIMALS = Decimal("0.0001")
_TENTH = Decimal("0.1")
DAY_S = Decimal(86_400)


class PourClass(StrEnum):
    """What a pour was. `free`: at a price of nothing, which is how staff clean a line."""

    POURED = "poured"
    FREE = "free"
    GHOST = "ghost"
    WASTE = "waste"
    HELD = "held"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the ledger's word says of a pour, as far as its class goes."""

    is_held: bool
    is_ghost: bool
    price_per_litre: int | None
    decision: str | None = None


def class_of(told: Told) -> PourClass:
    """Return a pour's class."""
    if told.decision == "waste":
        return PourClass.WASTE
    if told.is_held:
        return PourClass.HELD
    if told.is_ghost:
        return PourClass.GHOST
    return PourClass.FREE if told.price_per_litre == 0 else PourClass.POURED


def rest_class(status: KegStatus) -> str | None:
    """Return what the rest in a keg is once it is off for good; None while it may be poured."""
    if status is KegStatus.EMPTY:
        return "unaccounted"
    return "discarded" if status in (KegStatus.RETURNED, KegStatus.DISCARDED) else None


def yield_of(nominal_ml: Decimal, taken: Mapping[str, Decimal], over_ml: Decimal) -> Decimal | None:
    """Return the share of a keg that guests got; None before anything left it."""
    if not any(taken.values()) and not over_ml:
        return None
    poured = taken.get(PourClass.POURED, Decimal(0)) + over_ml
    return (poured / nominal_ml).quantize(FOUR_DECIMALS, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, kw_only=True)
class Recent:
    """What a tap poured of a beverage since `since`, the first pour of the stretch looked at."""

    volume_ml: Decimal
    pours: int
    since: datetime | None


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """A rate and when it empties the keg; None where there is too little to say, or too long."""

    rate_ml_day: Decimal | None
    runs_out_at: datetime | None
    days_left: Decimal | None
    basis: str


def outlook(remaining_ml: Decimal, recent: Recent, now: datetime) -> Outlook:
    """Return when a keg is empty if its tap goes on as in the last week, nights included."""
    lasted = now - recent.since if recent.since else timedelta(0)
    if missing := _missing(recent, lasted):
        return Outlook(
            rate_ml_day=None, runs_out_at=None, days_left=None, basis=f"too little: {missing}"
        )
    days = Decimal(int(lasted.total_seconds())) / DAY_S
    rate = (recent.volume_ml / days).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    basis = f"{recent.pours} pours of it here in {days.quantize(_TENTH)} days"
    left = remaining_ml / max(rate, Decimal(1))
    if left > FORECAST_MOST.days:
        return Outlook(rate_ml_day=rate, runs_out_at=None, days_left=None, basis=basis)
    return Outlook(
        rate_ml_day=rate,
        runs_out_at=now + timedelta(seconds=int(left * DAY_S)),
        days_left=left.quantize(_TENTH, rounding=ROUND_HALF_UP),
        basis=basis,
    )


def _missing(recent: Recent, lasted: timedelta) -> str:
    """Return what a forecast has too little of: pours, or time since the first; empty: nothing."""
    missing = []
    if recent.pours < FORECAST_LEAST_POURS:
        missing.append(f"{FORECAST_LEAST_POURS} are needed")
    if recent.since and lasted < FORECAST_LEAST:
        hours = int(lasted / timedelta(hours=1))
        missing.append(f"the first was {hours} h ago, a day is needed")
    poured = f"{recent.pours} pours of it here in the last week"
    return "; ".join([poured, *missing]) if missing else ""


def fresh_days(tapped_at: datetime | None, until: datetime) -> int | None:
    """Return the whole days since a keg was first tapped."""
    return max(0, (until - tapped_at).days) if tapped_at else None
