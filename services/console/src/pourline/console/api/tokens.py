"""Bearer tokens: who asks, and at which level."""

from dataclasses import dataclass

import jwt

from pourline.console.errors import Forbidden, Unauthorized

SCHEME = "bearer "


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """A verified token's owner."""

    subject: str
    level: int


class Tokens:
    """Verifies tokens signed by auth-lock or the command line."""

    def __init__(self, *, key: str) -> None:
        self._key = key

    def bearer(self, authorization: str | None, *, level: int) -> Bearer:
        """Return who asks; raises `Unauthorized`, or `Forbidden` below `level`."""
        if not authorization or not authorization.lower().startswith(SCHEME):
            raise Unauthorized
        bearer = self.verify(authorization[len(SCHEME) :].strip())
        if bearer.level < level:
            raise Forbidden(f"This needs level {level}; the token has {bearer.level}.")
        return bearer

    def verify(self, token: str) -> Bearer:
        """Return the token's owner; raises `Unauthorized`."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                issuer="pourline",
                options={"require": ["exp", "sub", "level"]},
            )
        except jwt.InvalidTokenError as error:
            raise Unauthorized("The token is not valid or has expired.") from error
        subject, level = claims["sub"], claims["level"]
        if not isinstance(level, int) or isinstance(level, bool):
            raise Unauthorized
        return Bearer(subject=str(subject), level=level)
