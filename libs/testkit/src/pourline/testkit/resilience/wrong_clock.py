"""A device's clock whose time of day jumps when a file says so, whatever is being poured."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pourline.controller.clock import SystemClock

ERROR: Final = "clock-error"
"""The file beside the stores that says how many seconds the wall clock is ahead."""


class WrongClock(SystemClock):
    """A device's clock whose wall time is off by what a file says."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._error = folder / ERROR

    def wall(self) -> datetime:
        """Return the time of day, wrong while the file is there."""
        try:
            ahead_s = float(self._error.read_text())
        except (OSError, ValueError):
            return super().wall()
        return super().wall() + timedelta(seconds=ahead_s)
