"""keg-fifo's composition root."""

from pourline.keg_fifo import api, consumers
from pourline.keg_fifo.devices import HealthEdge, PourEdge, health
from pourline.keg_fifo.handlers.keys import Keyring, Signing
from pourline.keg_fifo.handlers.pours import CONSUMER, TakeInSpoutPours
from pourline.keg_fifo.settings import Settings
from pourline.kit.clock import Clock
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service

LINGER_S = 0.05
"""Gathering events this long costs nobody anything and saves most of the work under load."""


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect keg-fifo's parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    signing = Signing(verify=settings.spout_verify, verify_sandbox=settings.spout_verify_sandbox)
    keyring = Keyring(caller=plumbing.caller, signing=signing)
    take_in = TakeInSpoutPours(database=plumbing.database)
    pours = PourEdge(bus=plumbing.bus, take_in=take_in, keyring=keyring)
    plumbing.consume(stream="POURS", durable=CONSUMER, handle=pours)
    edge = HealthEdge(database=plumbing.database)
    plumbing.consume(stream="STATUS", durable=health.CONSUMER, handle=edge)
    plumbing.consume_events(consumers.handlers(forget=keyring.forget), linger_s=LINGER_S)
    api.answer(plumbing.responder, webhook=api.Webhook(keyring=keyring))
    return await plumbing.finish()
