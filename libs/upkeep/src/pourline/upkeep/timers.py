"""Work by the clock: what a service does again and again beside its messages."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from pourline.kit.errors import TROUBLE, Retryable
from pourline.kit.pulse import beat

PATIENCE_S = 300.0
"""A round that takes so long is stuck: no statement takes longer than ten seconds."""

log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[object]]


async def every(seconds: float, work: Work) -> NoReturn:
    """Do `work` at once and then every `seconds`; trouble waits for the next time.

    A bug is loud at each round, and takes nothing else of its service with it: a row that nobody
    can look at must not end those who pour.
    """
    while True:
        beat(seconds + PATIENCE_S)
        await once(work)
        await asyncio.sleep(seconds)


async def once(work: Work) -> None:
    """Do `work`, if it can be done."""
    try:
        await work()
    except (Retryable, *TROUBLE) as error:
        log.warning("timer_waits", extra={"error": repr(error)})
    except Exception:
        task = asyncio.current_task()
        log.exception("timer_failed", extra={"loop": task.get_name() if task else ""})
