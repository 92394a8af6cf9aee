"""What a keg's level says."""

from dataclasses import dataclass
from decimal import Decimal

from pourline.alerts.domain.kinds import Findings, Kind, breach_of, cause_of

KEG_LOW_RATIO = Decimal("0.15")
"""A keg at or below this share of its volume is low, unless `keg_low_ratio` says otherwise."""


@dataclass(frozen=True, kw_only=True)
class KegLevel:
    """What is left in a keg."""

    keg_id: str
    beverage: str
    tap_id: str | None
    location: str
    volume_ml: Decimal
    remaining_ml: Decimal


def keg_findings(level: KegLevel, *, low_ratio: Decimal) -> Findings:
    """Return what a keg's level says: low, empty, or neither.

    A late pour may change the level of a keg that is off its tap: that is no news for anybody.
    """
    if level.tap_id is None:
        return keg_is_off(level.keg_id)
    low, empty = cause_of(Kind.KEG_LOW, level.keg_id), cause_of(Kind.KEG_EMPTY, level.keg_id)
    words = {"beverage": level.beverage, "tap_id": level.tap_id}
    if level.remaining_ml <= 0:
        return Findings(opens=(breach_of(empty, location=level.location, **words),), ends=(low,))
    if level.remaining_ml > level.volume_ml * low_ratio:
        return Findings(ends=(low, empty))
    words["left_ml"] = f"{level.remaining_ml:.0f}"
    words["percent"] = f"{level.remaining_ml * 100 / level.volume_ml:.0f}"
    return Findings(opens=(breach_of(low, location=level.location, **words),), ends=(empty,))


def keg_is_off(keg_id: str) -> Findings:
    """Return what a disconnected keg says: it is nobody's trouble any more."""
    return Findings(ends=(cause_of(Kind.KEG_LOW, keg_id), cause_of(Kind.KEG_EMPTY, keg_id)))
