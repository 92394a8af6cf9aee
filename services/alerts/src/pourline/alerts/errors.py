"""What alerts refuses."""

from pourline.kit.errors import NotFound, Rejected


class AlertUnknown(NotFound):
    """There is no such alert."""


class AlertOver(Rejected):
    """The alert is resolved."""

    code = "alert_resolved"
