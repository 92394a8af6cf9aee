"""The operators' pages: one live floor behind a login, everything pushed, nothing from outside.

Pages are thin: they show the board and send the same commands as REST.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from nicegui import app as page_app
from nicegui import ui
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pourline.console.pages import entrance, receipt
from pourline.console.pages.floor import Floor
from pourline.console.pages.guard import Guard
from pourline.console.pages.staff import Badges
from pourline.console.store import Board
from pourline.contracts.taps import Session
from pourline.kit.nats import Caller

RECONNECT_S = 5.0
"""Sets the browser's heartbeat: a dead server is noticed within six seconds."""
KEEP_PAGE_S = 60.0
"""A tablet that lost its Wi-Fi for less than this goes on where it was, without a reload."""
HISTORY = 300
"""Messages kept to be sent again to a browser that comes back."""

HEAD = """
<meta name="theme-color" content="#16130f">
<script>
  window.setTheme = (name) => {
    document.documentElement.dataset.theme = name;
    document.cookie = `theme=${name}; path=/; max-age=31536000; SameSite=Lax`;
  };
  window.toggleTheme = () => {
    const chosen = document.documentElement.dataset.theme;
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    setTheme((chosen || system) === "dark" ? "light" : "dark");
  };
  const theme = document.cookie.match(/(?:^|; )theme=(light|dark)/);
  if (theme) document.documentElement.dataset.theme = theme[1];
</script>
"""


def mount(
    app: FastAPI,
    *,
    board: Board,
    login: Callable[[str, str], Awaitable[Session]],
    caller: Caller,
    badges: Badges,
) -> None:
    """Add the pages to `app`, behind every route it has already; once in a process."""
    entrance.mount(app, login=login, badges=badges, caller=caller)
    receipt.mount(app, board=board, badges=badges, caller=caller)
    ui.add_head_html(f"<style>{entrance.CSS}</style>{HEAD}", shared=True)

    @ui.page("/", title="Floor · Pourline", reconnect_timeout=KEEP_PAGE_S)
    def floor(request: Request) -> Response | None:
        staff = badges.read(request)
        if staff is None:
            return RedirectResponse("/login", 303)
        Floor(board=board, caller=caller, staff=staff, is_good=badges.is_good).start()
        return None

    page_app.add_middleware(Guard)
    ui.run_with(
        app,
        title="Pourline",
        favicon="🍺",
        dark=None,
        language="en-US",
        binding_refresh_interval=None,
        reconnect_timeout=RECONNECT_S,
        message_history_length=HISTORY,
        tailwind=False,
        show_welcome_message=False,
    )
