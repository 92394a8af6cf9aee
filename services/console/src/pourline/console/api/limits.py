"""How often somebody may fail: tries by name and address, in fixed windows."""

from datetime import datetime, timedelta

from pourline.console.errors import TooOften
from pourline.kit.clock import Clock

LOGINS_MAX = 10
SIGNATURES_MAX = 30
"""More than a device whose secret was rotated meanwhile sends in a window."""
WINDOW = timedelta(minutes=1)
NAMES_MAX = 10_000
"""Names counted at once; past it the oldest windows are forgotten, so that memory is bounded."""

Who = tuple[str, str]
"""A username or device, and where it comes from."""


class FailureLimit:
    """Counts tries that fail; one that succeeds is given back."""

    def __init__(self, *, clock: Clock, tries_max: int) -> None:
        self._tries_max = tries_max
        self._clock = clock
        self._tries: dict[Who, tuple[datetime, int]] = {}

    def take(self, who: Who) -> None:
        """Count a try; raises `TooOften` when its window holds too many."""
        now = self._clock.now()
        began, tries = self._tries.get(who, (now, 0))
        if now - began >= WINDOW:
            began, tries = now, 0
        if tries >= self._tries_max:
            raise TooOften
        self._tries.pop(who, None)
        self._tries[who] = (began, tries + 1)
        if len(self._tries) > NAMES_MAX:
            del self._tries[next(iter(self._tries))]

    def give_back(self, who: Who) -> None:
        """Forget a try that succeeded."""
        began, tries = self._tries.get(who, (self._clock.now(), 1))
        self._tries[who] = (began, tries - 1)
