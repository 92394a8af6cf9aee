"""What is worth nothing later: a card's question, and the flow while a pour runs.

Both are subscribed at QoS 0, so no broker keeps them for us. A question waits for the bus for as
long as its guest does; a late one must never lock a tap. Flow does not wait at all.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from nats.aio.client import Client

from pourline.contracts import subjects
from pourline.kit.errors import TROUBLE
from pourline.mqtt_bridge.domain import fits, topic_filter
from pourline.mqtt_bridge.handlers.received import Received, some
from pourline.mqtt_bridge.handlers.sieve import Sieve

AUTHORIZE_FRESH_S = 5.0
"""The outer contract: a question older than this locks nothing."""

FLOW_FRESH_S = 1.0
"""The next flow is there by then."""

WAITING_MAX = 500
"""Questions and flows of the last moment of a large bar; the oldest give way."""

LOOK_AGAIN_S = 0.05

log = logging.getLogger(__name__)


class Fleeting:
    """Passes fresh messages on at once and drops the others."""

    def __init__(
        self, *, bus: Client, sieve: Sieve, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._sieve = sieve
        self._now_s = now_s
        self._waiting: deque[Received] = deque(maxlen=WAITING_MAX)
        self._some = asyncio.Event()
        self.dropped = 0

    def take(self, message: Received) -> None:
        """Take a message in; never blocks. A retained one is of unknown age and dropped."""
        if message.retained:
            self._drop(message)
            return
        if len(self._waiting) == WAITING_MAX:
            self.dropped += 1
        self._waiting.append(message)
        self._some.set()

    async def run(self) -> NoReturn:
        """Pass on for ever."""
        while True:
            await some(self._waiting, self._some)
            await self._pass_on(self._waiting.popleft())

    async def _pass_on(self, message: Received) -> None:
        subject = self._sieve.subject_of(message)
        if subject is None:
            return
        if not await self._bus_while_fresh(message):
            self._drop(message)
            return
        try:
            await self._bus.publish(subject, message.payload)
        except TROUBLE:
            self._drop(message)

    async def _bus_while_fresh(self, message: Received) -> bool:
        """Wait for the bus while the message is worth it; return whether both hold."""
        is_flow = fits(message.topic, topic_filter(subjects.FLOW))
        fresh_s = FLOW_FRESH_S if is_flow else AUTHORIZE_FRESH_S
        while self._now_s() - message.at_s <= fresh_s:
            if self._bus.is_connected:
                return True
            if is_flow:
                return False
            await asyncio.sleep(LOOK_AGAIN_S)
        return False

    def _drop(self, message: Received) -> None:
        self.dropped += 1
        log.info("message_too_late", extra={"topic": message.topic, "dropped_so_far": self.dropped})
