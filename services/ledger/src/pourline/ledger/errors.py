"""What the ledger refuses."""

from pourline.kit.errors import Rejected


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
