"""Headers that keep the pages to themselves: nothing from outside, in nobody's frame."""

from typing import ClassVar

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'self'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; "  # Vue compiles its templates here
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; "
    "font-src 'self' data:; "
    "connect-src 'self' ws: wss:; "  # older browsers do not count a socket as 'self'
    "form-action 'self'; "
    "base-uri 'none'; "
    "frame-ancestors 'none'"
)


class Guard:
    """Adds the headers to every answer of the pages."""

    HEADERS: ClassVar[dict[str, str]] = {
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with the headers."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.HEADERS)
            await send(message)

        await self._app(scope, receive, guarded if scope["type"] == "http" else send)
