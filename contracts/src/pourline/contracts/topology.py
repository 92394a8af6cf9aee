"""The bus on one page: streams, durable consumers, and who may speak and hear what.

Data only. `pourline.kit.nats` declares it; the server configuration is rendered from it.
"""

import inspect
from dataclasses import dataclass, field
from types import ModuleType
from typing import TypeVar

from pourline.contracts import (
    books,
    cellar,
    evening,
    guests,
    limits,
    losses,
    money,
    notices,
    packages,
    record,
    reports,
    shifts,
    spouts,
    staff,
    stock,
    subjects,
    taps,
    upkeep,
    wall,
)
from pourline.contracts.base import Command, Event, Query

SERVICES = ("auth-lock", "ledger", "keg-fifo", "alerts", "shift", "pos-adapter", "console")
"""Every service that has a process, in the order in which they are named everywhere."""

BRIDGE = "mqtt-bridge"
"""Runs beside them only where devices connect to a broker of the bar's own."""

DAY_S = 24 * 3600
MODULES: tuple[ModuleType, ...] = (
    guests,
    limits,
    taps,
    wall,
    staff,
    money,
    books,
    cellar,
    spouts,
    losses,
    stock,
    packages,
    evening,
    notices,
    shifts,
    reports,
    record,
    upkeep,
)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A JetStream stream. `in_memory` is for what is worthless a minute later."""

    name: str
    subjects: tuple[str, ...]
    max_age_s: int
    max_bytes: int
    in_memory: bool = False


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """A durable consumer. With `pushes_to` it is pushed unacknowledged to a queue group."""

    name: str
    stream: str
    service: str
    filters: tuple[str, ...]
    pushes_to: str | None = None
    max_ack_pending: int = 2000


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """NATS subjects that a service may publish to and subscribe to; MQTT topics are the same."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Access:
    """What a service reads and asks, beside what it owns."""

    events: tuple[type[Event], ...] = ()
    asks: tuple[type[Command], ...] = ()
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = field(default=())
    hears: tuple[type[Event], ...] = ()
    """Events that every instance hears, beside what one of them consumes: for its memory."""


STREAMS = (
    # A card's question is worth nothing after five seconds; the stream only adds the instant
    # at which the broker took it.
    Stream(
        name="AUTHORIZE",
        subjects=(subjects.AUTHORIZE,),
        max_age_s=30,
        max_bytes=16 * 2**20,
        in_memory=True,
    ),
    Stream(
        name="POURS",
        subjects=(subjects.POUR, subjects.SPOUT_POUR),
        max_age_s=14 * DAY_S,
        max_bytes=8 * 2**30,
    ),
    Stream(
        name="STATUS",
        subjects=(subjects.STATUS, subjects.SPOUT_HEALTH),
        max_age_s=DAY_S,
        max_bytes=2**28,
    ),
    Stream(name="EVENTS", subjects=("evt.>",), max_age_s=7 * DAY_S, max_bytes=8 * 2**30),
)

AUTHORIZE_DELIVERY = "deliver.auth-lock.authorize"

ACCESS: dict[str, Access] = {
    "auth-lock": Access(
        events=(
            money.PourAccepted,
            money.PourHeld,
            money.PourMismatched,
            books.PourReconciled,
            books.PourDecided,
            books.GuestCorrected,
            money.PriceChanged,
            cellar.BeverageCreated,
            cellar.KegConnected,
            cellar.KegDisconnected,
            cellar.KegLevelChanged,
            shifts.ShiftClosed,
            stock.StockCorrected,
            stock.StockShort,
            stock.ItemChanged,
            *record.EVENTS,
        ),
        asks=(money.PlaceHold, money.VoidHold, money.GetGrant, books.GetBooks),
        publish=(
            "bar.*.tap.*.authorize.result",
            "bar.*.tap.*.state",
            "bar.*.tap.*.command",
            "$SYS._INBOX.>",  # the server asks the auth callout from an inbox of its own
        ),
        subscribe=(AUTHORIZE_DELIVERY, "$SYS.REQ.USER.AUTH"),
        hears=(taps.TapRegistered, taps.SpoutChanged, staff.TokensRevoked),
    ),
    "ledger": Access(
        events=(
            guests.VisitOpened,
            guests.VisitCardBound,
            guests.VisitClosed,
            guests.LockReleased,
            taps.TapRegistered,
            taps.ConfigChanged,
            cellar.BeverageCreated,
            cellar.KegConnected,
            cellar.KegDisconnected,
            cellar.ItemCreated,
            stock.ItemChanged,
            stock.StockMoved,
        ),
        publish=("bar.*.tap.*.pour.result",),
    ),
    "keg-fifo": Access(
        events=(
            taps.TapRegistered,
            taps.SpoutChanged,
            taps.ConfigChanged,
            money.PriceChanged,
            money.PourAccepted,
            money.PourHeld,
            money.PourMismatched,
            books.PourReconciled,
            books.PourDecided,
            losses.TapCleaned,
            packages.PackageChanged,
            packages.SaleRecorded,
        ),
        asks=(taps.GetSpoutKeys,),
        publish=("bar.*.spout.*.pour.result",),
        hears=(taps.SpoutChanged,),
    ),
    "alerts": Access(
        events=(
            cellar.KegLevelChanged,
            cellar.KegConnected,
            cellar.KegDisconnected,
            stock.StockChanged,
            money.PourAccepted,
            money.PourHeld,
            money.PourMismatched,
            books.PourDecided,
            books.GuestCorrected,
            money.GuestToppedUp,
            packages.PackageChanged,
            stock.StockMoved,
            spouts.SpoutHealthChanged,
            spouts.PourAnomaly,
            spouts.SpoutPourMissed,
            evening.PosFailing,
            evening.PosRecovered,
            evening.PosEventFailed,
            guests.LostCardUsed,
            guests.LockStale,
            guests.PourMissed,
            taps.ConfigChanged,
            taps.TapStateChanged,
            taps.FoamReported,
        ),
        asks=(packages.ListAvailability,),
        publish=("bar.*.alerts.*.*",),
    ),
    "shift": Access(
        events=(
            money.PourAccepted,
            money.GuestToppedUp,
            money.GuestRefunded,
            books.GuestCorrected,
            guests.AccessDenied,
            evening.AlertOpened,
            taps.ConfigChanged,
            packages.SaleRecorded,
            stock.StockCorrected,
        ),
        asks=(
            shifts.FenceVisits,
            shifts.LiftFence,
            shifts.GetBlockers,
            shifts.GetHeldPours,
            evening.ListAlerts,
        ),
    ),
    "pos-adapter": Access(
        events=(
            money.PourAccepted,
            money.GuestToppedUp,
            money.GuestRefunded,
            books.GuestCorrected,
            taps.ConfigChanged,
            cellar.ItemCreated,
            stock.ItemChanged,
            stock.StockMoved,
        ),
        asks=(packages.TakeStock,),
    ),
    "console": Access(
        publish=("cmd.>", "qry.>", "health.*"),
        subscribe=("evt.>", subjects.FLOW, "bar.*.alerts", "bar.*.alerts.>"),
    ),
    BRIDGE: Access(publish=subjects.FROM_DEVICES, subscribe=subjects.TO_DEVICES),
}


