"""Run every measurement and print the table."""

import asyncio
import sys

from bench import evening, floors
from bench.figures import Figures, report


async def _measure() -> Figures:
    figures = Figures()
    await floors.measure(figures)
    await evening.measure(figures)
    return figures


def main() -> int:
    """Print what was measured; a figure that is not reached fails nothing."""
    print(report(asyncio.run(_measure())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
