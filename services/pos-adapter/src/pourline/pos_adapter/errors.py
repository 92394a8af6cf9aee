"""What pos-adapter refuses, and what a point of sale may fail with."""

from pourline.kit.errors import Retryable


class PosAway(Retryable):
    """The point of sale did not take the notification."""

    code = "pos_away"
