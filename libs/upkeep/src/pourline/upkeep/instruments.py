"""What a process counts while it works: plain numbers, told when somebody asks.

With an OTLP end point each is handed to the OpenTelemetry SDK too; without one no SDK is loaded.
"""

from bisect import bisect_left
from collections.abc import Iterable

from opentelemetry import metrics

from pourline.contracts.upkeep import Distribution, Sample
from pourline.upkeep.catalogue import METRICS, Metric

Labels = tuple[str, ...]
SERIES_MAX = 500
"""Combinations of labels that one instrument keeps; none comes near, whatever is asked of us."""


class Counter:
    """Something that happened so and so often."""

    def __init__(self, name: str, meter: metrics.Meter | None) -> None:
        self.name = name
        self._metric = METRICS[name]
        self._values: dict[Labels, int] = {}
        self._told = meter and meter.create_counter(_bare(name), description=self._metric.help)

    def add(self, *labels: str, by: int = 1) -> None:
        """Count; `labels` in the order of the catalogue."""
        if labels not in self._values and len(self._values) >= SERIES_MAX:
            return
        self._values[labels] = self._values.get(labels, 0) + by
        if self._told:
            self._told.add(by, _named(self._metric, labels))

    def samples(self) -> list[Sample]:
        """Return every value."""
        return [
            Sample(name=self.name, labels=_named(self._metric, labels), value=value)
            for labels, value in self._values.items()
        ]


class Histogram:
    """How long something took, in seconds."""

    def __init__(self, name: str, meter: metrics.Meter | None) -> None:
        self.name = name
        self._metric = METRICS[name]
        self._bounds = self._metric.bounds
        self._counts: dict[Labels, list[int]] = {}
        self._totals: dict[Labels, float] = {}
        self._told = meter and meter.create_histogram(
            _bare(name),
            unit="s",
            description=self._metric.help,
            explicit_bucket_boundaries_advisory=self._bounds,
        )

    def observe(self, seconds: Iterable[float], *labels: str) -> None:
        """Take in a batch; below zero, for clocks of two machines, counts as nothing."""
        if labels not in self._counts and len(self._counts) >= SERIES_MAX:
            return
        counts = self._counts.setdefault(labels, [0] * (len(self._bounds) + 1))
        total = self._totals.get(labels, 0.0)
        for one in seconds:
            took = max(0.0, one)
            counts[bisect_left(self._bounds, took)] += 1
            total += took
            if self._told:
                self._told.record(took, _named(self._metric, labels))
        self._totals[labels] = total

    def distributions(self) -> list[Distribution]:
        """Return every distribution."""
        return [
            Distribution(
                name=self.name,
                labels=_named(self._metric, labels),
                bounds=list(self._bounds),
                counts=list(counts),
                total=round(self._totals[labels], 6),
            )
            for labels, counts in self._counts.items()
        ]


class Instruments:
    """One process's instruments; `meter` is the SDK's where metrics are exported."""

    def __init__(self, meter: metrics.Meter | None = None) -> None:
        self.meter = meter
        self._counters: list[Counter] = []
        self._histograms: list[Histogram] = []

    def counter(self, name: str) -> Counter:
        """Return a new counter of the catalogue; KeyError for a name that is not in it."""
        self._counters.append(made := Counter(name, self.meter))
        return made

    def histogram(self, name: str) -> Histogram:
        """Return a new histogram of the catalogue; KeyError for a name that is not in it."""
        self._histograms.append(made := Histogram(name, self.meter))
        return made

    def samples(self) -> list[Sample]:
        """Return the value of every counter."""
        return [sample for one in self._counters for sample in one.samples()]

    def distributions(self) -> list[Distribution]:
        """Return what every histogram has seen."""
        return [found for one in self._histograms for found in one.distributions()]


def _named(metric: Metric, labels: Labels) -> dict[str, str]:
    return dict(zip(metric.labels, labels, strict=True))


def _bare(name: str) -> str:
    return name.removesuffix("_total")
