"""The whole bar's metrics, gathered from every instance of every service over the bus.

What instances share is told once; what each counts is told for each machine.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from pourline.contracts.subjects import health
from pourline.contracts.upkeep import ASK_FIGURES, Distribution, Figures, HealthReport, Sample
from pourline.kit.clock import Clock
from pourline.kit.errors import TROUBLE
from pourline.upkeep.catalogue import METRICS, OF_STREAMS
from pourline.upkeep.instruments import Instruments

WAIT_S = 4.0
"""Past the longest that a service takes to say that its own parts are away."""
GRACE_S = 0.1
"""After every service was heard, so long for their other instances."""
NO_RESPONDERS = "503"


class Metrics:
    """Asks the services, one round at a time, and adds what this console counts itself."""

    def __init__(
        self,
        *,
        bus: Client,
        clock: Clock,
        services: Sequence[str],
        own: Instruments,
        backup_note: str,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._services = tuple(services)
        self.own = own
        self._backup_note = backup_note
        self._one_at_a_time = asyncio.Lock()

    async def gather(self) -> tuple[list[Sample], list[Distribution]]:
        """Return every value; a service that is away is told as down, the rest is there."""
        async with self._one_at_a_time:
            began_s = time.monotonic()
            reports = await self._reports()
            took_s = time.monotonic() - began_s
        samples = [
            *self._of_reports(reports),
            *self._of_backup(),
            *self.own.samples(),
            Sample(name="pourline_scrape_seconds", value=round(took_s, 4)),
        ]
        counted = [
            one.model_copy(update={"labels": _beside(one, report)})
            for report in reports
            for one in _figures(report).distributions
        ]
        return samples, [*counted, *self.own.distributions()]

    async def _reports(self) -> list[HealthReport]:
        """Return what every instance says of itself, within a bounded time."""
        heard: list[HealthReport] = []
        waiting = set(self._services)
        all_heard = asyncio.Event()
        inbox = self._bus.new_inbox()

        async def take(message: Msg) -> None:
            waiting.discard(message.subject.removeprefix(f"{inbox}."))
            if (message.headers or {}).get("Status") != NO_RESPONDERS:
                with contextlib.suppress(ValidationError):
                    heard.append(HealthReport.model_validate_json(message.data))
            if not waiting:
                all_heard.set()

        with contextlib.suppress(*TROUBLE):
            subscription = await self._bus.subscribe(f"{inbox}.*", cb=take)
            try:
                for service in self._services:
                    reply = f"{inbox}.{service}"
                    await self._bus.publish(health(service), ASK_FIGURES, reply=reply)
                async with asyncio.timeout(WAIT_S):
                    await all_heard.wait()
                await asyncio.sleep(GRACE_S)
            finally:
                await subscription.unsubscribe()
        return heard

    def _of_reports(self, reports: Sequence[HealthReport]) -> Iterator[Sample]:
        up = {one.service for one in reports}
        ready = up - {one.service for one in reports if not one.ready}
        for service in self._services:
            labels = {"service": service}
            yield Sample(name="pourline_up", labels=labels, value=service in up)
            yield Sample(name="pourline_ready", labels=labels, value=service in ready)
        yield from _parts(reports)
        shared: dict[tuple[str, ...], Sample] = {}
        for report in reports:
            yield from _of_life(report)
            for one in _figures(report).samples:
                told = one.model_copy(update={"labels": _beside(one, report)})
                if METRICS[one.name].is_shared:
                    key = (one.name, *told.labels.values())
                    shared[key] = max(told, shared.get(key, told), key=lambda each: each.value)
                else:
                    yield told
        yield from shared.values()

    def _of_backup(self) -> Iterator[Sample]:
        """Tell how old the last backup is, where one was made and somebody may read of it."""
        if not self._backup_note:
            return
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note = orjson.loads(Path(self._backup_note).read_bytes())
            age_s = self._clock.now().timestamp() - float(note["made_at_s"])
            yield Sample(name="pourline_backup_age_seconds", value=round(max(0.0, age_s)))


def _figures(report: HealthReport) -> Figures:
    """Return a report's figures without what this version does not know."""
    figures = report.figures or Figures()
    return figures.model_copy(
        update={
            "samples": [one for one in figures.samples if one.name in METRICS],
            "distributions": [one for one in figures.distributions if one.name in METRICS],
        }
    )


def _beside(one: Sample | Distribution, report: HealthReport) -> dict[str, str]:
    """Return labels with whose they are, where that says anything."""
    if one.name in OF_STREAMS:
        return one.labels
    labels = {"service": report.service}
    if not METRICS[one.name].is_shared:
        labels["host"] = _figures(report).host or ""
    return labels | one.labels


def _parts(reports: Iterable[HealthReport]) -> Iterator[Sample]:
    """Tell a part as down when any instance says so."""
    states: dict[tuple[str, str], bool] = {}
    for report in reports:
        for part, state in report.parts.items():
            key = report.service, part
            states[key] = states.get(key, True) and state == "ok"
    for (service, part), is_up in states.items():
        yield Sample(
            name="pourline_part_up", labels={"service": service, "part": part}, value=is_up
        )


def _of_life(report: HealthReport) -> Iterator[Sample]:
    labels = {"service": report.service, "host": _figures(report).host or ""}
    if report.uptime_s is not None:
        yield Sample(name="pourline_uptime_seconds", labels=labels, value=report.uptime_s)
    if report.version:
        yield Sample(
            name="pourline_build_info", labels=labels | {"version": report.version}, value=1
        )
