"""How a spout is: there or gone, and whether its battery wants changing (requirement SP-10)."""

from dataclasses import dataclass
from decimal import Decimal

BATTERY_RECOVERS_PCT = Decimal(5)
"""A cell that warms up gains a little: only this much above the threshold is a new one."""
SILENT_MINUTES_DEFAULT = 1440
"""A bar's night is no silence, a day is; a house with heartbeats sets less."""
BATTERY_LOW_PCT_DEFAULT = 20


@dataclass(frozen=True, kw_only=True)
class Health:
    """What others are told of. `says_online` None: it never told its health, only pours."""

    says_online: bool | None
    silent: bool
    battery_low: bool

    @property
    def online(self) -> bool:
        """Return whether the spout counts as there: pours without a word on health do."""
        return self.says_online is not False and not self.silent


def battery_low(pct: Decimal | None, low_pct: Decimal, *, was_low: bool) -> bool:
    """Return whether a battery is low: at the threshold or below; so until it is well above."""
    if pct is None:
        return was_low
    return pct < low_pct + BATTERY_RECOVERS_PCT if was_low else pct <= low_pct
