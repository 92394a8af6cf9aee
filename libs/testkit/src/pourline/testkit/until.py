"""Waiting for a condition with a deadline: tests never sleep for a guess."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")
STEP_S = 0.01
LOOK_S = 1.0
"""What a look counts for at most: while the machine stands still nobody looks, however long."""
WITHIN_S = 10.0
"""Until then a change is in effect, as the contract says."""


async def until(
    look: Callable[[], Awaitable[Value]],
    wanted: Callable[[Value], bool] = bool,
    *,
    within_s: float = WITHIN_S,
) -> Value:
    """Return what `look` sees once it is `wanted`; raises `AssertionError` after `within_s`.

    What counts is the time spent looking: a machine that stood still for some seconds, or a look
    that waited for an answer, is no change that came late.
    """
    now, left_s = asyncio.get_running_loop().time, within_s
    while True:
        began = now()
        seen = await look()
        if wanted(seen):
            return seen
        if left_s < 0:
            raise AssertionError(f"not seen within {within_s} s; last: {seen!r}")
        await asyncio.sleep(STEP_S)
        left_s -= min(now() - began, LOOK_S)
