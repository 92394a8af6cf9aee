"""Signing in and out: a plain form that works before anything live is loaded."""

import html
import logging
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs

from fastapi import FastAPI
from nicegui import __version__ as nicegui_version
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pourline.console.errors import TooOften
from pourline.console.pages.staff import COOKIE, Badges, Staff
from pourline.contracts.staff import LoggedOut, RevokeToken
from pourline.contracts.taps import Session
from pourline.kit.errors import TROUBLE, Refusal, outcome_of
from pourline.kit.nats import Caller

FORM_BYTES_MAX = 4096
"""A name and a password; a longer form is nobody's login."""
LEVEL_MIN = 1
WRONG = "Name or password is not right."
WRONG_PIN = "Name or PIN is not right."
FOLDER = Path(__file__).parent
CSS = (FOLDER / "theme.css").read_text()
FONTS = f"/_nicegui/{nicegui_version}/static/fonts.css"
FORM = (FOLDER / "entrance.html").read_text().replace("{fonts}", FONTS)

log = logging.getLogger(__name__)


class Login(Protocol):
    """Exchanges a name and a password, or a PIN for minutes at a shared screen."""

    async def __call__(self, username: str, secret: str, *, by_pin: bool) -> Session:
        """Return the session; raises what asking raises."""


def mount(app: FastAPI, *, login: Login, badges: Badges, caller: Caller) -> None:
    """Add the form, signing in and signing out to `app`."""

    @app.get("/login", include_in_schema=False)
    async def form(request: Request) -> Response:
        if badges.read(request):
            return RedirectResponse("/", 303)
        return _form()

    @app.post("/login", include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        username, secret, by_pin = await _filled_in(request)
        try:
            session = await login(username, secret, by_pin=by_pin)
        except (Refusal, ValidationError, *TROUBLE) as error:
            return _refused(error, username, wrong=WRONG_PIN if by_pin else WRONG)
        if session.level < LEVEL_MIN:
            return _form("This account may not see the page.", username, 403)
        response = RedirectResponse("/", 303)
        badges.give(request, response, session, username)
        return response

    @app.post("/logout", include_in_schema=False)
    async def sign_out(request: Request) -> Response:
        await _end(badges.read(request), caller)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE)
        return response


async def _end(staff: Staff | None, caller: Caller) -> None:
    """End a login for good; while auth-lock is away it ends in this browser only."""
    token_id = str(staff.session.get("jti", "")) if staff else ""
    if staff is None or not token_id:
        return
    order = RevokeToken(token_id=token_id, expires_at=staff.expires_at)
    try:
        await caller.ask(order, LoggedOut, actor=staff.username)
    except (Refusal, *TROUBLE) as error:
        log.warning("logout_not_told", extra={"error": repr(error)})


def _form(fault: str = "", username: str = "", status: int = 200) -> Response:
    said = f'<p class="fault" role="alert">{html.escape(fault)}</p>' if fault else ""
    body = FORM.replace("{css}", CSS).replace("{fault}", said)
    return HTMLResponse(
        body.replace("{username}", html.escape(username)),
        status_code=status,
        headers={"Cache-Control": "no-store"},
    )


def _refused(error: Exception, username: str, *, wrong: str) -> Response:
    outcome = outcome_of(error)
    match outcome.status:
        case 503:
            return _form("The bar is not answering. Try again in a moment.", username, 503)
        case 429:
            response = _form(outcome.detail, username, 429)
            if isinstance(error, TooOften):
                response.headers.update(error.headers)
            return response
        case _:
            log.info("page_login_refused", extra={"username": username, "code": outcome.code})
            return _form(wrong, username, 401)


async def _filled_in(request: Request) -> tuple[str, str, bool]:
    """Return name, password or PIN, and whether it is a PIN; a form too long counts as empty."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > FORM_BYTES_MAX:
            return "", "", False
    fields = parse_qs(raw.decode("utf-8", "replace"), max_num_fields=8)
    told = {name: texts[0] for name, texts in fields.items()}
    by_pin = told.get("with") == "pin"
    return told.get("username", "").strip(), told.get("password", ""), by_pin
