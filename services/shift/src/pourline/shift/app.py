"""shift's composition root."""

from pourline.kit.clock import Clock
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service
from pourline.shift import api, consumers
from pourline.shift.handlers.closing import Closing
from pourline.shift.jobs import Reopening
from pourline.shift.settings import Settings

LINGER_S = 0.2
"""Gathering events this long costs nobody anything and saves most of the work under load."""


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect shift's parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    plumbing.consume_events(consumers.routes(), linger_s=LINGER_S)
    plumbing.service.loops["reopening"] = Reopening(database=plumbing.database).run
    close = Closing(database=plumbing.database, caller=plumbing.caller, inbox=plumbing.inbox)
    api.answer(plumbing.responder, close=close)
    return await plumbing.finish()
