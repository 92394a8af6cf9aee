"""A clock that tests set."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Stands still until it is moved; starts at the machine's time, as servers stamp by theirs."""

    def __init__(self, at: datetime | None = None) -> None:
        self._at = at or datetime.now(UTC)

    def now(self) -> datetime:
        """Return the instant the test says it is."""
        return self._at

    def advance(self, **by: float) -> None:
        """Move on by `timedelta(**by)`."""
        self._at += timedelta(**by)
