"""What devices and screens must hear, told on the foreign broker.

Answers and commands pass as they come; without a connection they are dropped, because whoever
needs one asks again. States and alerts are retained, and kept equal to what the inner broker
retains.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NoReturn, Protocol

from pourline.contracts import subjects
from pourline.kit.pulse import beat
from pourline.mqtt_bridge.domain import Mirror, fits, topic_filter

RETAINED = (topic_filter(subjects.TAP_STATE), topic_filter(subjects.ALERT))

SETTLE_S = 13.0
"""Services tell a wiped inner broker everything again within ten seconds; absence counts after."""

ECHO_S = 2.0
"""By then the foreign broker has said what it retains, and has repeated what we told it."""

COMPARE_EVERY_S = 1.0

log = logging.getLogger(__name__)


class Tells(Protocol):
    """The side that is told."""

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish at QoS 1; False when it cannot be done now."""
        ...


class InnerSide(Protocol):
    """The connection to the inner broker."""

    connected: bool


class Downward:
    """Keeps what devices hear the same on both brokers."""

    def __init__(self, *, broker: Tells, now_s: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._now_s = now_s
        self._mirror = Mirror(settle_s=SETTLE_S, echo_s=ECHO_S)

    async def inner_connected(self) -> None:
        """Begin to hear the inner broker's retained messages anew."""
        self._mirror.inner_connected(self._now_s())

    async def inner_said(self, topic: str, payload: bytes) -> None:
        """Tell the foreign broker at once what the inner one says."""
        retain = is_retained(topic)
        if retain:
            self._mirror.want(topic, payload, self._now_s())
        self._broker.publish(topic, payload, retain=retain)

    def foreign_connected(self) -> None:
        """Tell everything that is retained: this broker may have lost its store."""
        self._mirror.foreign_connected(self._now_s())
        for topic, payload in self._mirror.wanted:
            self._broker.publish(topic, payload, retain=True)

    def foreign_lost(self) -> None:
        """Correct nothing until the foreign broker is back."""
        self._mirror.foreign_lost()

    def foreign_said(self, topic: str, payload: bytes) -> None:
        """Note what the foreign broker retains."""
        self._mirror.held(topic, payload)

    async def run(self, inner: InnerSide) -> NoReturn:
        """Compare both sides and correct the foreign one, for ever."""
        while True:
            beat()
            await asyncio.sleep(COMPARE_EVERY_S)
            if not inner.connected:
                self._mirror.inner_lost()
            self.correct()

    def correct(self) -> None:
        """Tell what the foreign broker lacks, and clear what must be no more."""
        wrong = self._mirror.corrections(self._now_s())
        for topic, payload in wrong:
            self._broker.publish(topic, payload, retain=True)
        if wrong:
            cleared = sum(not payload for _, payload in wrong)
            told = len(wrong) - cleared
            log.info("retained_corrected", extra={"told": told, "cleared": cleared})


def is_retained(topic: str) -> bool:
    """Return whether the last word on this topic is kept by the broker."""
    return any(fits(topic, one) for one in RETAINED)
