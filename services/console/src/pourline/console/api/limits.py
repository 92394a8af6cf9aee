"""How often somebody may fail: tries by name and address, in fixed windows.

Counted in this process: a bar has one console. Who runs several allows as many times more.
"""

from datetime import datetime, timedelta

from pourline.console.errors import TooOften
from pourline.kit.clock import Clock

LOGINS_MAX = 10
"""Of one account from one address; who sits elsewhere is not kept out by somebody's guessing."""
ACCOUNT_LOGINS_MAX = 60
"""Of one account from all addresses."""
ADDRESS_LOGINS_MAX = 120
"""Of all accounts from one address; a bar's own staff often share one."""
SIGNATURES_MAX = 30
"""More than a device whose secret was rotated meanwhile sends in a window."""
MONITOR_CALLS_MAX = 10
"""Calls of the inventory monitor in a window: the contract's number, for each who calls it."""
RAN_OFTEN_ENOUGH = "The monitor was called often enough for this minute."
WINDOW = timedelta(minutes=1)
NAMES_MAX = 10_000
"""Names counted at once; past it the oldest windows are forgotten, so that memory is bounded."""

Who = tuple[str, str]
"""A username or device, and where it comes from."""


class LoginLimit:
    """Counts logins that fail: of an account at an address, of the account, of the address."""

    def __init__(self, *, clock: Clock) -> None:
        self._pairs = FailureLimit(clock=clock, tries_max=LOGINS_MAX)
        self._accounts = FailureLimit(clock=clock, tries_max=ACCOUNT_LOGINS_MAX)
        self._addresses = FailureLimit(clock=clock, tries_max=ADDRESS_LOGINS_MAX)

    def take(self, who: Who) -> None:
        """Count a try; raises `TooOften`."""
        username, address = who
        self._pairs.take(who)
        self._accounts.take((username, ""))
        self._addresses.take(("", address))

    def give_back(self, who: Who) -> None:
        """Forget a try that succeeded."""
        username, address = who
        self._pairs.give_back(who)
        self._accounts.give_back((username, ""))
        self._addresses.give_back(("", address))


class MonitorLimit:
    """Counts calls of the inventory monitor: one who calls too often keeps nobody else from it."""

    def __init__(self, *, clock: Clock) -> None:
        self._calls = FailureLimit(clock=clock, tries_max=MONITOR_CALLS_MAX, why=RAN_OFTEN_ENOUGH)

    def take(self, who: Who) -> None:
        """Count a call of `who`, an actor and a path; raises `TooOften`."""
        self._calls.take(who)


class FailureLimit:
    """Counts tries; one that is given back, because it succeeded, never was."""

    def __init__(self, *, clock: Clock, tries_max: int, why: str | None = None) -> None:
        self._tries_max = tries_max
        self._why = why
        self._clock = clock
        self._tries: dict[Who, tuple[datetime, int]] = {}

    def take(self, who: Who) -> None:
        """Count a try; raises `TooOften` when its window holds too many."""
        now = self._clock.now()
        began, tries = self._tries.get(who, (now, 0))
        if now - began >= WINDOW:
            began, tries = now, 0
        if tries >= self._tries_max:
            raise TooOften(self._why, wait=began + WINDOW - now)
        self._tries.pop(who, None)
        self._tries[who] = (began, tries + 1)
        if len(self._tries) > NAMES_MAX:
            del self._tries[next(iter(self._tries))]

    def give_back(self, who: Who) -> None:
        """Forget a try that succeeded."""
        began, tries = self._tries.get(who, (self._clock.now(), 1))
        self._tries[who] = (began, tries - 1)
