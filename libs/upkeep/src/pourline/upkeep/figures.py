"""How far behind a service is: what waits for it, what it has to tell, what it set aside."""

import os
import resource
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from nats.aio.client import Client

from pourline.contracts.topology import CONSUMERS, Consumer
from pourline.contracts.upkeep import Figures, Queue, Sample
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.errors import TROUBLE
from pourline.kit.outbox import Relay
from pourline.upkeep.instruments import Instruments

BUS_WAIT_S = 1.0
COUNTED_MAX = 100_000
"""Further nobody counts: it is far too much in any case."""

Read = Callable[[UnitOfWork], Awaitable[list[Sample]]]
"""What a service reads of its own tables for its metrics."""


class Measures:
    """Takes one service's figures; what cannot be had in time is absent."""

    def __init__(
        self,
        *,
        bus: Client,
        database: Database,
        relay: Relay,
        instruments: Instruments,
        read: Read | None = None,
    ) -> None:
        self._bus = bus
        self._database = database
        self._relay = relay
        self._instruments = instruments
        self._read = read

    async def __call__(self) -> Figures:
        """Return the figures as they are now."""
        own = [one for one in CONSUMERS if one.service == self._database.service]
        queues = [found for one in own if (found := await self._queue(one))]
        streams = [found for name in _streams(own) for found in await self._stream(name)]
        counts, samples = await self._counts()
        return Figures(
            host=socket.gethostname(),
            queues=queues,
            publish_ms=_ms(self._relay.publish_s),
            commit_ms=_ms(self._database.commit_s),
            samples=[
                *streams,
                *samples,
                *self._timed(),
                *(sample for one in queues for sample in _of_queue(one)),
                *of_process(),
                *self._instruments.samples(),
            ],
            distributions=self._instruments.distributions(),
            outbox_unpublished=counts.get("outbox_unpublished"),
            dead_letters=counts.get("dead_letters"),
        )

    async def _ask(self, subject: str) -> Mapping[str, Any]:
        with suppress(*TROUBLE):
            told: dict[str, Any] = orjson.loads(
                (await self._bus.request(subject, timeout=BUS_WAIT_S)).data
            )
            return {} if "error" in told else told
        return {}

    async def _queue(self, consumer: Consumer) -> Queue | None:
        told = await self._ask(f"$JS.API.CONSUMER.INFO.{consumer.stream}.{consumer.name}")
        if not told:
            return None
        return Queue(
            name=consumer.name,
            pending=told["num_pending"],
            unacknowledged=told["num_ack_pending"],
        )

    async def _stream(self, name: str) -> list[Sample]:
        told = await self._ask(f"$JS.API.STREAM.INFO.{name}")
        if not told:
            return []
        return [
            Sample(name=f"pourline_stream_{what}", labels={"stream": name}, value=number)
            for what, number in told["state"].items()
            if what in {"messages", "bytes"}
        ]

    async def _counts(self) -> tuple[dict[str, int], list[Sample]]:
        with suppress(*TROUBLE):
            async with self._database.transaction() as unit:
                counts = await unit.one(
                    """
                    SELECT (SELECT count(*) FROM (
                        SELECT FROM outbox WHERE published_at IS NULL LIMIT %(most)s
                    ) AS told_not) AS outbox_unpublished, (SELECT count(*) FROM (
                        SELECT FROM dead_letter
                        WHERE replayed_at IS NULL AND closed_at IS NULL LIMIT %(most)s
                    ) AS set_aside) AS dead_letters,
                    pg_database_size(current_database()) AS database_bytes,
                    (SELECT numbackends FROM pg_stat_database
                     WHERE datname = current_database()) AS database_connections
                    """,
                    {"most": COUNTED_MAX},
                )
                own = await self._read(unit) if self._read else []
            return counts, [
                *(Sample(name=f"pourline_{name}", value=value) for name, value in counts.items()),
                *own,
            ]
        return {}, []

    def _timed(self) -> list[Sample]:
        took = {
            "pourline_publish_seconds": self._relay.publish_s,
            "pourline_commit_seconds": self._database.commit_s,
        }
        return [Sample(name=name, value=took_s) for name, took_s in took.items() if took_s]


class OwnMeasures:
    """Takes the figures of a process that has no database and no queue."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    async def __call__(self) -> Figures:
        """Return the figures as they are now."""
        return Figures(
            host=socket.gethostname(),
            samples=[*of_process(), *self._instruments.samples()],
            distributions=self._instruments.distributions(),
        )


def of_process() -> list[Sample]:
    """Return what this process uses of its machine."""
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if _HAS_PROC else 0
    resident = pages * resource.getpagesize()
    return [
        Sample(name="pourline_process_resident_bytes", value=resident),
        Sample(name="pourline_process_cpu_seconds_total", value=round(time.process_time(), 3)),
    ]


_HAS_PROC = os.access("/proc/self/statm", os.R_OK)


def _streams(consumers: list[Consumer]) -> list[str]:
    """Return the streams that a service reads, without those that are pushed to it."""
    return sorted({one.stream for one in consumers})


def _of_queue(queue: Queue) -> list[Sample]:
    labels = {"consumer": queue.name}
    return [
        Sample(name="pourline_queue_pending", labels=labels, value=queue.pending),
        Sample(name="pourline_queue_unacknowledged", labels=labels, value=queue.unacknowledged),
    ]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
