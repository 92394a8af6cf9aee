"""alerts' composition root."""

from collections.abc import Callable

from pourline.alerts import api, consumers, jobs
from pourline.alerts.handlers.stands import FreshStands
from pourline.alerts.settings import Settings
from pourline.alerts.store import notifications
from pourline.alerts.store.figures import figures
from pourline.kit.clock import Clock
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service
from pourline.upkeep import open_books
from pourline.upkeep.mqtt import MqttLink
from pourline.upkeep.telling import RetainedTeller

LINGER_S = 0.05
"""Gathering events this long costs nobody anything and saves most of the work under load."""


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect alerts' parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    teller = _tell_topics(plumbing, settings)
    senders = await _write_to_people(plumbing, settings)

    def wake() -> None:
        teller.wake()
        for sender in senders:
            sender.wake()

    plumbing.service.loops |= jobs.timers(plumbing.database, wake)
    plumbing.consume_events(consumers.routes(), after_commit=wake, linger_s=LINGER_S)
    _wake_after_commands(plumbing, wake)
    fresh = FreshStands(database=plumbing.database, caller=plumbing.caller)
    api.answer(plumbing.responder, fresh=fresh)
    open_books(plumbing, read=figures)
    return await plumbing.finish()


def _tell_topics(plumbing: Plumbing, settings: Settings) -> RetainedTeller:
    link = MqttLink(url=settings.mqtt_url, client_id="service-alerts", trust=settings.trust)
    teller = RetainedTeller(database=plumbing.database, publisher=link, store=jobs.AlertTopics())
    link.on_connect = teller.tell_all_again
    plumbing.service.loops |= {"mqtt": link.run, "alerts": teller.run}
    return teller


async def _write_to_people(plumbing: Plumbing, settings: Settings) -> list[jobs.Sender]:
    """Know the ways to people, and send on each."""
    mail, push = jobs.Mail(_mail_server(settings)), jobs.Push(settings.notify_urls.split())
    channels: list[jobs.Channel] = [mail, push] if push.is_open else [mail]
    async with plumbing.database.transaction() as unit:
        await notifications.set_channels(unit, [channel.name for channel in channels])
    senders = []
    for channel in channels:
        sender = jobs.Sender(
            database=plumbing.database, channel=channel, retry_after=settings.retry_after
        )
        plumbing.service.loops[f"{channel.name}-sender"] = sender.run
        senders.append(sender)
    return senders


def _mail_server(settings: Settings) -> jobs.MailServer:
    return jobs.MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        user=settings.smtp_user,
        password=settings.smtp_password,
        sender=settings.smtp_from,
        tls=settings.smtp_tls,
        ca_file=settings.smtp_ca_file,
    )


def _wake_after_commands(plumbing: Plumbing, wake: Callable[[], None]) -> None:
    async def written(subject: str) -> None:
        del subject
        wake()

    plumbing.responder.after_write = written
