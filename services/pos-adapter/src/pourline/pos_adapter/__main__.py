"""Run pos-adapter."""

import sys
from functools import partial

from pourline.kit.clock import SystemClock
from pourline.kit.run import run_service
from pourline.pos_adapter.app import build
from pourline.pos_adapter.settings import Settings


def main() -> int:
    """Serve until told to stop; return the exit code."""
    settings = Settings()
    return run_service(settings, partial(build, settings=settings, clock=SystemClock()))


if __name__ == "__main__":
    sys.exit(main())
