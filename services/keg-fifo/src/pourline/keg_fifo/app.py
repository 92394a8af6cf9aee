"""keg-fifo's composition root."""

from functools import partial

from pourline.contracts.taps import SpoutChanged
from pourline.keg_fifo import api, consumers, jobs
from pourline.keg_fifo.devices import HealthEdge, PourEdge, health
from pourline.keg_fifo.handlers.anomalies import LookAtPours, LookAtSales
from pourline.keg_fifo.handlers.health import Silence
from pourline.keg_fifo.handlers.keys import Keyring, Signing
from pourline.keg_fifo.handlers.pours import CONSUMER, TakeInSpoutPours
from pourline.keg_fifo.handlers.vendors import Vendors
from pourline.keg_fifo.settings import Settings
from pourline.kit.clock import Clock
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service
from pourline.upkeep import open_books, otlp
from pourline.upkeep.timers import every

LINGER_S = 0.05
"""Gathering events this long costs nobody anything and saves most of the work under load."""


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect keg-fifo's parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    signing = Signing(verify=settings.spout_verify, verify_sandbox=settings.spout_verify_sandbox)
    keyring = Keyring(caller=plumbing.caller, signing=signing)
    vendors = Vendors(database=plumbing.database, clock=clock, default=settings.spout_vendor)
    take_in = TakeInSpoutPours(database=plumbing.database)
    instruments = otlp.instruments(settings)
    pours = PourEdge(
        bus=plumbing.bus,
        take_in=take_in,
        keyring=keyring,
        vendors=vendors,
        answered=instruments.counter("pourline_spout_pours_answered_total"),
    )
    plumbing.consume(stream="POURS", durable=CONSUMER, handle=pours)
    edge = HealthEdge(database=plumbing.database)
    plumbing.consume(stream="STATUS", durable=health.CONSUMER, handle=edge)
    _look_after(plumbing)
    plumbing.consume_events(consumers.handlers(forget=keyring.forget), linger_s=LINGER_S)
    await plumbing.hear(SpoutChanged, keyring.hear)  # another instance may have consumed it
    api.answer(plumbing.responder, webhook=api.Webhook(keyring=keyring, vendors=vendors))
    open_books(plumbing, instruments=instruments)
    return await plumbing.finish()


def _look_after(plumbing: Plumbing) -> None:
    """Look for spouts that fell silent, and for pours and days that are not as usual."""
    database = plumbing.database
    plumbing.service.loops |= {
        "silence": partial(every, jobs.SILENCE_EVERY_S, Silence(database=database)),
        "pours": partial(every, jobs.POURS_EVERY_S, LookAtPours(database=database)),
        "sales": partial(every, jobs.SALES_EVERY_S, LookAtSales(database=database)),
    }
