"""auth-lock's composition root."""

import logging
from functools import partial

from pourline.auth_lock import api, consumers, jobs
from pourline.auth_lock.devices import AuthCallout, AuthorizeEdge, StatusEdge
from pourline.auth_lock.handlers.audit import link_all
from pourline.auth_lock.handlers.authorize import Authorize
from pourline.auth_lock.handlers.devices import CurrencyStands, first_recipients
from pourline.auth_lock.handlers.directory import Directory
from pourline.auth_lock.handlers.repair import repair_unanswered
from pourline.auth_lock.handlers.search import make_searchable
from pourline.auth_lock.handlers.staff import StaffAccounts
from pourline.auth_lock.handlers.visits import SettleFirst
from pourline.auth_lock.settings import Settings
from pourline.auth_lock.store.figures import figures
from pourline.contracts.staff import TokensRevoked
from pourline.contracts.taps import ResumeTap, SpoutChanged, StopTap, TapRegistered
from pourline.contracts.wall import ResumeWall, StopVisit, StopWall
from pourline.kit.clock import Clock
from pourline.kit.dead_letters import DeadLetters
from pourline.kit.nats import connect
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service
from pourline.upkeep import open_books, otlp
from pourline.upkeep.mqtt import MqttLink
from pourline.upkeep.telling import RetainedTeller
from pourline.upkeep.timers import every, once

STATUS = "auth-lock--status"

ORDERS = tuple(one.NAME for one in (StopTap, ResumeTap, StopVisit, StopWall, ResumeWall))
"""What taps must hear before the one who ordered it is answered."""

LINGER_S = 0.03
"""Gathering events this long costs nobody anything and saves most of the work under load."""

log = logging.getLogger(__name__)


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect auth-lock's parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    directory = Directory(database=plumbing.database)
    await directory.load()
    await _name_recipients(plumbing, settings)
    await _answer_broker(plumbing, settings, directory)
    teller = _tell_states(plumbing, settings)
    authorize = Authorize(database=plumbing.database, caller=plumbing.caller, clock=clock)
    instruments = otlp.instruments(settings)
    await AuthorizeEdge(
        bus=plumbing.bus,
        authorize=authorize,
        clock=clock,
        instruments=instruments,
        ready=plumbing.has_read_up,
    ).start()
    status = StatusEdge(
        database=plumbing.database,
        set_aside=DeadLetters(database=plumbing.database, consumer=STATUS),
    )
    plumbing.consume(stream="STATUS", durable=STATUS, handle=status)
    plumbing.consume_events(consumers.handlers(), after_commit=teller.wake, linger_s=LINGER_S)
    repair = partial(
        repair_unanswered, database=plumbing.database, caller=plumbing.caller, clock=clock
    )
    plumbing.service.loops["repair"] = partial(every, jobs.REPAIR_EVERY_S, repair)
    orders = jobs.StopOrders(bus=plumbing.bus, database=plumbing.database, clock=clock)
    plumbing.service.loops["orders"] = partial(every, jobs.STOP_EVERY_S, orders)
    stale = jobs.StaleLocks(database=plumbing.database)
    plumbing.service.loops["stale-locks"] = partial(every, jobs.STALE_EVERY_S, stale)
    looks = jobs.Meters(database=plumbing.database)
    plumbing.service.loops["meters"] = partial(every, jobs.METERS_EVERY_S, looks)
    repricing = jobs.Repricing(database=plumbing.database, clock=clock)
    plumbing.service.loops["prices"] = partial(every, jobs.PRICES_EVERY_S, repricing)
    _keep_record(plumbing)
    plumbing.responder.after_write = partial(_after_write, directory, teller, orders)
    api.answer(
        plumbing.responder,
        accounts=StaffAccounts(token_key=settings.token_key),
        settle=SettleFirst(database=plumbing.database, caller=plumbing.caller),
        currency=CurrencyStands(database=plumbing.database, caller=plumbing.caller),
    )
    open_books(plumbing, instruments=instruments, read=figures)
    return await plumbing.finish()


async def _name_recipients(plumbing: Plumbing, settings: Settings) -> None:
    """Set who is written to, the first time the environment names anybody."""
    async with plumbing.database.transaction() as unit:
        wrong = await first_recipients(unit, settings.admin_notification_emails)
    if wrong:
        log.error("recipients_are_no_addresses", extra={"addresses": wrong})


def _keep_record(plumbing: Plumbing) -> None:
    """Link what is done to the record's chain, and make every guest one that can be found."""
    link = partial(link_all, plumbing.database)
    fill = partial(make_searchable, plumbing.database)
    plumbing.service.loops["audit"] = partial(every, jobs.LINK_EVERY_S, link)
    plumbing.service.loops["search"] = partial(every, jobs.SEARCH_EVERY_S, fill)
    plumbing.service.closers.append(partial(once, link))


async def _after_write(
    directory: Directory, teller: RetainedTeller, orders: jobs.StopOrders, subject: str
) -> None:
    """Bring what is kept in memory, and the taps, up to date before a command is answered."""
    if ".tap.create" in subject or ".spout." in subject or ".staff." in subject:
        await directory.load()
    if subject.endswith(ORDERS):
        await orders()
    teller.wake()


def _tell_states(plumbing: Plumbing, settings: Settings) -> RetainedTeller:
    link = MqttLink(url=settings.mqtt_url, client_id="service-auth-lock", trust=settings.trust)
    teller = RetainedTeller(database=plumbing.database, publisher=link, store=jobs.TapStates())
    link.on_connect = teller.tell_all_again
    plumbing.service.loops |= {"mqtt": link.run, "states": teller.run}
    return teller


async def _answer_broker(plumbing: Plumbing, settings: Settings, directory: Directory) -> None:
    """Answer the broker's callout and keep revoked devices out, where the broker asks us."""
    plumbing.service.loops["directory"] = partial(every, jobs.SWEEP_EVERY_S, directory.load)
    for event in (TapRegistered, SpoutChanged, TokensRevoked):
        await plumbing.hear(event, directory.hear)  # another instance may have done it
    if settings.auth_callout_seed:
        callout = AuthCallout(
            bus=plumbing.bus,
            directory=directory,
            seed=settings.auth_callout_seed,
            token_key=settings.token_key,
            clock=plumbing.clock,
        )
        await callout.start()
    if settings.system_nats_url:
        system = await connect(
            url=settings.system_nats_url, name="auth-lock-system", trust=settings.trust
        )
        plumbing.service.closers.append(system.close)
        sweep = jobs.RevokedSweep(system=system, directory=directory)
        plumbing.service.loops["sweep"] = partial(every, jobs.SWEEP_EVERY_S, sweep)
