"""What pos-adapter refuses, and what a point of sale may fail with."""

from pourline.kit.errors import Malformed, NotFound, Rejected, Retryable


class PosAway(Retryable):
    """The point of sale does not answer, or says that it cannot now."""

    code = "pos_away"


class PosRefused(Rejected):
    """The point of sale answers and does not want this notification."""

    code = "pos_refused"


class PosEventUnknown(NotFound):
    """There is no such notification."""


class AlreadySent(Rejected):
    """The point of sale has been told."""

    code = "already_sent"


class StatusUnknown(Malformed):
    """status: must be queued, sent or failed."""


class ItemUnknown(NotFound):
    """There is no such item."""


class PackageUnknown(NotFound):
    """There is no such package."""


class SaleTooLarge(Malformed):
    """The sale's amount is over 10^12 minor units."""
