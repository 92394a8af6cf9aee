"""Ending tasks for good."""

import asyncio
from typing import Any

AGAIN_S = 5.0
"""Long enough for whatever a task closes on its way out."""


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel `tasks` until each has ended; what they end with is nobody's concern.

    Once is not enough: before Python 3.12 a wait that ends at that moment swallows it.
    """
    pending = {*tasks}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
