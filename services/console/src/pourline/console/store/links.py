"""How the console hears of the world, and since when it does not."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(kw_only=True)
class Link:
    """A connection: whether it is up, how often it was made, when it last brought something."""

    is_up: Callable[[], bool] = lambda: False
    times_made: Callable[[], int] = lambda: 0
    heard_at: datetime | None = None

    def as_of(self, now: datetime) -> datetime | None:
        """Return since when nothing can have been heard, or None while the link is up."""
        if self.is_up():
            self.heard_at = now
            return None
        return self.heard_at or datetime.min.replace(tzinfo=now.tzinfo)
