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


class ShiftClosing(Rejected):
    """A shift is being closed at this moment; try again in a few seconds."""

    code = "shift_closing"


class CurrencyFixed(Rejected):
    """There is money in the books already: their currency stays."""

    code = "currency_fixed"


class BadConfigValue(Rejected):
    """The value does not fit the key."""

    code = "bad_config_value"
    status = 422


class LimitProfileUnknown(Rejected):
    """There is no such limit profile."""

    code = "limit_profile_unknown"
    status = 422


class ReactivationRefused(Rejected):
    """The visit's limit profile grants no re-activation."""

    code = "reactivation_refused"


class NotCutOff(Rejected):
    """The guest is not cut off."""

    code = "not_cut_off"


class LostCardUnknown(NotFound):
    """This card is not reported lost."""


class BadOverride(Rejected):
    """An override ends in the future."""

    code = "bad_override"
    status = 422


class StaffUnknown(NotFound):
    """There is no such account."""


class PinHeldOff(Rejected):
    """Too many wrong PINs; use the password, or try again in a quarter of an hour."""

    code = "too_often"
    status = 429


class LocationUnknown(NotFound):
    """No tap is at this location."""
