"""What people do in services that keep no record themselves, told to the one that does."""

from typing import ClassVar

from pourline.contracts.base import Event, Instant


class Recorded(Event):
    """Fields of every event that puts something on the record: who, what, when, why.

    `about` is `kind:id`, the record's subject; `before` and `after` hold what is another now.
    """

    action: str
    about: str
    actor: str
    reason: str | None = None
    before: dict[str, object] | None = None
    after: dict[str, object] | None = None
    at: Instant


class LedgerRecorded(Recorded):
    """Somebody set a price or moved money."""

    TYPE: ClassVar[str] = "ledger.recorded"
    PRODUCER: ClassVar[str] = "ledger"


class CellarRecorded(Recorded):
    """Somebody listed or received something, or calibrated a spout."""

    TYPE: ClassVar[str] = "cellar.recorded"
    PRODUCER: ClassVar[str] = "keg-fifo"


class AlertsRecorded(Recorded):
    """Somebody dealt with an alert, or had alerts kept quiet."""

    TYPE: ClassVar[str] = "alerts.recorded"
    PRODUCER: ClassVar[str] = "alerts"


class ShiftRecorded(Recorded):
    """Somebody opened or closed a shift, came to it or left it."""

    TYPE: ClassVar[str] = "shift.recorded"
    PRODUCER: ClassVar[str] = "shift"


class TillRecorded(Recorded):
    """Somebody offered a package, or told the point of sale by hand."""

    TYPE: ClassVar[str] = "till.recorded"
    PRODUCER: ClassVar[str] = "pos-adapter"


EVENTS: tuple[type[Recorded], ...] = (
    LedgerRecorded,
    CellarRecorded,
    AlertsRecorded,
    ShiftRecorded,
    TillRecorded,
)
