"""Bearer tokens: who asks, and at which level."""

from dataclasses import dataclass
from datetime import UTC, datetime

import jwt

from pourline.console.errors import Forbidden, Unauthorized
from pourline.console.store import Revocations
from pourline.contracts.staff import CLAIMS_NEEDED

SCHEME = "bearer "
FOR_EVER = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
"""The last day that a date can name."""


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """A verified token's owner; `token_id` is None where the token names none."""

    subject: str
    level: int
    token_id: str | None
    expires_at: datetime


class Tokens:
    """Verifies tokens signed by auth-lock or the command line."""

    def __init__(self, *, key: str, revocations: Revocations) -> None:
        self._key = key
        self._revocations = revocations

    def bearer(self, authorization: str | None, *, level: int) -> Bearer:
        """Return who asks; raises `Unauthorized`, or `Forbidden` below `level`."""
        if not authorization or not authorization.lower().startswith(SCHEME):
            raise Unauthorized
        bearer = self.verify(authorization[len(SCHEME) :].strip())
        if bearer.level < level:
            raise Forbidden(f"This needs level {level}; the token has {bearer.level}.")
        return bearer

    def verify(self, token: str) -> Bearer:
        """Return the token's owner; raises `Unauthorized`, also for one that was revoked."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                issuer="pourline",
                options={"require": list(CLAIMS_NEEDED)},
            )
        except jwt.InvalidTokenError as error:
            raise Unauthorized("The token is not valid or has expired.") from error
        subject, level, token_id = claims["sub"], claims["level"], claims.get("jti")
        if not isinstance(level, int) or isinstance(level, bool):
            raise Unauthorized
        if self._revocations.refuses(claims):
            raise Unauthorized("The token was revoked; log in again.")
        return Bearer(
            subject=str(subject),
            level=level,
            token_id=token_id if isinstance(token_id, str) else None,
            expires_at=datetime.fromtimestamp(min(int(claims["exp"]), FOR_EVER), tz=UTC),
        )
