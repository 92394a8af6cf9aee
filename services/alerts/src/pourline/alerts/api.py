"""alerts' request/reply edge: which command or query goes to which handler."""

from pourline.alerts import handlers
from pourline.contracts import evening
from pourline.kit.nats import Responder


def answer(responder: Responder) -> None:
    """Answer everything that alerts owns."""
    responder.on(evening.ListAlerts, handlers.list_alerts)
    responder.on(evening.AcknowledgeAlert, handlers.acknowledge_alert, exists=handlers.alert_exists)
    responder.on(evening.ResolveAlert, handlers.resolve_alert, exists=handlers.alert_exists)
