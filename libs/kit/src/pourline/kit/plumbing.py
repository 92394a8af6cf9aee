"""The parts that every service is built from, connected: its composition root adds the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nats.aio.client import Client

from pourline.contracts.base import Event
from pourline.kit.clock import Clock
from pourline.kit.db import Database
from pourline.kit.dead_letters import DeadLetters
from pourline.kit.gaps import GapWatch
from pourline.kit.health import Check, Health
from pourline.kit.inbox import Inbox
from pourline.kit.nats import BatchConsumer, Caller, EventConsumer, Handler, Responder, connect
from pourline.kit.nats.consumer import Handle
from pourline.kit.outbox import Relay
from pourline.kit.replay import Retelling
from pourline.kit.retention import Retention
from pourline.kit.run import Service
from pourline.kit.settings import ServiceSettings


@dataclass(kw_only=True)
class Plumbing:
    """A service's bus, database, inbox, outbox, responder and health."""

    settings: ServiceSettings
    clock: Clock
    bus: Client
    database: Database
    inbox: Inbox
    responder: Responder
    caller: Caller
    service: Service
    checks: dict[str, Check] = field(default_factory=dict)

    @classmethod
    async def connect(cls, *, settings: ServiceSettings, clock: Clock) -> "Plumbing":
        """Connect to bus and database and start the outbox's relay with the service."""
        name = settings.service
        bus = await connect(url=settings.nats_url, name=name)
        database = Database(
            url=settings.dsn, service=name, clock=clock, pool_max=settings.database_pool_max
        )
        await database.open()
        inbox = Inbox(consumer=f"{name}--events")
        plumbing = cls(
            settings=settings,
            clock=clock,
            bus=bus,
            database=database,
            inbox=inbox,
            responder=Responder(bus=bus, service=name, database=database, inbox=inbox),
            caller=Caller(bus=bus),
            service=Service(),
        )
        plumbing.service.loops |= {
            "outbox": Relay(url=settings.dsn, service=name, bus=bus).run,
            "retention": Retention(database=database).run,
        }
        plumbing.service.closers += [database.close, bus.close]
        plumbing.checks |= {"database": database.ping, "bus": plumbing._bus_is_up}
        return plumbing

    def consume(self, *, stream: str, durable: str, handle: Handle, linger_s: float = 0) -> None:
        """Feed a durable consumer's batches to `handle` while the service runs."""
        consumer = BatchConsumer(
            bus=self.bus,
            stream=stream,
            durable=durable,
            handle=handle,
            set_aside=DeadLetters(database=self.database, consumer=durable),
            linger_s=linger_s,
        )
        self.service.loops[durable] = consumer.run

    def consume_events(
        self,
        handlers: Mapping[type[Event], Handler],
        *,
        after_commit: Callable[[], None] | None = None,
        linger_s: float = 0,
    ) -> None:
        """Hand the service's events to `handlers`, each event once."""
        events = EventConsumer(
            database=self.database,
            inbox=self.inbox,
            handlers=handlers,
            after_commit=after_commit,
        )
        durable = f"{self.settings.service}--events"
        self.consume(stream="EVENTS", durable=durable, handle=events, linger_s=linger_s)
        read: dict[str, list[str]] = {}
        for event in handlers:
            read.setdefault(event.PRODUCER, []).append(event.subject())
        self.service.loops["gaps"] = GapWatch(
            bus=self.bus, database=self.database, stream="EVENTS", consumer=durable, read=read
        ).run

    async def finish(self) -> Service:
        """Begin to answer requests and health, and return the service to run."""
        await self.responder.start()
        await Retelling(bus=self.bus, service=self.settings.service, database=self.database).start()
        health = Health(bus=self.bus, service=self.settings.service, parts=self.checks)
        await health.start()
        return self.service

    async def _bus_is_up(self) -> None:
        if not self.bus.is_connected:
            raise ConnectionError("the bus is away")
