"""Work by the clock goes on after trouble and after a bug, and each is told in its own voice."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator

import pytest
from pourline.kit.errors import Retryable
from pourline.upkeep.timers import every


class Work:
    """Fails in one way after the other, then works."""

    def __init__(self) -> None:
        self.failures: Iterator[Exception] = iter(
            (Retryable("later"), ConnectionError("away"), OverflowError("year 1"))
        )
        self.is_done = asyncio.Event()

    async def __call__(self) -> None:
        for failure in self.failures:
            raise failure
        self.is_done.set()


async def test_neither_trouble_nor_a_bug_ends_the_work(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    loop = asyncio.create_task(every(0, work))
    try:
        async with asyncio.timeout(30):
            await work.is_done.wait()
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop

    told = [(one.levelno, one.message) for one in caplog.records]
    assert told == [
        (logging.WARNING, "timer_waits"),
        (logging.WARNING, "timer_waits"),
        (logging.ERROR, "timer_failed"),
    ]
