"""What the bus can carry: the rest is counted, logged once a topic, and goes no further."""

import logging

from pourline.mqtt_bridge.domain import subject_of
from pourline.mqtt_bridge.errors import NotCarried
from pourline.mqtt_bridge.handlers.received import Received

PAYLOAD_BYTES_MAX = 64 * 1024
"""What the built-in broker takes too; the bus's own limit lies a little above it."""

TOPICS_REMEMBERED_MAX = 1_000
"""Who makes up more topics than this reads about some of them twice."""

TOPIC_LOGGED_MAX = 120

log = logging.getLogger(__name__)


class Sieve:
    """Lets messages through to the bus, or refuses them with a reason."""

    def __init__(self) -> None:
        self.refused = 0
        self._logged: set[tuple[str, str]] = set()

    def subject_of(self, message: Received) -> str | None:
        """Return the message's subject, or None: refused, and nothing will change that."""
        if len(message.payload) > PAYLOAD_BYTES_MAX:
            self._note(message, "payload_too_large")
            return None
        try:
            return subject_of(message.topic)
        except NotCarried as refusal:
            self._note(message, refusal.reason)
            return None

    def _note(self, message: Received, reason: str) -> None:
        self.refused += 1
        key = (message.topic, reason)
        if key in self._logged:
            return
        if len(self._logged) >= TOPICS_REMEMBERED_MAX:
            self._logged.clear()
        self._logged.add(key)
        log.warning(
            "message_refused",
            extra={
                "reason": reason,
                "topic": message.topic[:TOPIC_LOGGED_MAX],
                "bytes": len(message.payload),
                "refused_so_far": self.refused,
            },
        )
