"""shift's request/reply edge: which command or query goes to which handler."""

from pourline.contracts import evening, shifts
from pourline.kit.nats import Responder
from pourline.shift.handlers import closing, opening


def answer(responder: Responder, *, close: closing.Closing) -> None:
    """Answer everything that shift owns."""
    known = opening.shift_exists
    responder.on(evening.OpenShift, opening.open_shift)
    responder.on(evening.GetCurrentShift, opening.get_current_shift)
    responder.on(evening.ListShifts, opening.list_shifts)
    responder.on(evening.AddShiftMember, opening.add_member, exists=known)
    responder.on(evening.RemoveShiftMember, opening.remove_member, exists=known)
    responder.on(shifts.GetPrecheck, close.precheck, before=close.ask_before_precheck)
    responder.on(shifts.CloseShift, close.close_shift, exists=known, before=close.ask_before_close)
    responder.on(shifts.GetShiftReport, closing.get_report)
