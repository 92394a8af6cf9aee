"""Run mqtt-bridge."""

import sys
from functools import partial

from pourline.kit.run import run_service
from pourline.mqtt_bridge.app import build
from pourline.mqtt_bridge.settings import Settings


def main() -> int:
    """Serve until told to stop; return the exit code."""
    settings = Settings()
    return run_service(settings, partial(build, settings=settings))


if __name__ == "__main__":
    sys.exit(main())
