"""pos-adapter's request/reply edge: which command or query goes to which handler."""

from pourline.contracts import evening
from pourline.kit.nats import Responder
from pourline.pos_adapter import handlers


def answer(responder: Responder) -> None:
    """Answer everything that pos-adapter owns."""
    responder.on(evening.ListPosEvents, handlers.list_events)
    known = handlers.event_exists
    responder.on(evening.MarkPosEventSent, handlers.mark_sent_by_hand, exists=known)
    responder.on(evening.RetryPosEvent, handlers.retry, exists=known)
