"""keg-fifo's composition root."""

from pourline.keg_fifo import api, consumers
from pourline.keg_fifo.settings import Settings
from pourline.kit.clock import Clock
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect keg-fifo's parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    plumbing.consume_events(consumers.handlers())
    api.answer(plumbing.responder)
    return await plumbing.finish()
