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
