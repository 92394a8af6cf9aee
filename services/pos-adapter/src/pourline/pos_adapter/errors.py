"""What pos-adapter refuses, and what a point of sale may fail with."""

from pourline.kit.errors import NotFound, Rejected, Retryable


class PosAway(Retryable):
    """The point of sale did not take the notification."""

    code = "pos_away"


class PosEventUnknown(NotFound):
    """There is no such notification."""


class AlreadySent(Rejected):
    """The point of sale has been told."""

    code = "already_sent"
