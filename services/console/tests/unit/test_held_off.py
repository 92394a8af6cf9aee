"""What is asked too often: who is counted together, and when it may be asked again."""

from collections.abc import AsyncIterator
from typing import Any, TypeVar

import httpx
import jwt
import pytest
from fastapi import FastAPI
from nats.aio.client import Client
from pourline.console.api import make_application
from pourline.console.api.cron import PATH as CRON
from pourline.console.api.cron import CronDoor
from pourline.console.api.gateway import Gateway
from pourline.console.api.limits import (
    LOGINS_MAX,
    MONITOR_CALLS_MAX,
    SIGNATURES_MAX,
    FailureLimit,
    LoginLimit,
    MonitorLimit,
)
from pourline.console.api.stream import StockStream
from pourline.console.pages import entrance
from pourline.console.pages.staff import Badges
from pourline.console.store import Revocations, StockFeed
from pourline.contracts.base import Command, Listing
from pourline.contracts.base import Message as Contract
from pourline.contracts.notices import MonitorRun
from pourline.contracts.problems import Problem
from pourline.contracts.staff import Revocation
from pourline.contracts.taps import Session
from pourline.kit.nats import Caller
from pourline.testkit.clock import FakeClock

Answer = TypeVar("Answer", bound=Contract)
KEY = "a key that is long enough to sign tokens with"
SECRET = "what only the timetable knows"
CHECK = "/api/inventory/notifications/check"
INGEST = "/hardware/spout/ingest"
LOGIN = "/api/auth/login"
RUN = {
    "success": True,
    "data": {
        "success": True,
        "timestamp": "2026-05-01T20:00:00Z",
        "duration_ms": 5,
        "summary": {
            "packages_checked": 0,
            "notifications_sent": 0,
            "bottlenecks_detected": 0,
            "errors": [],
        },
    },
}
WRONG = Problem(title="wrong", status=401, code="wrong", detail="Wrong.").wire()


class Owners(Caller):
    """Know no password and no signature, and run the monitor for whoever may."""

    def __init__(self) -> None: ...

    async def ask(
        self, command: Command, answer: type[Answer], *, actor: str = "system", key: str = ""
    ) -> Answer:
        del command, actor, key
        found: Contract = Listing[Revocation](items=[])
        if answer is MonitorRun:
            found = MonitorRun.model_validate(RUN)
        return answer.model_validate_json(found.wire())

    async def send(
        self, subject: str, body: bytes, *, headers: dict[str, str]
    ) -> tuple[int, bytes, dict[str, str]]:
        del body, headers
        return (200, b"{}", {}) if "inventory" in subject else (401, WRONG, {})


@pytest.fixture
def app(clock: FakeClock) -> FastAPI:
    """The end points and the login page over owners that refuse."""
    owners, logins = Owners(), LoginLimit(clock=clock)
    revocations, monitor = Revocations(clock=clock), MonitorLimit(clock=clock)

    async def report() -> dict[str, object]:
        return {}

    async def login(username: str, secret: str, *, by_pin: bool) -> Session:
        del secret, by_pin
        logins.take((username, "page"))
        raise ConnectionError

    app = make_application(
        gateway=Gateway(
            caller=owners,
            token_key=KEY,
            revocations=revocations,
            logins=logins,
            signatures=FailureLimit(clock=clock, tries_max=SIGNATURES_MAX),
            monitor=monitor,
        ),
        cron=CronDoor(caller=owners, secret=SECRET, calls=monitor),
        bus=Client(),
        report=report,
        others=(),
        stream=StockStream(feed=StockFeed()),
    )
    badges = Badges(token_key=KEY, revocations=revocations)
    entrance.mount(app, login=login, badges=badges, caller=owners)
    return app


@pytest.fixture
async def web(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bar") as web:
        yield web


def as_staff(name: str) -> dict[str, str]:
    claims: dict[str, Any] = {"sub": name, "level": 3, "iss": "pourline", "exp": 2**40}
    return {"Authorization": f"Bearer {jwt.encode(claims | {'jti': name}, KEY, 'HS256')}"}


def when_again(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("Retry-After")


async def test_who_calls_the_monitor_too_often_is_held_off_and_nobody_else_is(
    web: httpx.AsyncClient, clock: FakeClock
) -> None:
    async def run() -> httpx.Response:
        return await web.get(CRON, params={"token": SECRET})

    async def check(name: str) -> httpx.Response:
        return await web.post(CHECK, json={}, headers=as_staff(name))

    calls = [one for _ in range(MONITOR_CALLS_MAX) for one in (await run(), await check("anna"))]
    assert {one.status_code for one in calls} == {200}
    clock.advance(seconds=20.5)

    assert [when_again(await run()), when_again(await check("anna"))] == [(429, "40")] * 2
    assert (await check("ben")).status_code == 200
    clock.advance(seconds=39.5)
    assert (await check("anna")).status_code == 200


async def test_who_may_not_call_the_monitor_uses_up_nobodys_calls(web: httpx.AsyncClient) -> None:
    for _ in range(MONITOR_CALLS_MAX + 1):
        assert (await web.get(CRON, params={"token": "no"})).status_code == 401
        assert (await web.post(CHECK, json={})).status_code == 401

    assert (await web.get(CRON, params={"token": SECRET})).status_code == 200


async def test_who_is_held_off_is_told_when_to_come_back(
    web: httpx.AsyncClient, clock: FakeClock
) -> None:
    asked = {"username": "anna", "password": "guess"}
    pour = {"deviceId": "spout", "pulses": 1}
    for _ in range(LOGINS_MAX):
        assert when_again(await web.post(LOGIN, json=asked)) == (401, None)
        assert when_again(await web.post("/login", data=asked)) == (503, None)
    for _ in range(SIGNATURES_MAX):
        assert when_again(await web.post(INGEST, json=pour)) == (401, None)
    clock.advance(seconds=59.9)

    assert when_again(await web.post(LOGIN, json=asked)) == (429, "1")
    assert when_again(await web.post("/login", data=asked)) == (429, "1")
    assert when_again(await web.post(INGEST, json=pour)) == (429, "1")
