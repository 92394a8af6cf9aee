"""Traces and metrics over OTLP/HTTP, for whoever collects them so; loaded only where asked for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NoReturn

from opentelemetry import metrics, trace

from pourline.contracts.upkeep import Figures, Sample
from pourline.kit.settings import ServiceSettings
from pourline.upkeep.catalogue import METRICS, Kind
from pourline.upkeep.instruments import Instruments

MEASURE_EVERY_S = 15.0
"""What is read rather than counted: as often as most collectors scrape."""


def instruments(settings: ServiceSettings) -> Instruments:
    """Return the process's instruments, and export them and its traces where settings say so."""
    endpoint = settings.otel_exporter_otlp_endpoint.rstrip("/")
    if not endpoint:
        return Instruments()
    return Instruments(_export(settings.service, endpoint))


def _export(service: str, endpoint: str) -> metrics.Meter:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415 20 MB that only export needs
        OTLPMetricExporter,
    )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 as above
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 as above
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415 as above
        PeriodicExportingMetricReader,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 as above

    resource = Resource.create({"service.name": f"pourline-{service}"})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    trace.set_tracer_provider(traces)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{endpoint}/v1/metrics"))
    # Not the global provider: libraries would add metrics of their own, with labels of their own.
    return MeterProvider(resource=resource, metric_readers=[reader]).get_meter("pourline")


class Reading:
    """Hands what is read, queues and states, to the SDK now and again.

    A series that is not told any more goes to zero: its collector would keep the last value.
    """

    def __init__(self, meter: metrics.Meter, measure: Callable[[], Awaitable[Figures]]) -> None:
        self._meter = meter
        self._measure = measure
        self._gauges: dict[str, metrics._Gauge] = {}
        self._before: set[tuple[str, tuple[tuple[str, str], ...]]] = set()

    async def run(self) -> NoReturn:
        """Read for ever."""
        while True:
            self._hand_over((await self._measure()).samples)
            await asyncio.sleep(MEASURE_EVERY_S)

    def _hand_over(self, samples: Iterable[Sample]) -> None:
        gauges = [one for one in samples if METRICS[one.name].kind is Kind.GAUGE]
        now = {(one.name, tuple(one.labels.items())) for one in gauges}
        for name, labels in self._before - now:
            self._gauge(name).set(0, dict(labels))
        for one in gauges:
            self._gauge(one.name).set(one.value, dict(one.labels))
        self._before = now

    def _gauge(self, name: str) -> metrics._Gauge:
        if name not in self._gauges:
            self._gauges[name] = self._meter.create_gauge(name, description=METRICS[name].help)
        return self._gauges[name]
