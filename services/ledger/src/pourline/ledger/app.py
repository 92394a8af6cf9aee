"""The ledger's composition root."""

from pourline.kit.clock import Clock
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service
from pourline.ledger import api, consumers
from pourline.ledger.devices import PourEdge
from pourline.ledger.handlers.pours import CONSUMER, TakeInPours
from pourline.ledger.settings import Settings
from pourline.upkeep import open_books, otlp


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect the ledger's parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    take_in = TakeInPours(database=plumbing.database)
    instruments = otlp.instruments(settings)
    edge = PourEdge(bus=plumbing.bus, take_in=take_in, clock=clock, instruments=instruments)
    plumbing.consume(stream="POURS", durable=CONSUMER, handle=edge)
    plumbing.consume_events(consumers.handlers())
    api.answer(plumbing.responder)
    open_books(plumbing, instruments=instruments)
    return await plumbing.finish()
