"""Run by Python itself before a service's own code: gives one service a wrong time of day.

Its folder is put on `PYTHONPATH` by the harness. How many seconds a service is ahead stands in a
file of its name below `CLOCK_ERRORS`, read anew at each look, so that a clock can jump.
"""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

CLOCK_ERRORS = "CLOCK_ERRORS"


def _service() -> str | None:
    """Return the service that this process is to become, if it is one."""
    words = sys.orig_argv
    return words[words.index("serve") + 1] if "serve" in words[:-1] else None


def _be_wrong(error: Path) -> None:
    from pourline.kit import clock  # noqa: PLC0415 only where there is something to change

    machine_s = time.time

    def wrong_s() -> float:
        try:
            return machine_s() + float(error.read_text())
        except (OSError, ValueError):
            return machine_s()

    def now(self: clock.SystemClock) -> datetime:
        del self
        return datetime.fromtimestamp(wrong_s(), UTC)

    time.time = wrong_s
    clock.SystemClock.now = now  # type: ignore[method-assign] # what this file is for


if (_folder := os.environ.get(CLOCK_ERRORS)) and (_name := _service()):
    _be_wrong(Path(_folder, _name))
