"""What the HTTP edge refuses before it asks anybody."""

import math
from datetime import timedelta

from pourline.kit.errors import Refusal


class Unauthorized(Refusal):
    """A valid bearer token is needed."""

    code = "unauthorized"
    status = 401


class Forbidden(Refusal):
    """The token's level is too low."""

    code = "forbidden"
    status = 403


class TokenWithoutId(Refusal):
    """The token has no id by which it could be revoked; it ends when it expires."""

    code = "token_without_id"
    status = 409


class TooLarge(Refusal):
    """The request is too large."""

    code = "too_large"
    status = 413


class TooOften(Refusal):
    """Too many tries failed; try again in a minute."""

    code = "too_often"
    status = 429

    def __init__(self, detail: str | None = None, *, wait: timedelta) -> None:
        super().__init__(detail)
        self.wait = wait

    @property
    def headers(self) -> dict[str, str]:
        """Return what says in how many whole seconds it may succeed (RFC 9110, 10.2.3)."""
        return {"Retry-After": str(math.ceil(self.wait.total_seconds()))}


class NoSuchPage(Refusal):
    """There is no such end point."""

    code = "not_found"
    status = 404


class WrongCursor(Refusal):
    """The cursor is none that a page gave."""

    code = "malformed"
    status = 422


class WrongLimit(Refusal):
    """A page has 1 to 1000 rows."""

    code = "malformed"
    status = 422


class WrongChoice(Refusal):
    """`closed` is true or false."""

    code = "malformed"
    status = 422
