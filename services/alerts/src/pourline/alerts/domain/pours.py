"""What pours, balances and lost cards say."""

from pourline.alerts.domain.kinds import MAIN, Findings, Kind, breach_of, cause_of, opened
from pourline.alerts.domain.quantities import money

MISMATCHES_CRITICAL = 3
"""So many mismatches that nobody resolved are critical, unless `sync_mismatch_critical_count`
says otherwise."""


def pour_findings(
    *, client_tx_id: str, tap_id: str, location: str, kind: Kind, reason: str | None
) -> Findings:
    """Return the alert that a pour out of the ordinary opens."""
    cause = cause_of(kind, client_tx_id)
    return opened(cause, location=location, tap_id=tap_id, reason=reason)


def pour_is_decided(client_tx_id: str) -> Findings:
    """Return what a person's decision on a held pour ends."""
    return Findings(ends=(cause_of(Kind.POUR_HELD, client_tx_id),))


def balance_findings(
    *, guest_id: str, balance: int, currency: str, location: str = MAIN
) -> Findings:
    """Return what a guest's balance (minor units) says: overdrawn or not."""
    cause = cause_of(Kind.OVERDRAWN, guest_id)
    if balance >= 0:
        return Findings(ends=(cause,))
    return opened(cause, location=location, balance=money(balance, currency))


def lost_card_findings(*, card_uid: str, tap_id: str, location: str) -> Findings:
    """Return the alert that a lost card on a tap opens; only a person ends it."""
    cause = cause_of(Kind.LOST_CARD_USED, card_uid)
    return Findings(opens=(breach_of(cause, location=location, tap_id=tap_id, card_uid=card_uid),))
