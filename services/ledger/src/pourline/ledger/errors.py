"""What the ledger refuses."""

from pourline.kit.errors import Malformed, Rejected


class InsufficientBalance(Rejected):
    """The balance does not cover it."""

    code = "insufficient_balance"


class BalanceLimit(Rejected):
    """The balance would pass what an account may hold."""

    code = "balance_limit"


class GrantVoided(Rejected):
    """The grant was voided before its hold came."""

    code = "grant_voided"


class GrantSettled(Rejected):
    """The grant that was to be renewed has its pour in the books."""

    code = "grant_settled"


class Disabled(Rejected):
    """Entering pours by hand is switched off."""

    code = "disabled"


class NoPrice(Rejected):
    """There is no price for it: set the beverage's price first."""

    code = "no_price"


class NotHeld(Rejected):
    """The pour does not wait for a decision."""

    code = "not_held"


class VisitNeeded(Rejected):
    """Nobody knows whose pour it is: name the visit that pays it."""

    code = "visit_needed"


class NotBillable(Rejected):
    """No guest can be charged for this volume."""

    code = "not_billable"


class MoreThanCharged(Rejected):
    """More than the pour cost would be given back."""

    code = "more_than_charged"


class TimezoneUnknown(Malformed):
    """There is no such time zone."""
