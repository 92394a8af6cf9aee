"""Staff's accounts, their logins, and the tokens that no longer count.

Logging in by password and creating an account are older and stand in `taps`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import StringConstraints

from pourline.contracts.base import Command, Event, Id, IdPage, Instant, Message, Name, Page
from pourline.contracts.taps import Level, Password

Pin = Annotated[str, StringConstraints(pattern=r"^[0-9]{4,8}$")]
PIN_LEVEL_MAX = 2
"""A shared screen that anybody may touch opens no more than a senior's work."""
CLAIMS_NEEDED = ("exp", "sub", "level")


class ListStaff(IdPage):
    """Every account, also those that were deactivated."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "staff.list"


class StaffOrder(Command):
    """What an owner does to an account; each order has its own end point."""

    OWNER: ClassVar[str] = "auth-lock"
    staff_id: Id


class SetStaffLevel(StaffOrder):
    """Give an account another level; its tokens end."""

    NAME: ClassVar[str] = "staff.set_level"
    level: Level


class ResetPassword(StaffOrder):
    """Give an account another password; its tokens end."""

    NAME: ClassVar[str] = "staff.reset_password"
    password: Password


class SetPin(StaffOrder):
    """Give an account the PIN that opens a shared screen, and end its being locked out."""

    NAME: ClassVar[str] = "staff.set_pin"
    pin: Pin


class DeactivateStaff(StaffOrder):
    """Let nobody in by this account; its tokens end."""

    NAME: ClassVar[str] = "staff.deactivate"


class ReactivateStaff(StaffOrder):
    """Let an account that was deactivated log in again."""

    NAME: ClassVar[str] = "staff.reactivate"


class PinLogin(Command):
    """Exchange a name and a PIN for a token that is short and of level 2 at most."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "staff.pin_login"
    username: Name
    pin: Annotated[str, StringConstraints(max_length=200)]


class RevokeToken(Command):
    """End one token before its time: its bearer logs out."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "staff.revoke_token"
    token_id: Id
    expires_at: Instant


class LoggedOut(Message):
    """The answer to a logout."""

    revoked: bool = True


class Revocation(Message):
    """Tokens that no longer count: one, or all of an account below `version`."""

    key: str
    version: int
    expires_at: Instant


class ListRevocations(Page):
    """Every revocation of tokens that have not expired, in order of key."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "staff.revocations"


class TokensRevoked(Event):
    """Tokens no longer count from now on."""

    TYPE: ClassVar[str] = "tokens.revoked"
    PRODUCER: ClassVar[str] = "auth-lock"
    key: str
    version: int
    expires_at: Instant


def key_of_token(token_id: str) -> str:
    """Return the key under which one token is revoked."""
    return f"token:{token_id}"


def key_of_staff(staff_id: str) -> str:
    """Return the key under which all older tokens of an account are revoked."""
    return f"staff:{staff_id}"


def is_revoked(claims: Mapping[str, Any], known: Mapping[str, int]) -> bool:
    """Return whether a token's claims no longer count; `known` maps keys to versions.

    `jti` names the token, `staff` the account and `ver` the account's version when it was given
    out. A token of no account (the command line's) is revoked by its own id only.
    """
    if key_of_token(str(claims.get("jti"))) in known:
        return True
    version = claims.get("ver", 0)
    given_out = version if isinstance(version, int) else 0
    return known.get(key_of_staff(str(claims.get("staff"))), 0) > given_out
