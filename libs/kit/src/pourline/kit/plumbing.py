"""The parts that every service is built from, connected: its composition root adds the rest."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from pourline.contracts.base import Envelope, Event, parse_event
from pourline.contracts.pack import bodies
from pourline.kit.clock import Clock
from pourline.kit.db import Database
from pourline.kit.dead_letters import DeadLetters
from pourline.kit.errors import TROUBLE, Retryable
from pourline.kit.gaps import GapWatch
from pourline.kit.health import Check, Health, Measure
from pourline.kit.inbox import Inbox
from pourline.kit.nats import BatchConsumer, Caller, EventConsumer, Handler, Responder, connect
from pourline.kit.nats.consumer import Handle
from pourline.kit.outbox import Relay
from pourline.kit.replay import Retelling
from pourline.kit.run import Service
from pourline.kit.settings import ServiceSettings

EVENTS = "EVENTS"
READS_UP_WITHIN_S = 2.0
"""Devices wait no longer for a service that was away, whatever it still has to read."""
READS_UP_EVERY_S = 0.02

Heard = Callable[[Envelope[Any]], Awaitable[None]]

log = logging.getLogger(__name__)


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
    relay: Relay
    readers: dict[str, Handle] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)
    measure: Measure | None = None
    has_read_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once what others told before the start is taken in, or took too long."""
    _reading: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, *, settings: ServiceSettings, clock: Clock) -> "Plumbing":
        """Connect to bus and database and start the outbox's relay with the service."""
        name = settings.service
        bus = await connect(url=settings.nats_url, name=name, trust=settings.trust)
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
            relay=Relay(url=settings.dsn, service=name, bus=bus),
        )
        plumbing.service.loops["outbox"] = plumbing.relay.run
        plumbing.service.closers += [database.close, bus.close]
        plumbing.checks |= {"database": database.ping, "bus": plumbing._bus_is_up}
        return plumbing

    def consume(self, *, stream: str, durable: str, handle: Handle, linger_s: float = 0) -> None:
        """Feed a durable consumer's batches to `handle` while the service runs.

        What devices say is taken in after what was told while the service was away: it may be
        about something that this service is only about to hear of.
        """
        consumer = BatchConsumer(
            bus=self.bus,
            stream=stream,
            durable=durable,
            handle=handle,
            set_aside=DeadLetters(database=self.database, consumer=durable),
            linger_s=linger_s,
        )
        run = consumer.run if stream == EVENTS else partial(self._after_reading_up, consumer.run)
        self.service.loops[durable] = run
        self.readers[durable] = handle

    def consume_events(
        self,
        handlers: Mapping[type[Event], Handler],
        *,
        after_commit: Callable[[], None] | None = None,
        linger_s: float = 0,
    ) -> None:
        """Hand the service's events to `handlers`, each event once."""
        events = EventConsumer(
            database=self.database, inbox=self.inbox, handlers=handlers, after_commit=after_commit
        )
        durable = f"{self.settings.service}--events"
        self.consume(stream=EVENTS, durable=durable, handle=events, linger_s=linger_s)
        read: dict[str, list[str]] = {}
        for event in handlers:
            read.setdefault(event.PRODUCER, []).append(event.subject())
        self.service.loops["gaps"] = GapWatch(
            bus=self.bus, database=self.database, stream=EVENTS, consumer=durable, read=read
        ).run

    async def _after_reading_up(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await self.has_read_up.wait()
        await run()

    async def _read_up(self, former: int) -> None:
        """Wait, bounded, until all is taken in but what a `former` life had in hand.

        A look counts for ten pauses at most: while the machine stands still nobody reads.
        """
        now, left_s = asyncio.get_running_loop().time, READS_UP_WITHIN_S
        try:
            while left_s > 0:
                began_s = now()
                if await self._unread() <= (0, former):
                    break
                await asyncio.sleep(READS_UP_EVERY_S)
                left_s -= min(now() - began_s, 10 * READS_UP_EVERY_S)
        finally:
            self.has_read_up.set()

    async def _unread(self) -> tuple[int, int]:
        """Return how many events nobody was given yet, and how many somebody has in hand."""
        with suppress(*TROUBLE):
            bus = self.bus.jetstream(timeout=READS_UP_WITHIN_S)
            info = await bus.consumer_info(EVENTS, f"{self.settings.service}--events")
            return info.num_pending or 0, info.num_ack_pending or 0
        return 0, 0

    async def hear(self, event: type[Event], heard: Heard) -> None:
        """Hear an event on every instance, for what each keeps in memory.

        At most once: what must not be missed is consumed.
        """

        async def take(message: Msg) -> None:
            try:
                for body in bodies(message.subject, message.data, message.headers):
                    await heard(parse_event(event, body))
            except (ValueError, Retryable, *TROUBLE) as error:
                log.warning("event_not_heard", extra={"event": event.TYPE, "error": repr(error)})

        await self.bus.subscribe(event.subject(), cb=take)

    async def finish(self) -> Service:
        """Begin to answer requests and health, and return the service to run."""
        name = self.settings.service
        _, in_hand = await self._unread()
        self._reading = asyncio.create_task(self._read_up(in_hand))
        await self.responder.start()
        self.service.finishers.append(self.responder.finish)
        await Retelling(bus=self.bus, service=name, database=self.database).start()
        health = Health(bus=self.bus, service=name, parts=self.checks, measure=self.measure)
        await health.start()
        return self.service

    async def _bus_is_up(self) -> None:
        if not self.bus.is_connected:
            raise ConnectionError("the bus is away")
