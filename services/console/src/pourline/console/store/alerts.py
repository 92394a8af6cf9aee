"""The alerts that stand, as their retained topics tell them."""

import logging
from datetime import datetime, timedelta

from pydantic import ValidationError

from pourline.contracts.device import PAYLOAD_BYTES_MAX, AlertMessage

STANDING_MAX = 2000
"""Far more than a person can read; a broker gone wild must not fill the memory."""
CONFIRM_WITHIN = timedelta(seconds=12)
"""A broker that lost its store has every standing alert again within ten seconds."""

log = logging.getLogger(__name__)


class AlertBoard:
    """Standing alerts by topic; what a new connection does not tell again is over."""

    def __init__(self) -> None:
        self._standing: dict[str, AlertMessage] = {}
        self._unconfirmed: set[str] = set()
        self._confirm_until: datetime | None = None

    def tell(self, topic: str, payload: bytes) -> None:
        """Take the last word on `topic`: an alert, or nothing when it is resolved."""
        self._unconfirmed.discard(topic)
        if not payload:
            self._standing.pop(topic, None)
            return
        if len(payload) > PAYLOAD_BYTES_MAX or self._is_full(topic):
            log.warning("alert_not_shown", extra={"topic": topic, "bytes": len(payload)})
            return
        try:
            self._standing[topic] = AlertMessage.model_validate_json(payload)
        except ValidationError:
            log.warning("alert_unreadable", extra={"topic": topic})

    def expect_again(self, now: datetime) -> None:
        """Begin a new connection: every standing alert must be told again to stay."""
        self._unconfirmed = set(self._standing)
        self._confirm_until = now + CONFIRM_WITHIN

    def standing(self, now: datetime) -> list[AlertMessage]:
        """Return the alerts that stand, in no order."""
        if self._confirm_until and now >= self._confirm_until:
            for topic in self._unconfirmed:
                self._standing.pop(topic, None)
            self._unconfirmed.clear()
            self._confirm_until = None
        return list(self._standing.values())

    def _is_full(self, topic: str) -> bool:
        return topic not in self._standing and len(self._standing) >= STANDING_MAX
