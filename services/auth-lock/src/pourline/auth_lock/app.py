"""auth-lock's composition root."""

from functools import partial

from pourline.auth_lock import api, consumers, jobs
from pourline.auth_lock.devices import AuthCallout, AuthorizeEdge, StatusEdge
from pourline.auth_lock.handlers.audit import link_all
from pourline.auth_lock.handlers.authorize import Authorize
from pourline.auth_lock.handlers.devices import CurrencyStands
from pourline.auth_lock.handlers.directory import Directory
from pourline.auth_lock.handlers.repair import repair_unanswered
from pourline.auth_lock.handlers.search import make_searchable
from pourline.auth_lock.handlers.staff import StaffAccounts
from pourline.auth_lock.handlers.visits import SettleFirst
from pourline.auth_lock.settings import Settings
from pourline.contracts.taps import ResumeTap, StopTap
from pourline.contracts.wall import ResumeWall, StopVisit, StopWall
from pourline.kit.clock import Clock
from pourline.kit.dead_letters import DeadLetters
from pourline.kit.mqtt import MqttLink, RetainedTeller
from pourline.kit.nats import connect
from pourline.kit.plumbing import Plumbing
from pourline.kit.run import Service

STATUS = "auth-lock--status"

ORDERS = tuple(one.NAME for one in (StopTap, ResumeTap, StopVisit, StopWall, ResumeWall))
"""What taps must hear before the one who ordered it is answered."""

LINGER_S = 0.03
"""Gathering events this long costs nobody anything and saves most of the work under load."""


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect auth-lock's parts and return it ready to run."""
    plumbing = await Plumbing.connect(settings=settings, clock=clock)
    directory = Directory(database=plumbing.database)
    await directory.load()
    await _answer_broker(plumbing, settings, directory)
    teller = _tell_states(plumbing, settings)
    authorize = Authorize(database=plumbing.database, caller=plumbing.caller, clock=clock)
    await AuthorizeEdge(bus=plumbing.bus, authorize=authorize).start()
    status = StatusEdge(
        database=plumbing.database,
        set_aside=DeadLetters(database=plumbing.database, consumer=STATUS),
    )
    plumbing.consume(stream="STATUS", durable=STATUS, handle=status)
    plumbing.consume_events(consumers.handlers(), after_commit=teller.wake, linger_s=LINGER_S)
    repair = partial(
        repair_unanswered, database=plumbing.database, caller=plumbing.caller, clock=clock
    )
    plumbing.service.loops["repair"] = partial(jobs.every, jobs.REPAIR_EVERY_S, repair)
    orders = jobs.StopOrders(bus=plumbing.bus, database=plumbing.database, clock=clock)
    plumbing.service.loops["orders"] = partial(jobs.every, jobs.STOP_EVERY_S, orders)
    stale = jobs.StaleLocks(database=plumbing.database)
    plumbing.service.loops["stale-locks"] = partial(jobs.every, jobs.STALE_EVERY_S, stale)
    looks = jobs.Meters(database=plumbing.database)
    plumbing.service.loops["meters"] = partial(jobs.every, jobs.METERS_EVERY_S, looks)
    repricing = jobs.Repricing(database=plumbing.database, clock=clock)
    plumbing.service.loops["prices"] = partial(jobs.every, jobs.PRICES_EVERY_S, repricing)
    _keep_record(plumbing)
    plumbing.responder.after_write = partial(_after_write, directory, teller, orders)
    api.answer(
        plumbing.responder,
        accounts=StaffAccounts(token_key=settings.token_key),
        settle=SettleFirst(database=plumbing.database, caller=plumbing.caller),
        currency=CurrencyStands(database=plumbing.database, caller=plumbing.caller),
    )
    return await plumbing.finish()


def _keep_record(plumbing: Plumbing) -> None:
    """Link what is done to the record's chain, and make every guest one that can be found."""
    link = partial(link_all, plumbing.database)
    fill = partial(make_searchable, plumbing.database)
    plumbing.service.loops["audit"] = partial(jobs.every, jobs.LINK_EVERY_S, link)
    plumbing.service.loops["search"] = partial(jobs.every, jobs.SEARCH_EVERY_S, fill)
    plumbing.service.closers.append(partial(jobs.once, link))


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
    link = MqttLink(url=settings.mqtt_url, client_id="service-auth-lock")
    teller = RetainedTeller(database=plumbing.database, publisher=link, store=jobs.TapStates())
    link.on_connect = teller.tell_all_again
    plumbing.service.loops |= {"mqtt": link.run, "states": teller.run}
    return teller


async def _answer_broker(plumbing: Plumbing, settings: Settings, directory: Directory) -> None:
    """Answer the broker's callout and keep revoked devices out, where the broker asks us."""
    plumbing.service.loops["directory"] = partial(jobs.every, jobs.SWEEP_EVERY_S, directory.load)
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
        system = await connect(url=settings.system_nats_url, name="auth-lock-system")
        plumbing.service.closers.append(system.close)
        sweep = jobs.RevokedSweep(system=system, directory=directory)
        plumbing.service.loops["sweep"] = partial(jobs.every, jobs.SWEEP_EVERY_S, sweep)