Declared = TypeVar("Declared", Event, Command)


def declared(kind: type[Declared]) -> tuple[type[Declared], ...]:
    """Return every message class of `kind` that names its subject, in order of module and name."""
    mark = "TYPE" if kind is Event else "NAME"
    return tuple(
        member
        for module in MODULES
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, kind)
        and hasattr(member, mark)
        and (kind is Event or hasattr(member, "OWNER"))  # every service's own: see ABOUT_UPKEEP
        and member.__module__ == module.__name__
    )


def events_of(service: str) -> tuple[type[Event], ...]:
    """Return the events that `service` tells."""
    return tuple(event for event in declared(Event) if service == event.PRODUCER)


def commands_of(service: str) -> tuple[type[Command], ...]:
    """Return the commands and queries that `service` answers."""
    return tuple(command for command in declared(Command) if service == command.OWNER)


CONSUMERS = (
    Consumer(
        name="auth-lock--authorize",
        stream="AUTHORIZE",
        service="auth-lock",
        filters=(subjects.AUTHORIZE,),
        pushes_to=AUTHORIZE_DELIVERY,
    ),
    Consumer(
        name="auth-lock--status", stream="STATUS", service="auth-lock", filters=(subjects.STATUS,)
    ),
    Consumer(name="ledger--pour", stream="POURS", service="ledger", filters=(subjects.POUR,)),
    Consumer(
        name="keg-fifo--spout-pour",
        stream="POURS",
        service="keg-fifo",
        filters=(subjects.SPOUT_POUR,),
    ),
    Consumer(
        name="keg-fifo--spout-health",
        stream="STATUS",
        service="keg-fifo",
        filters=(subjects.SPOUT_HEALTH,),
    ),
    *(
        Consumer(
            name=f"{service}--events",
            stream="EVENTS",
            service=service,
            filters=tuple(event.subject() for event in access.events),
        )
        for service, access in ACCESS.items()
        if access.events
    ),
)


ABOUT_GAPS = (subjects.told, subjects.replay)
"""What a reader of events asks their producer, to find and close gaps."""

ABOUT_UPKEEP = (upkeep.list_of, upkeep.replay_of, upkeep.close_of)
"""What the console asks every service that has a database, about its dead letters."""


def producers_for(service: str) -> tuple[str, ...]:
    """Return the services whose events `service` reads, in the order of `SERVICES`."""
    read = {event.PRODUCER for event in ACCESS[service].events}
    return tuple(producer for producer in SERVICES if producer in read)


def permissions(service: str) -> Permissions:
    """Return what `service` may say and hear on the bus, and nothing more."""
    access = ACCESS[service]
    pulls = [c for c in CONSUMERS if c.service == service]
    publish = [
        *(event.subject() for event in events_of(service)),
        *(ask.subject() for ask in access.asks),
        *(ask(producer) for producer in producers_for(service) for ask in ABOUT_GAPS),
        *access.publish,
        *(f"$JS.API.CONSUMER.MSG.NEXT.{c.stream}.{c.name}" for c in pulls),
        *(f"$JS.API.CONSUMER.INFO.{c.stream}.{c.name}" for c in pulls),
        *(f"$JS.ACK.{c.stream}.{c.name}.>" for c in pulls),
        *(f"$JS.API.STREAM.INFO.{stream}" for stream in sorted({c.stream for c in pulls})),
        "$JS.API.INFO",
        "_INBOX.>",  # answers go to the asker's inbox, whose name nobody can guess
    ]
    answers = dict.fromkeys(command.subject() for command in commands_of(service))
    subscribe = [
        *answers,
        subjects.seen(service),
        *(ask(service).subject() for ask in ABOUT_UPKEEP if events_of(service)),
        *(answer(service) for answer in ABOUT_GAPS if events_of(service)),
        subjects.health(service),
        subjects.alive(service),
        *access.subscribe,
        *(event.subject() for event in access.hears),
        f"_INBOX.{service}.>",
    ]
    return Permissions(publish=tuple(publish), subscribe=tuple(subscribe))


def queries() -> tuple[type[Query], ...]:
    """Return every query of the system."""
    return tuple(c for c in declared(Command) if issubclass(c, Query))
