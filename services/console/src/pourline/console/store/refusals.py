"""The last card that each tap refused, for the screen beside it."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

from pourline.contracts.guests import AccessDenied

SHOWN_FOR = timedelta(seconds=10)
"""A guest has read it by then, and the next one is not greeted with it."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a tap stayed shut, and when that was heard."""

    reason: str
    at: datetime


class Refusals:
    """Refusals by tap; of taps that nobody registered none is kept."""

    def __init__(self) -> None:
        self._last: dict[str, Refusal] = {}

    def hear(self, event: AccessDenied, *, taps: Container[str], now: datetime) -> None:
        """Take in that a card was refused."""
        if event.tap_id in taps:
            self._last[event.tap_id] = Refusal(reason=event.reason, at=now)

    def at(self, tap_id: str, now: datetime) -> Refusal | None:
        """Return what a tap refused just now."""
        found = self._last.get(tap_id)
        return found if found and now - found.at <= SHOWN_FOR else None
