"""auth-lock's rules: who may pour where and how much, what state a tap is in, what is configured.

Pure functions of values, a module per noun.
"""

from pourline.auth_lock.domain.access import (
    DENIAL_REPEATS_FOR,
    GRANT_OPENS_WITHIN,
    POUR_S_MAX,
    REQUEST_AGE_MAX,
    AskedCard,
    AskedTap,
    AskingVisit,
    Denied,
    Deny,
    Eligible,
    Enforced,
    GrantId,
    GuestId,
    House,
    LockHeld,
    VisitId,
    decide,
    is_stale,
)
from pourline.auth_lock.domain.configuration import (
    CONFIG,
    FLAGS,
    LIST_MAX,
    ConfigRule,
    fits,
    is_mail_address,
    wanted,
)
from pourline.auth_lock.domain.tap_states import TapFacts, TapState, tap_state

__all__ = [
    "CONFIG",
    "DENIAL_REPEATS_FOR",
    "FLAGS",
    "GRANT_OPENS_WITHIN",
    "LIST_MAX",
    "POUR_S_MAX",
    "REQUEST_AGE_MAX",
    "AskedCard",
    "AskedTap",
    "AskingVisit",
    "ConfigRule",
    "Denied",
    "Deny",
    "Eligible",
    "Enforced",
    "GrantId",
    "GuestId",
    "House",
    "LockHeld",
    "TapFacts",
    "TapState",
    "VisitId",
    "decide",
    "fits",
    "is_mail_address",
    "is_stale",
    "tap_state",
    "wanted",
]
