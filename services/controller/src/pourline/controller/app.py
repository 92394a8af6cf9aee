"""Composition: which parts a command of the controller is made of, and how it ends."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pourline.controller.clock import SystemClock
from pourline.controller.console import HandWork, read_lines
from pourline.controller.hardware import Hardware, PrintedDisplay, SimulatedTap
from pourline.controller.settings import TapConfig
from pourline.controller.store import Store
from pourline.controller.tap import TapController

SIMULATED_RATE_ML_S = 60


async def run_tap(config: TapConfig, *, store_path: Path) -> int:
    """Run one tap with simulated hardware, worked from standard input, until told to stop."""
    clock, store = SystemClock(), Store(store_path)
    hand = SimulatedTap(
        now_ms=clock.elapsed_ms,
        ml_per_pulse=config.rules.ml_per_pulse,
        rate_ml_s=SIMULATED_RATE_ML_S,
    )
    display = PrintedDisplay(f"tap {config.tap_id}")
    with contextlib.closing(store), ThreadPoolExecutor(2) as executor:
        tap = TapController(
            config,
            hardware=Hardware(hand, hand, hand, display),
            store=store,
            clock=clock,
            executor=executor,
        )
        read_lines(HandWork(hand=hand, tap=tap, quit_=_terminate).do)
        await tap.run()
    return 0


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
