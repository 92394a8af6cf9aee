"""A real broker for the tests, and a scripted bar that answers over it."""

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from pourline.controller.clock import Clock, SystemClock
from pourline.controller.domain import Backoff, Rules
from pourline.controller.hardware import Hardware, KeptDisplay, SimulatedTap
from pourline.controller.link import Broker, Hooks, Identity, Link
from pourline.controller.observer import Observer
from pourline.controller.settings import TapConfig
from pourline.controller.store import Store
from pourline.controller.tap import TapController
from pourline.local.ports import free_port

WITHIN_S = 30.0
STORE_THREADS = 2
LOOK_MS = 60
"""A little more than a tap that pours lets pass between two looks at its clock."""


async def until(condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    """Wait for a condition, fail loudly when it does not come."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - polling any condition is the point
            await asyncio.sleep(0.01)


class BrokerProcess:
    """nats-server with its MQTT listener, which can be killed and started again on its data."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._config = directory / "nats.conf"
        self._config.write_text(
            f'server_name: t\nlisten: "127.0.0.1:{free_port()}"\n'
            f'jetstream {{ store_dir: "{directory}/js" }}\n'
            f'mqtt {{ listen: "127.0.0.1:{self.port}" }}\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = Path(sys.executable).parent / "nats-server"
        found = str(binary) if binary.exists() else shutil.which("nats-server")
        assert found, "nats-server is not installed"
        self._process = subprocess.Popen(  # noqa: S603 - our own binary, our own file
            [found, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise TimeoutError("broker")

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    broker = BrokerProcess(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A broker that a test may kill."""
    broker = BrokerProcess(tmp_path)
    broker.start()
    yield broker
    broker.kill()


class ScriptedBar:
    """Answers authorize and pour for one tap as the test has told it to."""

    def __init__(self, broker: BrokerProcess, tap_id: str) -> None:
        self.base = f"bar/main/tap/{tap_id}/"
        self.deny: str | None = None
        self.allow: dict[str, object] = {"max_volume_ml": 500, "max_duration_s": 60}
        self.answers_authorize = True
        self.answers_pours = True
        self.asked: list[dict[str, object]] = []
        self.pours: list[dict[str, object]] = []
        self.flows: list[dict[str, object]] = []
        self.statuses: list[dict[str, object]] = []
        self.link = Link(
            Broker.parse(broker.url),
            Identity(client_id=f"bar-{tap_id}", password="x", subscriptions=(f"{self.base}#",)),
            hooks=Hooks(message=self._received),
        )

    def say(self, name: str, body: object, *, retain: bool = False) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.link.publish(self.base + name, payload, retain=retain)

    def answer_pour(self, pour: dict[str, object], status: str = "accepted") -> None:
        self.say("pour/result", {"client_tx_id": pour["client_tx_id"], "status": status})

    def _received(self, topic: str, payload: bytes) -> None:
        name = topic.removeprefix(self.base)
        if not payload or name not in {"authorize", "pour", "flow", "status"}:
            return
        body = json.loads(payload, parse_float=Decimal)
        match name:
            case "authorize":
                self.asked.append(body)
                self._answer_authorize(body)
            case "pour":
                self.pours.append(body)
                if self.answers_pours:
                    self.answer_pour(body)
            case "flow":
                self.flows.append(body)
            case _:
                self.statuses.append(body)

    def _answer_authorize(self, body: dict[str, object]) -> None:
        if not self.answers_authorize:
            return
        answer: dict[str, object] = {"request_id": body["request_id"]}
        if self.deny:
            answer |= {"decision": "deny", "reason": self.deny, "message": "No."}
        else:
            granted = {"grant_id": f"grant-{body['request_id']}", "visit_id": "visit-1"}
            answer |= {"decision": "allow", "price_per_litre": 600} | granted | self.allow
        self.say("authorize/result", answer)


class Heard(Observer):
    """Remembers what a tap told its observer."""

    def __init__(self) -> None:
        self.refusals: list[str] = []
        self.statuses: list[object] = []

    def refused(self, tap_id: str, reason: str) -> None:
        del tap_id
        self.refusals.append(reason)

    def answered(self, tap_id: str, result: dict[str, object]) -> None:
        del tap_id
        self.statuses.append(result["status"])


class LookedAt(SystemClock):
    """A clock on which a standstill is one look, however long: a slow machine ends no pour."""

    def __init__(self) -> None:
        super().__init__()
        self._seen_ms = self._passed_ms = super().elapsed_ms()

    def elapsed_ms(self) -> int:
        now_ms = super().elapsed_ms()
        self._passed_ms += min(now_ms - self._seen_ms, LOOK_MS)
        self._seen_ms = now_ms
        return self._passed_ms


RULES = Rules(
    ml_per_pulse=Decimal("0.5"),
    idle_end_ms=200,
    settle_ms=60,
    unused_end_ms=300,
    leak_settled_ms=200,
)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a test wants other than usual of a tap."""

    rules: Rules = RULES
    overdue_s: float = 60.0
    mqtt_url: str = ""
    store: Callable[[Path], Store] = Store
    wire: Callable[[Hardware], Hardware] = lambda hardware: hardware
    clock: Clock = field(default_factory=LookedAt)


class TapUnderTest:
    """The reference controller with simulated hardware, in this process; can be cut off."""

    def __init__(
        self, broker: BrokerProcess, tap_id: str, path: Path, setup: "Setup | None" = None
    ) -> None:
        self.path = path
        self.heard = Heard()
        self.setup = setup or Setup()
        self.display = KeptDisplay()
        self._executor = ThreadPoolExecutor(STORE_THREADS)
        self._config = TapConfig(
            tap_id=tap_id,
            secret="x",
            broker=Broker.parse(self.setup.mqtt_url or broker.url),
            rules=self.setup.rules,
            backoff=Backoff(first_s=0.2, cap_s=1.0),
            overdue_s=self.setup.overdue_s,
        )
        self._run: asyncio.Task[None] | None = None

    async def start(self) -> None:
        clock = self.setup.clock
        self.store = self.setup.store(self.path)
        self.hand = SimulatedTap(
            now_ms=clock.elapsed_ms, ml_per_pulse=Decimal("0.5"), rate_ml_s=60, speed=20
        )
        self.tap = TapController(
            self._config,
            hardware=self.setup.wire(Hardware(self.hand, self.hand, self.hand, self.display)),
            store=self.store,
            clock=clock,
            executor=self._executor,
            observer=self.heard,
        )
        self._run = asyncio.create_task(self.tap.run())

    async def cut_off(self) -> None:
        """Take the power away: nothing is said, the file stays as it is."""
        if self._run:
            self._run.cancel()
            await asyncio.wait([self._run])
            self._run = None
            self.store.close()

    async def ended(self) -> BaseException | None:
        """Wait until the controller has ended by itself; return its error."""
        assert self._run is not None
        await asyncio.wait([self._run], timeout=WITHIN_S)
        return self._run.exception()

    @contextlib.contextmanager
    def disk_hanging(self) -> Iterator[None]:
        """Let no commit end inside the block."""
        gate = threading.Event()
        for _ in range(STORE_THREADS):
            self._executor.submit(gate.wait)
        try:
            yield
        finally:
            gate.set()

    async def close(self) -> None:
        await self.cut_off()
        self._executor.shutdown()


@pytest.fixture
def tap_id(request: pytest.FixtureRequest) -> str:
    return f"t{abs(hash(request.node.nodeid)) % 10**9}"


@pytest.fixture
async def bar(shared_broker: BrokerProcess, tap_id: str) -> AsyncIterator[ScriptedBar]:
    async with open_bar(shared_broker, tap_id) as bar:
        yield bar


@contextlib.asynccontextmanager
async def open_bar(broker: BrokerProcess, tap_id: str) -> AsyncIterator[ScriptedBar]:
    bar = ScriptedBar(broker, tap_id)
    run = asyncio.create_task(bar.link.run())
    await asyncio.wait_for(bar.link.connected.wait(), WITHIN_S)
    yield bar
    run.cancel()
    await asyncio.wait([run])


@pytest.fixture
async def tap(
    shared_broker: BrokerProcess, bar: ScriptedBar, tap_id: str, tmp_path: Path
) -> AsyncIterator[TapUnderTest]:
    async with open_tap(shared_broker, tap_id, tmp_path / "tap.db") as under_test:
        await until(lambda: bool(bar.statuses))
        yield under_test


@contextlib.asynccontextmanager
async def open_tap(
    broker: BrokerProcess, tap_id: str, path: Path, setup: Setup | None = None
) -> AsyncIterator[TapUnderTest]:
    under_test = TapUnderTest(broker, tap_id, path, setup)
    await under_test.start()
    yield under_test
    await under_test.close()
