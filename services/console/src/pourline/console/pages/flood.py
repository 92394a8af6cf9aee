"""How much strangers may ask of the public pages: by address, in bounded memory.

What programs ask (`/api` and its like) has limits of its own, and who is signed in has none here.
A bar's guests share one address, so an address may do what sixty of them do at once.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pourline.console.pages.staff import Badges

TOKENS_MAX = 400.0
"""Sixty guests who open a live page at once, and a wall of screens that is switched on."""
TOKENS_A_S = 10.0
"""Sixty guests' own pages load themselves every fifteen seconds: four a second."""
PAGE = 1.0
LIVE = 5.0
"""A live page is kept for a minute after its browser left: an address gets two of them a second."""
WRONG_KEY = 10.0
"""A key that is none of ours: mistyped once or twice, and beyond that guessed."""
SOCKETS_MAX = 200
"""Live pages that one address may have open: sixty guests with three each, and the screens."""
ADDRESSES_MAX = 10_000
"""Addresses remembered; past it the one that was quiet for longest is forgotten."""
NETWORK_BITS = 64
"""One customer's network in IPv6; its addresses count as one."""
SOCKETS = "/_nicegui_ws/"
UNCOUNTED = ("/api/", "/hardware/", "/health/", "/openapi.json", "/docs", "/_nicegui/")
LIVE_PAGES = ("/tap/", "/menu", SOCKETS)
OWN_PAGE = "/g/"
LOGIN = "/login"
SAID = (
    "<!doctype html><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    "<title>One moment</title><h1>One moment</h1>"
    "<p>Too much was asked from here. Please try again in a few seconds.</p>"
)


class Buckets:
    """Tokens by name: each asking takes some, time gives them back."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._held: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def take(self, name: tuple[str, str], tokens: float) -> float:
        """Take `tokens`; return 0, or in how many seconds there are so many again."""
        left = self._left(name)
        if left < tokens:
            return (tokens - left) / TOKENS_A_S
        self._keep(name, left - tokens)
        return 0.0

    def charge(self, name: tuple[str, str], tokens: float) -> None:
        """Take `tokens` for what was done already; what is not there is not owed."""
        self._keep(name, max(self._left(name) - tokens, 0.0))

    def _left(self, name: tuple[str, str]) -> float:
        now = self._now()
        left, at = self._held.get(name, (TOKENS_MAX, now))
        return min(TOKENS_MAX, left + (now - at) * TOKENS_A_S)

    def _keep(self, name: tuple[str, str], left: float) -> None:
        self._held[name] = (left, self._now())
        self._held.move_to_end(name)
        if len(self._held) > ADDRESSES_MAX:
            self._held.popitem(last=False)


class Flood:
    """Lets strangers have so many pages and live sockets an address, and says when that is over."""

    def __init__(self, app: ASGIApp, *, badges: Badges, buckets: Buckets | None = None) -> None:
        self._app = app
        self._badges = badges
        self._buckets = buckets or Buckets()
        self._sockets: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within bounds."""
        if scope["type"] not in {"http", "websocket"} or scope["path"].startswith(UNCOUNTED):
            await self._app(scope, receive, send)
            return
        if self._badges.read(HTTPConnection(scope)):
            await self._app(scope, receive, send)
            return
        address = address_of(scope)
        if scope["type"] == "websocket":
            await self._socket(address, scope, receive, send)
        else:
            await self._page(address, scope, receive, send)

    async def _page(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        # Apart: a flood of guests' pages must not keep the staff from signing in.
        name = (LOGIN if path == LOGIN else "pages", address)
        wait_s = self._buckets.take(name, LIVE if path.startswith(LIVE_PAGES) else PAGE)
        if wait_s:
            headers = {"Retry-After": str(math.ceil(wait_s)), "Cache-Control": "no-store"}
            await HTMLResponse(SAID, 429, headers=headers)(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            is_answer = message["type"] == "http.response.start"
            if is_answer and message["status"] == 404 and path.startswith(OWN_PAGE):
                self._buckets.charge(name, WRONG_KEY - PAGE)
            await send(message)

        await self._app(scope, receive, counted)

    async def _socket(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        held = self._sockets.get(address, 0)
        if held >= SOCKETS_MAX or self._buckets.take(("pages", address), LIVE):
            await receive()
            await send({"type": "websocket.close", "code": 1013})
            return
        self._sockets[address] = held + 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._sockets[address] -= 1
            if not self._sockets[address]:
                del self._sockets[address]


def address_of(scope: Scope) -> str:
    """Return whom to count: the client's address, of IPv6 its network."""
    host = str((scope.get("client") or ("",))[0])
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return host
    if mapped := ipaddress.IPv6Address(address).ipv4_mapped:
        return str(mapped)
    return str(ipaddress.ip_network((address, NETWORK_BITS), strict=False))
