"""alerts' request/reply edge: which command or query goes to which handler."""

from pourline.alerts.handlers import desk, monitor, notifications, stands, suppressions
from pourline.contracts import evening, notices
from pourline.kit.nats import Responder


def answer(responder: Responder, *, fresh: stands.FreshStands) -> None:
    """Answer everything that alerts owns."""
    responder.on(evening.ListAlerts, desk.list_alerts)
    responder.on(evening.AcknowledgeAlert, desk.acknowledge_alert, exists=desk.alert_exists)
    responder.on(evening.ResolveAlert, desk.resolve_alert, exists=desk.alert_exists)
    responder.on(notices.ListNotifications, notifications.list_notifications)
    responder.on(
        notices.RetryNotification,
        notifications.retry_notification,
        exists=notifications.notification_exists,
    )
    responder.on(notices.SuppressAlerts, suppressions.suppress)
    responder.on(notices.ListSuppressions, suppressions.list_suppressions)
    responder.on(notices.LiftSuppression, suppressions.lift, exists=suppressions.suppression_exists)
    responder.on(
        notices.CheckInventory,
        monitor.check_inventory,
        exists=monitor.package_exists,
        before=fresh,
    )
    responder.on(notices.GetCooldowns, monitor.cooldowns)
    responder.on(notices.RunMonitor, monitor.run_monitor, before=fresh)
