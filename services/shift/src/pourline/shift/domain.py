"""Which shift a happening counts for, and what it adds there.

Pure functions of values. Sources: the outer contract, "Pours" (Shift); requirements SH-1, SH-3.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

NOTHING_ML = Decimal(0)
NOTHING = Decimal(0)


class Bucket(StrEnum):
    """Whose figures: the shift's own, or what came too late for its own shift."""

    OWN = "own"
    LATE = "late"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Sums; money in minor units."""

    pours: int = 0
    volume_ml: Decimal = NOTHING_ML
    revenue: int = 0
    topups: int = 0
    refunds: int = 0
    denials: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            pours=self.pours + other.pours,
            volume_ml=self.volume_ml + other.volume_ml,
            revenue=self.revenue + other.revenue,
            topups=self.topups + other.topups,
            refunds=self.refunds + other.refunds,
            denials=self.denials + other.denials,
        )


@dataclass(frozen=True, kw_only=True)
class Split:
    """A part of a happening as a report breaks it down: `what`, by `by`, for `key`."""

    by: str
    key: str
    what: str
    volume_ml: Decimal = NOTHING_ML
    amount: int = 0
    quantity: Decimal = NOTHING


@dataclass(frozen=True, kw_only=True)
class Happening:
    """Something that counts: where, when it began, and what it adds."""

    location: str
    at: datetime
    figures: Figures | None = None
    splits: tuple[Split, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OpenShift:
    """The shift that is open at a location."""

    shift_id: UUID
    opened_at: datetime


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where figures are kept; without a shift they wait, unassigned, at their location."""

    location: str
    shift_id: UUID | None = None
    bucket: Bucket = Bucket.OWN


def place_of(location: str, at: datetime, open_shift: OpenShift | None) -> Place:
    """Return where a happening counts.

    A location's shifts never overlap: what began since the open one opened is its own, and
    everything earlier belongs to a closed shift, or to none, and stands under `late`.
    """
    if open_shift is None:
        return Place(location=location)
    own = at >= open_shift.opened_at
    return Place(
        location=location,
        shift_id=open_shift.shift_id,
        bucket=Bucket.OWN if own else Bucket.LATE,
    )


def sum_up(
    happenings: Iterable[Happening], open_shifts: Mapping[str, OpenShift]
) -> dict[Place, Figures]:
    """Return what a batch of happenings adds at each place."""
    sums: dict[Place, Figures] = {}
    for one in happenings:
        if one.figures is None:
            continue
        place = place_of(one.location, one.at, open_shifts.get(one.location))
        sums[place] = sums.get(place, Figures()) + one.figures
    return sums


@dataclass(frozen=True, kw_only=True)
class Sum:
    """How often, how much, and what for."""

    count: int = 0
    volume_ml: Decimal = NOTHING_ML
    amount: int = 0
    quantity: Decimal = NOTHING


SplitKey = tuple[UUID, Bucket, str, str, str]
"""Shift, bucket, `by`, `key` and `what`."""


def split_up(
    happenings: Iterable[Happening], open_shifts: Mapping[str, OpenShift]
) -> dict[SplitKey, Sum]:
    """Return what a batch of happenings adds to the lines of reports; without a shift, nothing."""
    sums: dict[SplitKey, Sum] = {}
    for one in happenings:
        place = place_of(one.location, one.at, open_shifts.get(one.location))
        if place.shift_id is None:
            continue
        for split in one.splits:
            key = (place.shift_id, place.bucket, split.by, split.key, split.what)
            sums[key] = _plus(sums.get(key, Sum()), split)
    return sums


def _plus(so_far: Sum, split: Split) -> Sum:
    return Sum(
        count=so_far.count + 1,
        volume_ml=so_far.volume_ml + split.volume_ml,
        amount=so_far.amount + split.amount,
        quantity=so_far.quantity + split.quantity,
    )


AUTHORITY = "FF_BACKEND_SHIFT_AUTHORITY"
"""While it is off, blockers show and do not block (LK-7)."""
CASH = "cash"
CLOSES_WITHIN = timedelta(seconds=30)
"""A closing that takes longer is none: the shift goes on (SH-2)."""
ATTEMPT_LASTS = timedelta(seconds=20)
"""Whoever closes a shift has asked everybody by then, or is gone."""
FENCE_LEAVES = timedelta(seconds=5)
"""So long before the fence falls, a close that is not through is given up."""


ZONE = "timezone"
DAY_BEGINS = "business_day_begins"
DAY_BEGINS_DEFAULT = "06:00"
"""Bars close later than midnight; what opens before six in the morning is last night's."""


def business_day(at: datetime, zone: ZoneInfo, begins: time) -> date:
    """Return the day that a shift opened at `at` counts for.

    By the clock on the wall: a day with a change of clocks is one day like any other.
    """
    local = at.astimezone(zone)
    return local.date() if local.time() >= begins else local.date() - timedelta(days=1)


def cash_expected(opening_float: int, lines: Iterable[tuple[str, str, str, int]]) -> int:
    """Return the minor units that should be in the till.

    `lines` are (by, key, what, amount): the float, more by what was paid in in cash, less by what
    was paid back.
    """
    moved = {"topups": 1, "refunds": -1}
    return opening_float + sum(
        moved[what] * amount
        for by, key, what, amount in lines
        if by == "method" and key == CASH and what in moved
    )
