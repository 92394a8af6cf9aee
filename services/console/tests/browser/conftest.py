"""A real console, broker and browser; the other services are fakes on the bus."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import nats
import orjson
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.aio.msg import Msg
from playwright.async_api import Browser, Page, ViewportSize, async_playwright
from pourline.local.ports import free_port
from pourline.local.servers import NatsServer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium", path="/usr/bin")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct horse"
START_S = 30.0
SEEDED: list[dict[str, Any]] = [
    {"id": "1", "name": "Left wall", "remaining_ml": 18_600, "beverage": "Pilsner"},
    {"id": "2", "name": "Window", "remaining_ml": 4_100, "beverage": "Pale Ale"},
    {
        "id": "3",
        "name": "Bar",
        "remaining_ml": 0,
        "beverage": "Imperial Stout with Cocoa Nibs and Vanilla",
        "state": "out_of_keg",
    },
    {"id": "a-tap-with-a-very-long-id-indeed", "name": "Terrace", "online": False},
]


@dataclass(kw_only=True)
class Bar:
    """What a test may do to the bar behind the page."""

    url: str
    bus: Client
    broker: aiomqtt.Client
    commands: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)

    async def flow(self, tap_id: str, volume_ml: float) -> None:
        report = {"volume_ml": volume_ml, "pulses": 10, "rate_ml_s": 41}
        await self.bus.publish(f"bar.main.tap.{tap_id}.flow", orjson.dumps(report))
        await self.bus.flush()

    async def alert(self, alert_id: str, *, title: str, **fields: str) -> None:
        alert: dict[str, object] = {
            "alert_id": alert_id,
            "severity": "critical",
            "kind": "keg_empty",
            "title": title,
            "message": "Connect the next keg.",
            "subject": {"type": "tap", "id": "3"},
            "state": "open",
            "opened_at": datetime.now(UTC).isoformat(),
        }
        payload = orjson.dumps(alert | fields)
        topic = f"bar/main/alerts/critical/{alert_id}"
        await self.broker.publish(topic, payload, qos=1, retain=True)

    async def resolve(self, alert_id: str) -> None:
        topic = f"bar/main/alerts/critical/{alert_id}"
        await self.broker.publish(topic, b"", qos=1, retain=True)

    async def answer(self, request: Msg) -> None:
        """Answer what the console asks of the other services."""
        asked = orjson.loads(request.data)
        actor = (request.headers or {}).get("Pourline-Actor", "")
        self.commands.append((request.subject, asked, actor))
        match request.subject:
            case "qry.auth-lock.tap.list":
                await _reply(request, {"items": [_tap(seed) for seed in SEEDED], "next": None})
            case "qry.auth-lock.config.list":
                await _reply(request, {"items": [{"key": "currency", "value": "EUR"}]})
            case "cmd.auth-lock.staff.login" if asked["password"] == PASSWORD:
                ends = datetime.now(UTC) + timedelta(hours=8)
                level = 1 if asked["username"] == "service" else 3
                session = {"token": "t", "expires_at": ends.isoformat(), "level": level}
                await _reply(request, session)
            case "cmd.auth-lock.staff.login":
                await _refuse(request, status=401, code="wrong_password")
            case "cmd.auth-lock.tap.stop":
                await _reply(request, _tap(SEEDED[0]) | {"state": "stopped"})
            case _:
                await _refuse(request, status=409, code="alert_resolved")


async def _reply(request: Msg, body: dict[str, Any]) -> None:
    headers = {"Pourline-Status": "200"}
    await request._client.publish(request.reply, orjson.dumps(body), headers=headers)  # noqa: SLF001


async def _refuse(request: Msg, *, status: int, code: str) -> None:
    problem = {"title": code, "status": status, "code": code, "detail": f"Refused: {code}"}
    headers = {"Pourline-Status": str(status)}
    await request._client.publish(request.reply, orjson.dumps(problem), headers=headers)  # noqa: SLF001


def _tap(seed: dict[str, Any]) -> dict[str, Any]:
    standard = {
        "location": "main",
        "beverage": "Cider",
        "beverage_id": seed["id"],
        "price_per_litre": 620,
        "keg_id": seed["id"],
        "remaining_ml": 12_000,
        "volume_ml": 30_000,
        "state": "active",
        "online": True,
        "pending_sync": 0,
    }
    return standard | seed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bar(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bar]:
    folder = tmp_path_factory.mktemp("bar")
    async with contextlib.AsyncExitStack() as stack:
        server = NatsServer(folder / "nats")
        await server.start()
        stack.push_async_callback(server.stop)
        bus = await nats.connect(server.url)
        stack.push_async_callback(bus.close)
        broker = aiomqtt.Client("127.0.0.1", server.mqtt_port, identifier="alerts")
        await stack.enter_async_context(broker)
        port = free_port()
        found = Bar(url=f"http://127.0.0.1:{port}", bus=bus, broker=broker)
        for subject in ("qry.>", "cmd.>"):
            await bus.subscribe(subject, cb=found.answer)
        await stack.enter_async_context(_console(folder, server, port))
        yield found


@contextlib.asynccontextmanager
async def _console(folder: Path, server: NatsServer, port: int) -> AsyncIterator[None]:
    """Run the console until the test is over; its log is told when it does not start."""
    inherited = {name: text for name, text in os.environ.items() if "PYTEST" not in name}
    environment = inherited | {
        "NATS_URL": server.url,
        "MQTT_URL": server.mqtt_url,
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(port),
        "TOKEN_KEY": "a key that only this test knows, long enough",
    }
    log = folder / "console.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pourline.console", env=environment, stdout=out, stderr=out
        )
    try:
        await _listens(port, log)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _listens(port: int, log: Path) -> None:
    try:
        async with asyncio.timeout(START_S):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        told = await asyncio.to_thread(log.read_text)
        pytest.fail(f"the console does not listen:\n{told[-2000:]}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@dataclass(kw_only=True)
class Screen:
    """A page in the browser, and everything it asked the network for."""

    page: Page
    bar: Bar
    requested: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    async def sign_in(self, username: str = "mira", password: str = PASSWORD) -> None:
        await self.page.goto(self.bar.url)
        await self.page.get_by_label("Name").fill(username)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in").click()

    async def is_wider_than_itself(self) -> bool:
        wide = await self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        return bool(wide)


@pytest_asyncio.fixture(loop_scope="module")
async def screen(bar: Bar, browser: Browser) -> AsyncIterator[Screen]:
    context = await browser.new_context(viewport=ViewportSize(width=1280, height=800))
    screen = Screen(page=await context.new_page(), bar=bar)
    screen.page.on("request", lambda request: screen.requested.append(request.url))
    screen.page.on("websocket", lambda socket: screen.requested.append(socket.url))
    screen.page.on("pageerror", lambda error: screen.faults.append(str(error)))
    yield screen
    await context.close()
    assert screen.faults == []
