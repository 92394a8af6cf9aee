"""Run the console."""

import logging
import sys
from functools import partial

from pourline.console.app import build
from pourline.console.settings import Settings
from pourline.kit.clock import SystemClock
from pourline.kit.run import run_service


def main() -> int:
    """Serve until told to stop; return the exit code."""
    settings = Settings()
    logging.getLogger("nicegui").setLevel(logging.ERROR)  # it logs addresses, secrets and all
    return run_service(settings, partial(build, settings=settings, clock=SystemClock()))


if __name__ == "__main__":
    sys.exit(main())
