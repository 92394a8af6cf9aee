"""Run auth-lock."""

import sys
from functools import partial

from pourline.auth_lock.app import build
from pourline.auth_lock.settings import Settings
from pourline.kit.run import run_service
from pourline.upkeep.time_of_day import clock_of


def main() -> int:
    """Serve until told to stop; return the exit code."""
    settings = Settings()
    return run_service(settings, partial(build, settings=settings, clock=clock_of(settings.dsn)))


if __name__ == "__main__":
    sys.exit(main())
