"""A link that hangs, a reader that hangs, a disk that is slow: the others go on (OP-1).

What must go on is shown by what happens while the one stands still, not by how fast.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from pourline.controller.domain import Flow, Grant, Phase, Pour
from pourline.controller.hardware import AsideDisplay, Hardware, KeptDisplay
from pourline.controller.hardware.readers import BlockingReader
from pourline.controller.store import Seen, Store

from services.controller.tests.conftest import (
    RULES,
    BrokerProcess,
    ScriptedBar,
    Setup,
    TapUnderTest,
    open_bar,
    open_tap,
    until,
)

pytestmark = pytest.mark.requirement("OP-1")

TURNS = 60
GIVEN_UP_S = 20.0
CARD = "04a1b2c3d4"


class Ticks:
    """Counts turns of the loop; only a loop that goes on can make the count grow."""

    def __init__(self) -> None:
        self.count = 0

    async def run(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0.01)


@pytest.fixture
async def ticks() -> AsyncIterator[Ticks]:
    ticks = Ticks()
    run = asyncio.create_task(ticks.run())
    yield ticks
    run.cancel()


@contextlib.asynccontextmanager
async def listener(*, recv_bytes: int = 4_096) -> AsyncIterator[tuple[str, list[socket.socket]]]:
    """Yield the address of a port whose connections are accepted and then left alone."""
    loop = asyncio.get_running_loop()
    accepted: list[socket.socket] = []
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, recv_bytes)
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)  # noqa: FBT003 - the library's own

        async def accept() -> None:
            while True:
                accepted.append((await loop.sock_accept(server))[0])

        run = asyncio.create_task(accept())
        yield f"mqtt://127.0.0.1:{server.getsockname()[1]}", accepted
        run.cancel()
        await asyncio.wait([run])
    for connection in accepted:
        connection.close()


async def test_a_broker_that_accepts_and_never_answers_holds_up_nothing(
    shared_broker: BrokerProcess, tap_id: str, tmp_path: Path
) -> None:
    async with listener() as (url, accepted):
        setup = Setup(mqtt_url=url, rules=replace(RULES, ask_for_ms=300))
        async with open_tap(shared_broker, tap_id, tmp_path / "tap.db", setup) as tap:
            await until(lambda: bool(accepted))
            tap.hand.show_card(CARD)
            await until(lambda: tap.heard.refusals == ["unavailable"])
            tap.hand.leak(100)
            await until(lambda: bool(tap.store.pours()))
            assert not tap.tap.link.is_up
            assert tap.tap.link.refusal == "", "the link was not even given up yet"


class Passage:
    """A passage for bytes that can be shut: what is sent into it then stays in the buffers."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._open = asyncio.Event()
        self._open.set()

    def shut(self) -> None:
        self._open.clear()

    def reopen(self) -> None:
        self._open.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0, limit=1_024)
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self.reopen()
        server.close()

    async def _pass(self, ours: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, onward = await asyncio.open_connection("127.0.0.1", self._target_port)
        with contextlib.suppress(OSError):
            await asyncio.gather(self._pump(ours, onward), self._pump(theirs, writer))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._open.wait()
                if not (data := await source.read(1_024)):
                    return
                target.write(data)
                await target.drain()
        finally:
            target.close()


@pytest.mark.long  # takes ten seconds and more
async def test_a_link_that_stops_reading_is_bounded_and_the_pour_ends_by_its_grant(
    own_broker: BrokerProcess, tmp_path: Path
) -> None:
    passage = Passage(own_broker.port)
    async with passage.running() as url, open_bar(own_broker, "tap1") as bar:
        bar.allow = {"max_volume_ml": 2_000}
        setup = Setup(mqtt_url=url)
        async with open_tap(own_broker, "tap1", tmp_path / "tap.db", setup) as tap:
            await until(lambda: bool(bar.statuses))
            tap.hand.show_card(CARD)
            await until(lambda: tap.hand.is_open)
            passage.shut()
            tap.hand.want(Decimal(5_000))
            taken = sum(
                tap.tap.link.publish("bar/main/tap/tap1/flow", b"x" * 8_000, qos=qos)
                for qos in (0, 1)
                for _ in range(1_000)
            )
            assert taken < 1_000, "a choked link took everything"
            assert not tap.tap.link.publish("bar/main/tap/tap1/flow", b"x", qos=0)
            await until(lambda: bool(tap.store.pours()))
            assert not tap.hand.is_open
            assert 2_000 <= tap.store.pours()[0].volume_ml < 5_000
            assert bar.pours == []
            passage.reopen()
            await until(lambda: bool(tap.heard.statuses), within_s=30)


@contextlib.contextmanager
def gate() -> Iterator[threading.Event]:
    """Yield what a test may hang on; it is opened at the end, so that no thread is left."""
    gate = threading.Event()
    try:
        yield gate
    finally:
        gate.set()


async def test_a_reader_that_hangs_takes_nothing_from_the_others(
    shared_broker: BrokerProcess, bar: ScriptedBar, tap_id: str, tmp_path: Path
) -> None:
    cards = iter([CARD])
    with gate() as never:

        def read() -> str | None:
            card = next(cards, None)
            if card is None:
                never.wait()
            return card

        def wire(hardware: Hardware) -> Hardware:
            return replace(hardware, reader=BlockingReader(read))

        setup = Setup(wire=wire)
        async with open_tap(shared_broker, tap_id, tmp_path / "tap.db", setup) as tap:
            await until(lambda: tap.hand.is_open)
            tap.hand.want(Decimal(100))
            await until(lambda: bool(tap.heard.statuses))
            tap.hand.leak(100)
            await until(lambda: len(tap.heard.statuses) == 2)
            await until(lambda: tap.store.pours() == [])
            bar.say("command", {"command_id": "c", "command": "stop"})
            await until(lambda: tap.tap.is_stopped)
        assert not never.is_set(), "the tap ended though its reader never came back"
    assert [pour["volume_ml"] for pour in bar.pours] == [100, 50]


async def test_a_display_that_hangs_takes_nothing_from_the_others(
    shared_broker: BrokerProcess, bar: ScriptedBar, tap_id: str, tmp_path: Path
) -> None:
    kept = KeptDisplay()
    with gate() as never:

        class Hanging(KeptDisplay):
            def show(self, text: str) -> None:
                never.wait()
                kept.show(text)

        def wire(hardware: Hardware) -> Hardware:
            return replace(hardware, display=AsideDisplay(Hanging()))

        setup = Setup(wire=wire)
        async with open_tap(shared_broker, tap_id, tmp_path / "tap.db", setup) as tap:
            tap.hand.show_card(CARD)
            await until(lambda: tap.hand.is_open)
            tap.hand.want(Decimal(100))
            await until(lambda: bool(tap.heard.statuses))
            assert kept.text == ""
            never.set()
            await until(lambda: kept.text == "100 ml")


class SlowStore(Store):
    """A card that is worn out: a commit takes as long as the loop takes for some of its turns.

    A loop that waited for the commit would never make them, and is found out.
    """

    def __init__(self, path: Path, ticks: Ticks) -> None:
        self._ticks = ticks
        self.notes = 0
        self.loop_stood_still = False
        super().__init__(path)

    def _wait(self) -> None:
        enough = self._ticks.count + TURNS
        deadline_s = time.monotonic() + GIVEN_UP_S
        while self._ticks.count < enough and not self.loop_stood_still:
            self.loop_stood_still = time.monotonic() > deadline_s
            time.sleep(0.01)

    def open_grant(self, grant: Grant, seen: Seen) -> None:
        self._wait()
        super().open_grant(grant, seen)

    def note_flow(self, grant_id: str, flow: Flow, seen: Seen, *, lifetime_pulses: int) -> None:
        self.notes += 1
        self._wait()
        super().note_flow(grant_id, flow, seen, lifetime_pulses=lifetime_pulses)

    def end_grant(self, pour: Pour, *, lifetime_pulses: int) -> Pour:
        self._wait()
        return super().end_grant(pour, lifetime_pulses=lifetime_pulses)

    def forget(self, client_tx_ids: Iterable[str]) -> None:
        self._wait()
        super().forget(client_tx_ids)


@pytest.mark.long
async def test_a_slow_disk_holds_up_neither_valve_nor_link_nor_flow(
    shared_broker: BrokerProcess, bar: ScriptedBar, tap_id: str, tmp_path: Path, ticks: Ticks
) -> None:
    bar.allow = {"max_volume_ml": 100_000}
    setup = Setup(store=lambda path: SlowStore(path, ticks))
    async with open_tap(shared_broker, tap_id, tmp_path / "tap.db", setup) as tap:
        await until(lambda: bool(bar.statuses))
        tap.hand.show_card(CARD)
        await until(lambda: tap.tap.phase is Phase.GRANTED)
        assert not tap.hand.is_open
        await until(lambda: tap.hand.is_open)
        tap.hand.want(Decimal(50_000))
        await until(lambda: len(bar.flows) >= 3)
        bar.say("command", {"command_id": "c", "command": "stop"})
        await until(lambda: bar.statuses[-1]["valve"] == "closed")
        assert bar.pours == [], "the pour was told before it was stored"
        await until(lambda: bool(tap.heard.statuses))
        assert isinstance(tap.store, SlowStore)
        assert tap.store.notes <= len(bar.flows)
        await until(lambda: tap.store.pours() == [])
        assert not tap.store.loop_stood_still


async def test_a_tap_is_stopped_though_its_disk_hangs(tap: TapUnderTest, bar: ScriptedBar) -> None:
    bar.allow = {"max_volume_ml": 100_000}
    tap.hand.show_card(CARD)
    await until(lambda: tap.hand.is_open)
    with tap.disk_hanging():
        stopping = asyncio.create_task(tap.cut_off())
        await until(lambda: not tap.hand.is_open)
        assert not stopping.done()
    await stopping
