"""What keeps the console to itself: nothing from outside, in no frame, asked by no other site.

A page's cookie comes along with whatever a browser sends, so a socket or a form that another site
opened is refused by where it says it comes from; browsers let nobody write that. The API takes
bearer tokens only, which no browser sends by itself.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

PAGES = (
    "default-src 'self'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; "  # Vue compiles its templates here
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; "
    "font-src 'self' data:; "
    "connect-src 'self' ws: wss:; "  # older browsers do not count a socket as 'self'
    "object-src 'none'; "
    "form-action 'self'; "
    "base-uri 'none'; "
    "frame-ancestors 'none'"
)
DATA = "default-src 'none'; frame-ancestors 'none'"
"""Answers for programs: nothing of them runs where a browser shows one."""
DOCUMENTATION = "frame-ancestors 'none'"
"""FastAPI's reader of the OpenAPI document brings its scripts from elsewhere."""
FOR_PROGRAMS = ("/api", "/hardware", "/health", "/openapi.json")
TRACED = "fastapi.telemetry"
"""Says that a request is traced already: else the pages' own application tells its address."""
READS = frozenset({"GET", "HEAD", "OPTIONS"})
FROM_HERE = frozenset({"same-origin", "none"})


class Guard:
    """Adds the headers to every answer, and refuses what another site's page began."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on that came from here."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        scope[TRACED] = None
        if _changes(scope) and not came_from_here(Headers(scope=scope)):
            await _refuse(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _dress(MutableHeaders(scope=message), scope["path"])
            await send(message)

        await self._app(scope, receive, guarded)


def came_from_here(headers: Headers) -> bool:
    """Return whether a request was begun by a page of ours, or by no browser."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in FROM_HERE:
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    # A proxy in front may speak to us under a name of its own.
    known = {headers.get("host"), headers.get("x-forwarded-host")} - {None}
    return urlsplit(origin).netloc in known


def _changes(scope: Scope) -> bool:
    """Return whether a request could do something in the name of a page's cookie."""
    if scope["type"] == "websocket":
        return True
    is_page = not scope["path"].startswith(FOR_PROGRAMS)
    return is_page and scope["method"] not in READS


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocketClose(code=1008)(scope, receive, send)
    else:
        refusal = PlainTextResponse("Another site began this.", 403)
        await refusal(scope, receive, send)


def _dress(headers: MutableHeaders, path: str) -> None:
    """Set what an answer does not set itself."""
    if path.startswith(FOR_PROGRAMS):
        headers.setdefault("Content-Security-Policy", DATA)
        headers.setdefault("Cache-Control", "no-store")
    else:
        policy = DOCUMENTATION if path.startswith("/docs") else PAGES
        headers.setdefault("Content-Security-Policy", policy)
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
