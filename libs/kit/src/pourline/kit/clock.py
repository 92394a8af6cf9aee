"""What time it is, passed in so that tests may say so."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of aware UTC instants."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(UTC)
