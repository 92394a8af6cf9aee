"""Who sits before the page: a signed cookie that allows the page only, never a bearer token.

The cookie carries what login said (name, level, end), so a console that was started again knows
its people, and nothing is stored on the server.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from pourline.console.store import Revocations
from pourline.contracts.taps import Session

COOKIE = "pourline_page"
AUDIENCE = "pourline-page"


@dataclass(frozen=True, kw_only=True)
class Staff:
    """A signed-in member of staff."""

    username: str
    level: int
    expires_at: datetime
    session: Mapping[str, Any]
    """What names the token that the login gave: `jti`, `staff` and `ver`."""


class Badges:
    """Writes and reads the page's cookie; it ends with the token that the login gave."""

    def __init__(self, *, token_key: str, revocations: Revocations) -> None:
        self._revocations = revocations
        seed = token_key.encode() or secrets.token_bytes(32)  # no key: sessions end with us
        self._key = hashlib.sha256(b"pourline page cookie\0" + seed).digest()

    def give(self, request: Request, response: Response, session: Session, username: str) -> None:
        """Let the browser come back until the session ends."""
        claims = {
            "sub": username,
            "level": session.level,
            "exp": session.expires_at,
            "aud": AUDIENCE,
            "session": _named_in(session.token),
        }
        response.set_cookie(
            COOKIE,
            jwt.encode(claims, self._key, algorithm="HS256"),
            expires=session.expires_at,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )

    def read(self, request: HTTPConnection) -> Staff | None:
        """Return who comes, or None for a stranger: a page that must ask first is no failure."""
        try:
            claims = jwt.decode(
                request.cookies.get(COOKIE, ""),
                self._key,
                algorithms=["HS256"],
                audience=AUDIENCE,
                options={"require": ["exp", "sub", "level", "aud"]},
            )
        except jwt.InvalidTokenError:
            return None
        session = claims.get("session")
        staff = Staff(
            username=str(claims["sub"]),
            level=int(claims["level"]),
            expires_at=datetime.fromtimestamp(int(claims["exp"]), tz=UTC),
            session=session if isinstance(session, dict) else {},
        )
        return staff if self.is_good(staff) else None

    def is_good(self, staff: Staff) -> bool:
        """Return whether the login still counts: nobody ended it or the account's rights."""
        return not self._revocations.refuses(staff.session)


def _named_in(token: str) -> dict[str, Any]:
    """Return what names a token of ours that auth-lock just gave out."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}
    return {name: claims[name] for name in ("jti", "staff", "ver") if name in claims}
