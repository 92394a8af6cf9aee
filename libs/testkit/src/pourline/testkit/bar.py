"""A whole bar, run as its user runs it: `pourline up` in a folder, driven from outside."""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from pourline.kit.trust import Trust
from pourline.testkit.until import until

START_WITHIN_S = 150.0
STOP_WITHIN_S = 30.0
NOT_INHERITED = ("MQTT_URL", "MQTT_BRIDGE_URL", "NATS_URL", "DATABASE_URL", "TLS_")

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class TapSeat:
    """A tap with a keg on it, and the secret of its controller."""

    tap_id: str
    secret: str
    beverage_id: str
    keg_id: str


@dataclass(frozen=True, kw_only=True)
class GuestSeat:
    """A guest with money, an open visit and a card."""

    guest_id: str
    visit_id: str
    card_uid: str


class RunningBar:
    """A bar in a folder; use `run_bar` to get one."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self._environment = _environment() | dict(environment or {})
        self.base_url = self.mqtt_url = self.nats_url = ""
        self._process: asyncio.subprocess.Process | None = None
        self.trust: Trust | None = None
        """Whom the tests trust when the bar speaks TLS; nobody is asked where it is None."""
        self._owner = ""
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        """Start it and wait for its ready line."""
        self._process = await asyncio.create_subprocess_exec(
            *_pourline("up", self.data_dir, "--http-port", "0", "--mqtt-port", "0"),
            "--nats-port",
            "0",
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_WITHIN_S):
            line = (await self._process.stdout.readline()).decode()
        assert line.startswith("ready "), f"the bar did not start: {line!r}"
        _, self.base_url, self.mqtt_url, self.nats_url = line.split()
        self._owner = await self.token(level=5)

    async def stop(self) -> int:
        """Stop it as Ctrl-C does and return its exit code; one never started is stopped."""
        if self._process is None:
            return 0
        self._signal(signal.SIGINT)
        async with asyncio.timeout(STOP_WITHIN_S):
            return await self._process.wait()

    def hang_up(self) -> None:
        """Say that files were renewed, as `kill -HUP` does."""
        self._signal(signal.SIGHUP)

    def _signal(self, number: signal.Signals) -> None:
        # Not by asyncio's own `send_signal`: before Python 3.13 that asks first whether the process
        # ended, and so may take the exit code from the loop, which then says 255 (CPython 87744).
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def token(self, *, level: int, subject: str = "tests") -> str:
        """Return a bearer token."""
        arguments = ("--level", str(level), "--subject", subject)
        code, text = await self.run("token", *arguments)
        assert code == 0, text
        return text.strip()

    async def run(self, command: str, *arguments: str) -> tuple[int, str]:
        """Run another command of `pourline` on this bar; return exit code and output."""
        process = await asyncio.create_subprocess_exec(
            *_pourline(command, self.data_dir, *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def start_another(self, service: str, *, log: Path) -> asyncio.subprocess.Process:
        """Start another instance of a service beside the bar's own; the caller ends it."""
        with log.open("a") as output:
            return await asyncio.create_subprocess_exec(
                *_pourline("serve", self.data_dir, service),
                stdout=output,
                stderr=output,
                env=self._environment,
            )

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 httpx's own options
        """Send a request as the owner and return the response, whatever it is."""
        headers = {"Authorization": f"Bearer {self._owner}"} | options.pop("headers", {})
        # A client a request: the bar outlives the event loop of a single test.
        verify = self.trust.context() if self.trust else False
        async with httpx.AsyncClient(base_url=self.base_url, timeout=30, verify=verify) as client:
            return await client.request(method, path, headers=headers, **options)

    async def post(self, path: str, **body: object) -> Json:
        """Send a command that must succeed."""
        response = await self.ask("POST", path, json=body)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"
        answer: Json = response.json()
        return answer

    async def get(self, path: str, **query: str) -> Json:
        """Ask a question that must succeed."""
        response = await self.ask("GET", path, params=query)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"
        answer: Json = response.json()
        return answer

    async def walk(self, path: str, **query: str) -> list[Json]:
        """Return a list's items, walked in pages of two with the cursor put in as it came."""
        found: list[Json] = []
        address = f"{path}?limit=2" + "".join(f"&{name}={one}" for name, one in query.items())
        cursor = ""
        while True:
            response = await self.ask("GET", address + cursor)
            assert response.is_success, f"{address}{cursor}: {response.text}"
            page = response.json()
            assert len(page["items"]) <= 2
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    async def seat_tap(
        self, *, tap_id: str | None = None, keg_ml: int = 50_000, price_per_litre: int = 900
    ) -> TapSeat:
        """Set up a beverage, a tap and a keg on it."""
        number = next(self._numbers)
        tap_id = tap_id or f"t{number}"
        beverage = await self.post(
            "/api/beverages",
            name=f"Pils {number}",
            kind="beer",
            price_per_litre=price_per_litre,
        )
        tap = await self.post(
            "/api/taps", id=tap_id, name=f"Tap {number}", beverage_id=beverage["id"]
        )
        keg = await self.post("/api/kegs", beverage_id=beverage["id"], volume_ml=keg_ml)
        await self.post(f"/api/taps/{tap_id}/keg", keg_id=keg["id"])
        return TapSeat(
            tap_id=tap_id, secret=tap["secret"], beverage_id=beverage["id"], keg_id=keg["id"]
        )

    async def seat_guest(self, *, amount: int = 10_000, age_verified: bool = True) -> GuestSeat:
        """Set up a guest with money, a visit and a card."""
        number = next(self._numbers)
        guest = await self.post("/api/guests", name=f"Guest {number}", age_verified=age_verified)
        if amount:
            await self.post(f"/api/guests/{guest['id']}/topup", amount=amount)
        card_uid = f"04{os.urandom(6).hex()}"
        visit = await self.post("/api/visits", guest_id=guest["id"], card_uid=card_uid)
        return GuestSeat(guest_id=guest["id"], visit_id=visit["id"], card_uid=card_uid)

    def process_of(self, name: str) -> psutil.Process:
        """Return the running process of a service or server."""
        assert self._process is not None
        for child in psutil.Process(self._process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                words = child.cmdline()
                if name in words or any(word.endswith(f"/{name}") for word in words[:1]):
                    return child
        raise AssertionError(f"{name} is not running")

    def lives(self) -> set[int]:
        """Return the process ids of the bar, its services and its servers.

        What PostgreSQL starts for each connection comes and goes, and is not among them.
        """
        assert self._process is not None
        own = psutil.Process(self._process.pid)
        return {own.pid, *(child.pid for child in own.children())}

    def processes(self) -> list[psutil.Process]:
        """Return the bar's own process and all that it started."""
        assert self._process is not None
        own = psutil.Process(self._process.pid)
        return [own, *own.children(recursive=True)]

    async def ready(self, *, within_s: float = 30.0) -> None:
        """Wait until every part says that it is ready."""

        async def is_ready() -> bool:
            try:
                return (await self.ask("GET", "/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

        await until(is_ready, within_s=within_s)

    async def verified(self) -> str:
        """Return what `pourline verify` prints; fails when an invariant is broken."""
        code, text = await self.run("verify")
        assert code == 0, text
        return text


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Return status and code of what must be a problem."""
    media_type = response.headers["content-type"]
    assert media_type == "application/problem+json", f"{response.request.url}: {response.text}"
    problem = response.json()
    assert problem["status"] == response.status_code
    return response.status_code, problem["code"]


@contextlib.asynccontextmanager
async def run_bar(
    data_dir: Path, environment: Mapping[str, str] | None = None, *, trust: Trust | None = None
) -> AsyncIterator[RunningBar]:
    """Run a bar in `data_dir` and stop it at the end; nothing of it stays behind.

    `environment` is added to what it inherits: servers of one's own, say. `trust` is for TLS.
    """
    bar = RunningBar(data_dir, environment)
    bar.trust = trust
    try:
        await bar.start()
    except BaseException:
        await bar.stop()
        raise
    family = bar.processes()
    try:
        yield bar
    finally:
        family += bar.processes()
        assert await bar.stop() == 0
        _, alive = psutil.wait_procs(set(family), timeout=20)
        assert not alive, f"left behind: {alive}"


@contextlib.contextmanager
def bar_of_a_suite(
    data_dir: Path, environment: Mapping[str, str] | None = None
) -> Iterator[RunningBar]:
    """Run a bar for several tests, each with an event loop of its own; at the end it verifies."""
    bar = RunningBar(data_dir, environment)
    with asyncio.Runner() as runner:
        runner.run(bar.start())
        yield bar
        code, text = runner.run(bar.run("verify"))
        assert runner.run(bar.stop()) == 0
    assert code == 0, text


def _pourline(command: str, data_dir: Path, *arguments: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "pourline.local",
        command,
        "--data-dir",
        str(data_dir),
        *arguments,
    ]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
