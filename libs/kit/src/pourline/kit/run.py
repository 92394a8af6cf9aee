"""Running a service: its loops side by side until a signal, or until one of them breaks."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import uvloop

from pourline.kit import telemetry
from pourline.kit.pulse import PULSE, Pulse, turn
from pourline.kit.settings import ServiceSettings

CANCEL_AGAIN_S = 1.0
STOP_WAIT_S = 3.0
"""A stopping service finishes what it has in hand, but no longer than this."""
COLLECT_AFTER = 50_000
"""Python's default looks for cycles after 700 new objects: dozens of times in one batch, which
holds tens of thousands and frees them all without that."""

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Service:
    """A built service: loops that run for ever, and what to close after them.

    At a stop the finishers end their work first, while all loops still turn.
    """

    loops: dict[str, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict)
    finishers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


def run_service(
    settings: ServiceSettings, build: Callable[[], Coroutine[Any, Any, Service]]
) -> int:
    """Build and run a service until SIGTERM or SIGINT; return the exit code.

    A loop that ends or raises ends the process with 1, one that stands still with 70: whoever
    supervises starts a clean one.
    """
    telemetry.set_up_logs(service=settings.service, level=settings.log_level)
    # Half the cost of waiting for a socket.
    return uvloop.run(_ending(_run(settings.service, build)))


async def _ending(service: Coroutine[Any, Any, int]) -> int:
    """Leave no task to the end of the loop, which cancels each but once and waits for ever."""
    try:
        return await service
    finally:
        await _cancel(asyncio.all_tasks() - {asyncio.current_task()})


async def _run(name: str, build: Callable[[], Coroutine[Any, Any, Service]]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    building = asyncio.create_task(build(), name="build")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({building, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not building.done():
        return 0
    service = building.result()
    pulse = Pulse()
    PULSE.set(pulse)
    loops = service.loops | {"event_loop": turn}
    tasks = {asyncio.create_task(start(), name=loop_name) for loop_name, start in loops.items()}
    pulse.watch()
    gc.freeze()  # what was imported and built stays: nobody need look at it again
    gc.set_threshold(COLLECT_AFTER)
    log.info("service_started", extra={"loops": sorted(service.loops)})
    done, _ = await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
    broken = [task for task in done if task is not stopping]
    for task in broken:
        log.critical("loop_ended", exc_info=task.exception(), extra={"loop": task.get_name()})
    await _close(service, tasks)
    log.info("service_stopped", extra={"service_name": name})
    return 1 if broken else 0


async def _close(service: Service, tasks: set[asyncio.Task[None]]) -> None:
    for finish in service.finishers:
        await _within_reason(finish)
    await _cancel(tasks)
    await asyncio.gather(*tasks, return_exceptions=True)
    for close in reversed(service.closers):
        await _within_reason(close)


async def _within_reason(end: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(end(), STOP_WAIT_S)


async def _cancel(pending: set[asyncio.Task[Any]]) -> None:
    """Cancel, and again: before Python 3.12 a wait that ends at this moment swallows it."""
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
