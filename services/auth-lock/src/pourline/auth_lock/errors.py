"""What auth-lock refuses."""

from pourline.kit.errors import NotFound, Rejected


class GuestUnknown(NotFound):
    """There is no such guest."""


class VisitUnknown(NotFound):
    """There is no such visit."""


class TapUnknown(NotFound):
    """There is no such tap."""


class DeviceUnknown(NotFound):
    """There is no such spout."""


class ConfigUnknown(NotFound):
    """There is no such configuration key."""


class VisitAlreadyActive(Rejected):
    """The guest has an active visit."""

    code = "visit_already_active"


class CardInUse(Rejected):
    """The card belongs to another active visit."""

    code = "card_in_use"


class UnreadableCard(Rejected):
    """The card's id is no id."""

    code = "unreadable_card"
    status = 422


class VisitClosed(Rejected):
    """The visit is closed."""

    code = "visit_closed"


class VisitLocked(Rejected):
    """The visit has a tap open."""

    code = "visit_locked"


class VisitNotLocked(Rejected):
    """The visit has no tap open."""

    code = "visit_not_locked"


class PourPending(Rejected):
    """A pour of the visit is not in the books yet."""

    code = "pour_pending"


class TapExists(Rejected):
    """A tap with this id exists."""

    code = "tap_exists"


class StaffExists(Rejected):
    """This username is taken."""

    code = "staff_exists"


class WrongPassword(Rejected):
    """Username or password is wrong."""

    code = "wrong_password"
    status = 401


class BadConfigValue(Rejected):
    """The value does not fit the key."""

    code = "bad_config_value"
    status = 422
