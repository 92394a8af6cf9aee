"""The valve shuts whatever happens: to the controller's process, its tasks, its link, its guard.

The processes are real. Their valve is a file with 1 or 0 in it, which the guard holds as it would
hold a pin.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import psutil
import pytest
from pourline.controller.domain import Flow, Phase
from pourline.controller.hardware import Hardware
from pourline.controller.hardware.valve import GuardedValve

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

CARD = "04a1b2c3d4"
SLOW_S = 20.0
"""Starting interpreters on a busy machine."""


class TapProcess:
    """`pourline controller run` in a process of its own, worked through its standard input."""

    def __init__(self, folder: Path, *, tap_id: str, mqtt_url: str) -> None:
        self._folder = folder
        self.valve = folder / "valve"
        self.store = folder / "tap.db"
        self._process: Process | None = None
        (folder / "secret").write_text("x")
        (folder / "tap.toml").write_text(
            f'tap = "{tap_id}"\nmqtt = "{mqtt_url}"\nstore = "tap.db"\nsecret_file = "secret"\n'
            '[valve]\nkind = "file"\npath = "valve"\n[meter]\nml_per_pulse = 0.5\n'
            "[pour]\nunused_end_ms = 60000\nidle_end_ms = 60000\n"
        )

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pourline.controller", "run"),
            *("--config", str(self._folder / "tap.toml")),
            stdin=PIPE,
            stdout=PIPE,
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def guard_pid(self) -> int:
        """The guard's process: the controller's only child."""
        (guard,) = psutil.Process(self.pid).children()
        return guard.pid

    @property
    def is_open(self) -> bool:
        return self.valve.exists() and self.valve.read_text() == "1"

    async def pour(self, volume_ml: int) -> None:
        """Show the card until the tap is ready for it, then pull the handle."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        said = "not ready"
        async with asyncio.timeout(SLOW_S):
            while "Cheers" not in said:
                if "not ready" in said:
                    self._process.stdin.write(f"card {CARD}\n".encode())
                said = (await self._process.stdout.readline()).decode()
        await until(lambda: self.is_open)
        self._process.stdin.write(f"pour {volume_ml}\n".encode())

    async def ended(self) -> int:
        """Wait for the end of the process and of what it has said; return its exit code."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        async with asyncio.timeout(SLOW_S):
            await self._process.stdout.read()
            return await self._process.wait()

    async def close(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            os.kill(self.pid, signal.SIGCONT)
            self._process.kill()
        await self.ended()


@pytest.fixture
async def process(
    shared_broker: BrokerProcess, bar: ScriptedBar, tap_id: str, tmp_path: Path
) -> AsyncIterator[TapProcess]:
    """A tap that pours: its valve is open and beer runs."""
    bar.allow = {"max_volume_ml": 100_000}
    process = TapProcess(tmp_path, tap_id=tap_id, mqtt_url=shared_broker.url)
    await process.start()
    await until(lambda: bool(bar.statuses), within_s=SLOW_S)
    await process.pour(50_000)
    await until(lambda: bool(bar.flows), within_s=SLOW_S)
    yield process
    await process.close()


async def test_a_controller_that_is_killed_leaves_a_shut_valve(process: TapProcess) -> None:
    guard = psutil.Process(process.guard_pid)
    os.kill(process.pid, signal.SIGKILL)
    await until(lambda: not process.is_open)
    await until(lambda: not guard.is_running())


async def test_a_controller_that_was_killed_tells_its_pour_at_the_next_start(
    process: TapProcess, bar: ScriptedBar
) -> None:
    told = int(str(bar.flows[0]["pulses"]))
    await until(lambda: stored_flow(process.store) >= told)
    os.kill(process.pid, signal.SIGKILL)
    await process.ended()
    await process.start()
    await until(lambda: bool(bar.pours), within_s=SLOW_S)
    assert int(str(bar.pours[0]["pulses"])) >= told
    assert not process.is_open
    await until(lambda: int(str(bar.statuses[-1]["lifetime_pulses"])) >= told)


def stored_flow(path: Path) -> int:
    db = sqlite3.connect(path)
    found = db.execute("SELECT max(pulses) FROM open_grant").fetchone()[0]
    db.close()
    return int(found or 0)


async def test_a_controller_that_stands_still_is_shut_off_and_ends_its_pour_when_it_moves_again(
    process: TapProcess, bar: ScriptedBar
) -> None:
    os.kill(process.pid, signal.SIGSTOP)
    await until(lambda: not process.is_open)
    assert bar.pours == []
    os.kill(process.pid, signal.SIGCONT)
    await until(lambda: bool(bar.pours))
    assert not process.is_open


async def test_a_controller_that_is_told_to_end_shuts_first(process: TapProcess) -> None:
    os.kill(process.pid, signal.SIGTERM)
    assert await process.ended() == 0
    assert not process.is_open


async def test_a_stop_is_confirmed_once_the_guard_has_shut(
    process: TapProcess, bar: ScriptedBar
) -> None:
    await until(lambda: bar.statuses[-1]["valve"] == "open")
    bar.say("command", {"command_id": "c", "command": "stop"})
    await until(lambda: bar.statuses[-1]["valve"] == "closed")
    assert not process.is_open


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
async def test_a_guard_that_is_lost_is_replaced_by_one_that_begins_with_shutting(
    process: TapProcess, bar: ScriptedBar, number: signal.Signals
) -> None:
    lost = process.guard_pid
    os.kill(lost, number)
    await until(lambda: not process.is_open, within_s=SLOW_S)
    await until(lambda: bool(bar.pours), within_s=SLOW_S)
    assert bar.statuses[-1]["valve"] == "closed"
    assert process.guard_pid != lost
    await process.pour(100)


async def test_the_guard_shuts_when_its_time_is_over_though_the_controller_beats_on(
    tmp_path: Path,
) -> None:
    file = tmp_path / "valve"
    valve = GuardedValve(f"file:{file}")
    run = asyncio.create_task(valve.run())
    await until(lambda: valve.guard_pid is not None, within_s=SLOW_S)
    valve.open(at_most_ms=60_000)
    assert valve.is_open
    await until(lambda: file.read_text() == "1")
    valve.open(at_most_ms=300)
    await until(lambda: not valve.is_open)
    assert file.read_text() == "0"
    run.cancel()
    await asyncio.wait([run])
    valve.open(at_most_ms=300)
    assert not valve.is_open, "without a guard nothing opens"


async def test_a_valve_can_be_shut_by_hand_after_both_are_gone(tmp_path: Path) -> None:
    file = tmp_path / "valve"
    file.write_text("1")
    guard = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pourline.controller.hardware.guard"),
        *("--line", f"file:{file}", "--shut"),
    )
    assert await guard.wait() == 0
    assert file.read_text() == "0"


class BrokenMeter:
    """A meter that fails once beer runs."""

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware

    def restart(self) -> Flow:
        return self._hardware.meter.restart()

    def read(self) -> Flow:
        if self._hardware.valve.is_open:
            raise RuntimeError("no meter")
        return self._hardware.meter.read()


class BrokenDisplay:
    """A display that fails while it greets: in a callback of the store, not in a task."""

    def show(self, text: str) -> None:
        raise RuntimeError(text)


@pytest.mark.parametrize("part", ["meter", "display"])
async def test_an_error_in_any_part_shuts_the_valve_and_ends_the_controller(
    shared_broker: BrokerProcess, bar: ScriptedBar, tap_id: str, tmp_path: Path, part: str
) -> None:
    def wire(hardware: Hardware) -> Hardware:
        if part == "meter":
            return replace(hardware, meter=BrokenMeter(hardware))
        return replace(hardware, display=BrokenDisplay())

    setup = Setup(wire=wire, rules=replace(RULES, unused_end_ms=60_000))
    async with open_tap(shared_broker, tap_id, tmp_path / "tap.db", setup) as tap:
        await until(lambda: bool(bar.statuses))
        tap.hand.show_card(CARD)
        assert isinstance(await tap.ended(), ExceptionGroup)
        assert not tap.hand.is_open
        assert [left.grant.card_uid for left in tap.store.open_grants()] == [CARD]


@pytest.mark.requirement("SY-2")
@pytest.mark.parametrize(
    "allow", [{"max_volume_ml": 2_000}, {"max_volume_ml": 100_000, "max_duration_s": 1}]
)
async def test_a_link_lost_in_mid_pour_leaves_the_guest_what_was_granted_and_no_more(
    own_broker: BrokerProcess, tmp_path: Path, allow: dict[str, object]
) -> None:
    only_the_grant_ends_it = replace(RULES, idle_end_ms=60_000, unused_end_ms=60_000)
    setup = Setup(rules=only_the_grant_ends_it)
    async with (
        open_bar(own_broker, "tap1") as bar,
        open_tap(own_broker, "tap1", tmp_path / "tap.db", setup) as tap,
    ):
        await until(lambda: bool(bar.statuses))
        bar.allow = allow
        tap.hand.show_card(CARD)
        await until(lambda: tap.hand.is_open)
        tap.hand.want(Decimal(99_000))
        own_broker.kill()
        await until(lambda: not tap.tap.link.is_up)
        await until(lambda: bool(tap.store.pours()))
        assert not tap.hand.is_open
        (pour,) = tap.store.pours()
        assert pour.offline
        assert Decimal(0) < pour.volume_ml < Decimal(99_000)
        await until(lambda: tap.tap.phase is Phase.IDLE)


async def test_the_last_flow_before_a_stop_is_kept_for_the_next_start(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    bar.allow = {"max_volume_ml": 100_000}
    tap.hand.show_card(CARD)
    await until(lambda: tap.hand.is_open)
    tap.hand.want(Decimal(300))
    await until(lambda: tap.hand.is_satisfied)
    assert bar.pours == []
    await tap.cut_off()
    await tap.start()
    await until(lambda: bool(bar.pours))
    assert bar.pours[0]["volume_ml"] == 300
