"""shift's composition root."""

from functools import partial

from pourline.kit.clock import Clock
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service
from pourline.shift import api, consumers, jobs
from pourline.shift.handlers.closing import Closing
from pourline.shift.settings import Settings
from pourline.upkeep import open_books
from pourline.upkeep.timers import every

LINGER_S = 0.2
"""Gathering events this long costs nobody anything and saves most of the work under load."""


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect shift's parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    plumbing.consume_events(consumers.routes(), linger_s=LINGER_S)
    reopening = partial(jobs.reopen, plumbing.database)
    plumbing.service.loops["reopening"] = partial(every, jobs.EVERY_S, reopening)
    close = Closing(database=plumbing.database, caller=plumbing.caller, inbox=plumbing.inbox)
    api.answer(plumbing.responder, close=close)
    open_books(plumbing)
    return await plumbing.finish()
