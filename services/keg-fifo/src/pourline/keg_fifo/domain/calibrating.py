"""One factor from several measured samples, and whether they agree.

The factor is total volume over total pulses: each sample weighs as much as was measured in it, so
that a small one's reading error counts little. Sources: requirement SP-2; the trade's practice of
calibrating by several measured pours (reference on the trade, section 3.1: two public constants of
the same meter differ by 3 to 4 percent).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from statistics import median

TWELVE_DECIMALS = Decimal("0.000000000001")
THREE_DECIMALS = Decimal("0.001")
OUTLIER_SHARE = Decimal("0.10")
"""A sample whose own factor is further than this from the middle one is a slip: a second drink, a
glass not empty, a wrong figure. Two public factors of one meter model differ by 4 percent at most,
and repeated pours through one meter by less."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the meter counted, and what was in the measuring glass."""

    pulses: int
    measured_ml: Decimal


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A factor from samples.

    `spread` is the distance between the smallest and the largest of the samples' own factors, as
    a share of the factor. `outliers` are the places, from 0, of samples that do not agree.
    """

    ml_per_pulse: Decimal
    spread: Decimal
    outliers: tuple[int, ...]


def factor_of(samples: Sequence[Sample]) -> Measured:
    """Return the factor of at least one sample, exact to 12 decimals, half up."""
    total_ml = sum((one.measured_ml for one in samples), Decimal(0))
    factor = total_ml / sum(one.pulses for one in samples)
    own = [one.measured_ml / one.pulses for one in samples]
    middle = median(own)
    return Measured(
        ml_per_pulse=factor.quantize(TWELVE_DECIMALS, rounding=ROUND_HALF_UP),
        spread=((max(own) - min(own)) / factor).quantize(THREE_DECIMALS, rounding=ROUND_HALF_UP),
        outliers=tuple(
            place for place, one in enumerate(own) if abs(one - middle) > OUTLIER_SHARE * middle
        ),
    )
