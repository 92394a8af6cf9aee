"""What shift refuses."""

from pourline.kit.errors import NotFound, Rejected


class ShiftUnknown(NotFound):
    """There is no such shift."""


class NoShiftOpen(NotFound):
    """No shift is open here."""


class ShiftAlreadyOpen(Rejected):
    """A shift is open here already."""

    code = "shift_already_open"


class ShiftClosed(Rejected):
    """The shift is closed."""

    code = "shift_closed"


class ShiftClosing(Rejected):
    """Somebody else closes this shift right now."""

    code = "shift_closing"


class EquipmentUnchecked(Rejected):
    """Somebody must have looked at the equipment before the shift ends."""

    code = "equipment_unchecked"


class ShiftBlocked(Rejected):
    """Something stands in the way of closing the shift."""

    code = "shift_blocked"


class MemberUnknown(NotFound):
    """Nobody of that name works in the shift."""
