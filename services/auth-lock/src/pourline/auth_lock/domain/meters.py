"""Whether a tap's meter counted more than the tap reported: a pour that nobody told of."""

from dataclasses import dataclass
from decimal import Decimal

MISSED_LEAST_ML = Decimal(50)
"""Drips and foam that a controller leaves on its meter stay below this."""
ML_PER_PULSE = Decimal("0.185")
"""A common beer meter (5,400 pulses a litre), until the tap's own pours say what one is worth."""
PULSES_MAX = 10**12
"""More than any meter counts in its life (5,400 a litre: 185,000 cubic metres)."""
_MILLI = Decimal("0.001")


@dataclass(frozen=True, kw_only=True)
class Meter:
    """A tap's count: at the last look (`base_pulses`), and what its pours told since.

    `lifetime_pulses` is the count that its newest status says; `base_pulses` None is a meter that
    was never looked at, or whose pours did not say their pulses.
    """

    lifetime_pulses: int
    base_pulses: int | None
    told_pulses: int
    told_ml: Decimal


def is_a_count(pulses: int | None) -> bool:
    """Return whether a pour says what the meter counted, and not something that no meter counts."""
    return pulses is not None and 0 <= pulses <= PULSES_MAX


def missed_ml(meter: Meter) -> Decimal | None:
    """Return how much ran without a word on it, in ml; None where that is nothing to speak of.

    What a pulse is worth comes from the tap's own pours. A count that went down is another meter.
    """
    if meter.base_pulses is None:
        return None
    missed = meter.lifetime_pulses - meter.base_pulses - meter.told_pulses
    if missed <= 0:
        return None
    worth = meter.told_ml / meter.told_pulses if meter.told_pulses > 0 else ML_PER_PULSE
    volume = (missed * worth).quantize(_MILLI)
    return volume if volume >= MISSED_LEAST_ML else None
