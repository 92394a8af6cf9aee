"""The device's two clocks: the wall's, which may jump, and the elapsed one, which may not.

A pour's age is taken from the elapsed clock, which survives a restart of the process but not of the
machine; the boot id says whether two readings may be compared at all.
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """What the controller asks for the time."""

    boot_id: str

    def wall(self) -> datetime:
        """Return the time of day, UTC."""

    def elapsed_ms(self) -> int:
        """Return milliseconds since some instant of this boot; never goes back."""


class SystemClock:
    """The machine's clocks; CLOCK_BOOTTIME where there is one, since it counts through sleep."""

    def __init__(self) -> None:
        known = _BOOT_ID.is_file()
        self.boot_id = _BOOT_ID.read_text().strip() if known else f"process-{time.time_ns()}"
        self._clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def wall(self) -> datetime:
        """Return the time of day, UTC."""
        return datetime.now(UTC)

    def elapsed_ms(self) -> int:
        """Return milliseconds since this machine's boot."""
        return time.clock_gettime_ns(self._clock) // 1_000_000


def age_ms(clock: Clock, *, boot_id: str, elapsed_ms: int, wall: datetime) -> int:
    """Return how long ago something was: by the elapsed clock, or by the wall after a reboot."""
    if boot_id == clock.boot_id:
        return max(0, clock.elapsed_ms() - elapsed_ms)
    return max(0, (clock.wall() - wall) // timedelta(milliseconds=1))
