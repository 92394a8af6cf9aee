"""What one tap's flow meter has counted: for this pour, past the shut valve, in its life."""

from typing import Final

from pourline.controller.clock import Clock
from pourline.controller.domain import Flow, Rules, volume_ml
from pourline.controller.hardware import FlowMeter
from pourline.controller.recorder import Recorder

LEAK_LEAST_ML: Final = 10
"""Drips below this are kept until they have become a leak worth reporting."""


class Metering:
    """The meter, read so that every pulse counts once in the records' lifetime."""

    def __init__(self, meter: FlowMeter, *, records: Recorder, clock: Clock, rules: Rules) -> None:
        self._meter = meter
        self._records = records
        self._clock = clock
        self._rules = rules
        self._counted = 0
        self._dripped = 0
        self._rest_pulses = 0
        self._rest_since_ms = clock.elapsed_ms()

    def read(self) -> Flow:
        """Return what ran since the last restart."""
        flow = self._meter.read()
        self._count(flow)
        return flow

    def begin(self) -> None:
        """Begin a pour; what dripped before it stays on the tap's account, not on the guest's."""
        self._dripped += self._restart().pulses

    def end(self, reported: Flow) -> None:
        """End a pour that is recorded with this flow; what the meter counted beside it dripped."""
        self._dripped += max(0, self._restart().pulses - reported.pulses)

    def leak(self) -> tuple[Flow, int] | None:
        """Return what ran past the shut valve, and when it came to rest; None while it is little.

        To be asked again and again while nobody pours. Milliseconds of the elapsed clock.
        """
        flow, now_ms = self.read(), self._clock.elapsed_ms()
        if flow.pulses != self._rest_pulses:
            self._rest_pulses, self._rest_since_ms = flow.pulses, now_ms
        pulses = self._dripped + flow.pulses
        if volume_ml(pulses, self._rules.ml_per_pulse) < LEAK_LEAST_ML:
            return None
        if now_ms - self._rest_since_ms < self._rules.leak_settled_ms:
            return None
        ran = self._restart()
        pulses, self._dripped = self._dripped + ran.pulses, 0
        return Flow(pulses, ran.run_ms), self._rest_since_ms

    def _restart(self) -> Flow:
        flow = self._meter.restart()
        self._count(flow)
        self._counted = self._rest_pulses = 0
        return flow

    def _count(self, flow: Flow) -> None:
        self._records.lifetime_pulses += flow.pulses - self._counted
        self._counted = flow.pulses
