"""What alerts refuses."""

from pourline.kit.errors import NotFound, Rejected, Retryable


class AlertUnknown(NotFound):
    """There is no such alert."""


class AlertOver(Rejected):
    """The alert is resolved."""

    code = "alert_resolved"


class NotificationUnknown(NotFound):
    """There is no such notification."""


class NotificationSent(Rejected):
    """The notification was sent."""

    code = "notification_sent"


class NotificationTravels(Rejected):
    """The notification is on its way in a digest; try that one again."""

    code = "notification_in_digest"


class PackageUnknown(NotFound):
    """There is no such package."""


class SuppressionUnknown(NotFound):
    """There is no such suppression."""


class SuppressionOver(Rejected):
    """A suppression ends in the future, and this one does not."""

    code = "suppression_over"


class SuppressionTooWide(Rejected):
    """A suppression needs a kind or a subject: nobody may silence everything."""

    code = "suppression_too_wide"
    status = 422


class NotDelivered(Retryable):
    """Some or all of the recipients do not have it."""

    def __init__(self, detail: str, *, delivered_to: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.delivered_to = delivered_to
