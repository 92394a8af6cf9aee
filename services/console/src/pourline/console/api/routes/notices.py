"""The notification log, what keeps alerts quiet, and the inventory monitor."""

from pourline.console.api.routes.table import Route
from pourline.contracts import notices
from pourline.contracts.base import Listing

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/notifications",
        level=3,
        command=notices.ListNotifications,
        answer=Listing[notices.Notification],
    ),
    Route(
        method="POST",
        path="/api/notifications/{notification_id}/retry",
        level=3,
        command=notices.RetryNotification,
        answer=notices.Notification,
    ),
    Route(
        method="POST",
        path="/api/alert-suppressions",
        level=3,
        command=notices.SuppressAlerts,
        answer=notices.Suppression,
        status=201,
    ),
    Route(
        method="GET",
        path="/api/alert-suppressions",
        level=3,
        command=notices.ListSuppressions,
        answer=Listing[notices.Suppression],
    ),
    Route(
        method="DELETE",
        path="/api/alert-suppressions/{suppression_id}",
        level=3,
        command=notices.LiftSuppression,
        answer=notices.Suppression,
    ),
    Route(
        method="POST",
        path="/api/inventory/notifications/check",
        level=2,
        command=notices.CheckInventory,
        answer=notices.InventoryCheck,
        counted=True,
    ),
    Route(
        method="GET",
        path="/api/inventory/notifications/check",
        level=2,
        command=notices.GetCooldowns,
        answer=notices.Cooldowns,
    ),
)
