"""alerts' composition root."""

from pourline.alerts import api, consumers, jobs
from pourline.alerts.settings import Settings
from pourline.kit.clock import Clock
from pourline.kit.mqtt import MqttLink, RetainedTeller
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service

LINGER_S = 0.05
"""Gathering events this long costs nobody anything and saves most of the work under load."""


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect alerts' parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    link = MqttLink(url=settings.mqtt_url, client_id="service-alerts")
    teller = RetainedTeller(database=plumbing.database, publisher=link, store=jobs.AlertTopics())
    link.on_connect = teller.tell_all_again
    plumbing.service.loops |= {"mqtt": link.run, "alerts": teller.run}
    plumbing.consume_events(consumers.routes(), after_commit=teller.wake, linger_s=LINGER_S)

    async def wake(subject: str) -> None:
        del subject
        teller.wake()

    plumbing.responder.after_write = wake
    api.answer(plumbing.responder)
    return await plumbing.finish()
