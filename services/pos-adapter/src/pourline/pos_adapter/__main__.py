"""Run pos-adapter."""

import logging
import sys
from functools import partial

from pourline.kit.run import run_service
from pourline.pos_adapter.app import build
from pourline.pos_adapter.settings import Settings
from pourline.upkeep.time_of_day import clock_of


def main() -> int:
    """Serve until told to stop; return the exit code."""
    settings = Settings()
    logging.getLogger("httpx").setLevel(logging.WARNING)  # below it logs the webhook's address
    return run_service(settings, partial(build, settings=settings, clock=clock_of(settings.dsn)))


if __name__ == "__main__":
    sys.exit(main())
