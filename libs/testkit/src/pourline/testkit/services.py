"""Running a service inside a test, against real servers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pourline.kit.run import Service
from pourline.testkit.ending import end


@contextlib.asynccontextmanager
async def running(service: Service) -> AsyncIterator[None]:
    """Run a built service's loops; a loop that breaks fails the test."""
    tasks = [asyncio.create_task(loop(), name=name) for name, loop in service.loops.items()]
    try:
        yield
        broken = [task for task in tasks if task.done()]
        assert not broken, f"loops ended: {[task.get_name() for task in broken]}"
    finally:
        await end(*tasks)
        for close in reversed(service.closers):
            await close()
