"""pos-adapter's composition root."""

from pourline.kit.clock import Clock
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service
from pourline.pos_adapter import api, consumers, jobs
from pourline.pos_adapter.settings import Settings

LINGER_S = 0.2
"""Gathering events this long costs nobody anything and saves most of the work under load."""


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect pos-adapter's parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    sender = jobs.Sender(database=plumbing.database, adapters=jobs.ADAPTERS)
    plumbing.service.loops["sending"] = sender.run
    plumbing.consume_events(consumers.routes(), after_commit=sender.wake, linger_s=LINGER_S)
    api.answer(plumbing.responder)
    return await plumbing.finish()
