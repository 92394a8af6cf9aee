"""Noticing that a keg blew empty: gas spins a turbine many times faster than beer does.

The meter is looked at in samples long enough to hold many pulses. A sample is unusual when it runs
faster than a multiple of the mean of those before; so many unusual samples in a row are gas. The
mean goes on from pour to pour: a keg that blows at the first drop is noticed, too.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

SAMPLES_LEARNT = 10
"""Two seconds of beer say how fast it runs here; before that nothing is unusual."""
SAMPLES_KEPT = 100
"""The mean forgets by half at so many, so that it follows a pressure that was turned."""


@dataclass(frozen=True, slots=True)
class GasRules:
    """How gas is told from beer; a `multiple` of 0 never looks.

    `multiple` times the mean rate is unusual, `samples` of `sample_ms` in a row are gas.
    """

    multiple: Decimal = Decimal(4)
    samples: int = 3
    sample_ms: int = 200


@dataclass(frozen=True, slots=True)
class GasWatch:
    """What was counted: pulses, milliseconds and samples of beer, and unusual samples in a row."""

    pulses: int = 0
    ms: int = 0
    learnt: int = 0
    fast: int = 0
    since_ms: int | None = None
    since_pulses: int = 0

    def begun(self) -> "GasWatch":
        """Begin a pour: the mean stays, the sample under way does not."""
        return replace(self, fast=0, since_ms=None, since_pulses=0)


def watched(watch: GasWatch, pulses: int, now_ms: int, rules: GasRules) -> GasWatch:
    """Take a reading of the meter in; what is no whole sample yet waits."""
    if rules.multiple <= 0:
        return watch
    if watch.since_ms is None:
        return replace(watch, since_ms=now_ms, since_pulses=pulses)
    ms, ran = now_ms - watch.since_ms, pulses - watch.since_pulses
    if ms < rules.sample_ms:
        return watch
    after = replace(watch, since_ms=now_ms, since_pulses=pulses)
    if watch.learnt >= SAMPLES_LEARNT and ran * watch.ms > rules.multiple * watch.pulses * ms:
        return replace(after, fast=watch.fast + 1)
    return _learnt(replace(after, fast=0), ran, ms)


def _learnt(watch: GasWatch, ran: int, ms: int) -> GasWatch:
    """Add a sample to the mean; one in which nothing ran says nothing of how fast beer runs."""
    if ran <= 0:
        return watch
    if watch.learnt >= SAMPLES_KEPT:
        watch = replace(watch, pulses=watch.pulses // 2, ms=watch.ms // 2, learnt=watch.learnt // 2)
    return replace(watch, pulses=watch.pulses + ran, ms=watch.ms + ms, learnt=watch.learnt + 1)


def is_gas(watch: GasWatch, rules: GasRules) -> bool:
    """Say whether enough samples in a row were unusual."""
    return rules.multiple > 0 and watch.fast >= rules.samples
