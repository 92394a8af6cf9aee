"""Composition: which parts a command of the controller is made of, and how it ends."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pourline.controller.assembly import assemble
from pourline.controller.clock import SystemClock
from pourline.controller.configuration import Parts
from pourline.controller.console import HandWork, read_lines
from pourline.controller.settings import TapConfig
from pourline.controller.store import Store
from pourline.controller.tap import TapController

STORE_THREADS = 2
"""A pour beside a note or a forgotten pour; nothing else runs here, so that nothing can fill it."""


async def run_tap(config: TapConfig, *, store_path: Path, parts: Parts | None = None) -> int:
    """Run one tap until told to stop; what is simulated of it is worked from standard input."""
    clock = SystemClock()
    assembled = assemble(config, parts or Parts(), clock=clock)
    store = Store(store_path)
    with contextlib.closing(store), ThreadPoolExecutor(STORE_THREADS) as executor:
        tap = TapController(
            config, hardware=assembled.hardware, store=store, clock=clock, executor=executor
        )
        asyncio.get_running_loop().set_exception_handler(_failing(tap))
        if assembled.hand is not None:
            read_lines(HandWork(hand=assembled.hand, tap=tap, quit_=_terminate).do)
        await tap.run()
    return 0


def _failing(tap: TapController) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Return what ends a tap when a callback of the loop fails, which no task would notice."""

    def failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        error = context.get("exception")
        if isinstance(error, BaseException):
            tap.fail(error)

    return failed


def _terminate() -> None:
    """Leave as on a SIGTERM."""
    signal.raise_signal(signal.SIGTERM)


async def until_signal(work: Coroutine[object, object, int]) -> int:
    """Run a command until it ends, or until SIGINT or SIGTERM, which end it cleanly with 0."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 0
