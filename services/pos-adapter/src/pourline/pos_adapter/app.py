"""pos-adapter's composition root."""

from functools import partial

from pourline.kit.clock import Clock
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service
from pourline.pos_adapter import api, consumers, jobs
from pourline.pos_adapter.handlers.sales import Selling, finish_left
from pourline.pos_adapter.jobs.adapters import WebhookAdapter, adapters
from pourline.pos_adapter.settings import Settings
from pourline.pos_adapter.store.figures import figures
from pourline.upkeep import open_books
from pourline.upkeep.timers import every

LINGER_S = 0.05
"""Gathering events this long saves most of the work under load; answers about stock wait for it."""


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect pos-adapter's parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    webhook = _webhook(settings, clock)
    if webhook:
        plumbing.service.closers.append(webhook.close)
    sender = jobs.Sender(database=plumbing.database, adapters=adapters(webhook), clock=clock)
    selling = Selling(database=plumbing.database, caller=plumbing.caller)
    finishing = partial(finish_left, selling, plumbing.database)
    telling = partial(jobs.tell, plumbing.database)
    plumbing.service.loops |= {
        "sending": sender.run,
        "finishing": partial(every, jobs.FINISH_EVERY_S, finishing),
        "telling": partial(every, jobs.TELL_EVERY_S, telling),
    }
    plumbing.consume_events(consumers.routes(), after_commit=sender.wake, linger_s=LINGER_S)
    api.answer(plumbing.responder, selling=selling)
    open_books(plumbing, read=figures)
    return await plumbing.finish()


def _webhook(settings: Settings, clock: Clock) -> WebhookAdapter | None:
    if not settings.pos_webhook_url:
        return None
    return WebhookAdapter(
        url=settings.pos_webhook_url, secret=settings.pos_webhook_secret, clock=clock
    )
