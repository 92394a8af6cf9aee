"""The operators' pages: views in one shell behind a login, everything pushed, nothing from outside.

Pages are thin: they show the board and send the same commands as REST.
"""

from functools import partial

from fastapi import FastAPI
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pourline.console.pages import board as board_page
from pourline.console.pages import (
    entrance,
    guest_page,
    menu,
    receipt,
    sheets,
    shift_report,
    tap_screen,
)
from pourline.console.pages.checkin import CheckIn
from pourline.console.pages.flood import Flood
from pourline.console.pages.floor import Floor
from pourline.console.pages.guard import Guard
from pourline.console.pages.inbox import Inbox
from pourline.console.pages.kegs import Kegs
from pourline.console.pages.reconcile import Reconcile
from pourline.console.pages.reports import Reports
from pourline.console.pages.settings import Settings
from pourline.console.pages.settings_first import FirstRun
from pourline.console.pages.shell import Rail, Screen, Site, View
from pourline.console.pages.shift import ShiftView
from pourline.console.pages.stock import Stock
from pourline.console.pages.visits import Visits

RECONNECT_S = 5.0
"""Sets the browser's heartbeat: a dead server is noticed within six seconds."""
KEEP_PAGE_S = 60.0
"""A tablet that lost its Wi-Fi for less than this goes on where it was, without a reload."""
GZIP_LEVEL = 4
"""A cold browser's scripts cost a third of level 9's time to pack, and are 5 % longer."""
HISTORY = 300
"""Messages kept to be sent again to a browser that comes back."""

VIEWS: tuple[type[View], ...] = (
    Floor,
    CheckIn,
    Visits,
    Inbox,
    Kegs,
    Stock,
    Reconcile,
    ShiftView,
    Reports,
    Settings,
)
"""Every view, in the order of the rail."""

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


def mount(app: FastAPI, *, site: Site, login: entrance.Login) -> None:
    """Add the pages to `app`, behind every route it has already; once in a process."""
    badges, caller = site.badges, site.caller
    entrance.mount(app, login=login, badges=badges, caller=caller)
    receipt.mount(app, site=site)
    guest_page.mount(app, site=site)
    shift_report.mount(app, board=site.board, badges=badges, caller=caller)
    sheets.mount(app, badges=badges, caller=caller)
    ui.add_head_html(f"<style>{entrance.CSS}</style>{HEAD}", shared=True)

    rail = Rail(tuple(view.PLACE for view in VIEWS))
    for view in VIEWS:
        _mount_view(view, site=site, rail=rail)
    _mount_view(FirstRun, site=site, rail=rail)
    for panel in (board_page, menu, tap_screen):
        panel.mount(site)
    app.add_middleware(Guard)
    app.add_middleware(Flood, badges=badges)
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
        gzip_middleware_factory=partial(GZipMiddleware, compresslevel=GZIP_LEVEL),
    )


def _mount_view(view: type[View], *, site: Site, rail: Rail) -> None:
    place = view.PLACE

    @ui.page(place.path, title=f"{place.word} · Pourline", reconnect_timeout=KEEP_PAGE_S)
    def page(request: Request) -> Response | None:
        staff = site.badges.read(request)
        if staff is None:
            return RedirectResponse("/login", 303)
        if staff.level < place.level:
            return RedirectResponse("/", 303)
        Screen(site=site, staff=staff, view=view, rail=rail).start()
        return None
