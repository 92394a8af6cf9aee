"""The ways to a point of sale; a new one is a class with `notify` and a line in `ADAPTERS`."""

import logging
from collections.abc import Mapping
from typing import Protocol

from pourline.pos_adapter.domain import Notification

log = logging.getLogger(__name__)


class Adapter(Protocol):
    """Takes notifications to a point of sale."""

    async def notify(self, notification: Notification) -> None:
        """Tell it; the same one may come twice after a crash, told by kind and reference.

        Raises `PosAway` when it was not taken.
        """
        ...


class NoopAdapter:
    """For a bar without a point of sale: takes everything and does nothing."""

    async def notify(self, notification: Notification) -> None:
        """Take the notification."""
        del notification


class LogAdapter:
    """Writes each notification as a line of the log."""

    async def notify(self, notification: Notification) -> None:
        """Log the notification."""
        log.info(
            "pos_notified",
            extra={
                "kind": notification.kind.value,
                "reference": notification.reference,
                "payload": notification.payload,
            },
        )


ADAPTERS: Mapping[str, Adapter] = {"noop": NoopAdapter(), "log": LogAdapter()}
"""By the name that the configuration key `pos_adapter` chooses."""
