"""Whether a spout's meter counted more than the spout reported: a pour that nobody told of.

Pure functions of values. Source: the outer contract, "Alert kinds" (`missed_pour`).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

STANDS_FOR = timedelta(seconds=15)
"""A pour that a spout reports after its count is here by then."""
MISSED_LEAST_ML = Decimal(10)
"""Drips stay below this; the smallest drink that a spout pours is twice as much."""


@dataclass(frozen=True, kw_only=True)
class Meter:
    """A spout's count: where it was settled, what its last health said, what pours told since.

    `off_pulses` is by how much the count was off when that was first seen, at `off_since`: more
    than was told, or less. `heard_at` is when its last pour came.
    """

    base_pulses: int
    lifetime_pulses: int
    told_pulses: int = 0
    off_pulses: int | None = None
    off_since: datetime | None = None
    heard_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Count:
    """What a health says a meter counted, what a pulse is worth, and when it is looked at."""

    lifetime_pulses: int
    ml_per_pulse: Decimal | None
    at: datetime


def look(meter: Meter | None, count: Count) -> tuple[Meter, int]:
    """Return the meter after a health's word, and the pulses that no pour told of.

    What is off counts once it stands for a while and a later health still says so. A count that
    went down begins anew: another meter, or one that forgot.
    """
    if meter is None or count.lifetime_pulses < meter.lifetime_pulses:
        return _settled(count.lifetime_pulses), 0
    meter = replace(meter, lifetime_pulses=count.lifetime_pulses)
    rests = meter.heard_at is None or count.at - meter.heard_at >= STANDS_FOR
    if count.ml_per_pulse is None or not rests:
        return meter, 0
    off = meter.lifetime_pulses - meter.base_pulses - meter.told_pulses
    if abs(off) * count.ml_per_pulse < MISSED_LEAST_ML:
        return _settled(meter.lifetime_pulses), 0
    before, since = meter.off_pulses, meter.off_since
    if before is None or since is None or (before > 0) != (off > 0):
        return replace(meter, off_pulses=off, off_since=count.at), 0
    if count.at - since < STANDS_FOR:
        return meter, 0
    stands = min(before, off) if off > 0 else max(before, off)
    base_pulses = meter.lifetime_pulses - off + stands
    return replace(_settled(meter.lifetime_pulses), base_pulses=base_pulses), max(stands, 0)


def _settled(lifetime_pulses: int) -> Meter:
    return Meter(base_pulses=lifetime_pulses, lifetime_pulses=lifetime_pulses)
