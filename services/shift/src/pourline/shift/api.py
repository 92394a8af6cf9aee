"""shift's request/reply edge: which command or query goes to which handler."""

from pourline.contracts import evening
from pourline.kit.nats import Responder
from pourline.shift import handlers


def answer(responder: Responder) -> None:
    """Answer everything that shift owns."""
    responder.on(evening.OpenShift, handlers.open_shift)
    responder.on(evening.GetCurrentShift, handlers.get_current_shift)
    responder.on(evening.AddShiftMember, handlers.add_member, exists=handlers.shift_exists)
