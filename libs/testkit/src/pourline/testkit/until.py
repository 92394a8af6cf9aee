"""Waiting for a condition with a deadline: tests never sleep for a guess."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")
STEP_S = 0.01
WITHIN_S = 10.0
"""Until then a change is in effect, as the contract says."""


async def until(
    look: Callable[[], Awaitable[Value]],
    wanted: Callable[[Value], bool] = bool,
    *,
    within_s: float = WITHIN_S,
) -> Value:
    """Return what `look` sees once it is `wanted`; raises `AssertionError` after `within_s`."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        seen = await look()
        if wanted(seen):
            return seen
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not seen within {within_s} s; last: {seen!r}")
        await asyncio.sleep(STEP_S)
