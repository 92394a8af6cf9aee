"""What the HTTP edge refuses before it asks anybody."""

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


class NoSuchPage(Refusal):
    """There is no such end point."""

    code = "not_found"
    status = 404
