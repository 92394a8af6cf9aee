import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from pourline.local.errors import UnavailableError
from pourline.local.process import Command
from pourline.local.supervisor import Child, Supervisor, ready, run_once

SLEEPER = "import time; time.sleep(600)"
DEADLINE_S = 30.0


def python(name: str, code: str, log: Path) -> Command:
    return Command(
        name=name, argv=[sys.executable, "-S", "-c", code], environment=os.environ, log=log
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 another process's state
            await asyncio.sleep(0.01)


async def test_what_dies_is_started_again(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        child = supervisor.add(python("toy", SLEEPER, tmp_path / "log"))
        await until(lambda: child.pid is not None)
        first = child.pid or 0
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.pid not in (None, first))


async def test_leaving_stops_every_child(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        children = [supervisor.add(python(f"toy{n}", SLEEPER, tmp_path / "log")) for n in range(3)]
        await until(lambda: all(child.pid for child in children))
        pids = [child.pid or 0 for child in children]
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


async def test_a_deaf_child_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    deaf = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"child = subprocess.Popen([sys.executable, '-S', '-c', {SLEEPER!r}])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    log = tmp_path / "log"
    life = asyncio.create_task(Child(python("deaf", deaf, log)).run())
    await until(lambda: log.exists() and log.read_text().endswith("\n"))
    grandchild = int(log.read_text())
    life.cancel()
    await asyncio.sleep(0)
    life.cancel()  # the second signal: no more waiting
    with pytest.raises(asyncio.CancelledError):
        await life
    await until(lambda: not is_alive(grandchild))


async def test_a_child_that_never_starts_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    broken = python("broken", "raise SystemExit('no beer')", tmp_path / "log")
    async with Supervisor() as supervisor:
        with pytest.raises(UnavailableError, match="broken does not start: no beer"):
            await ready(supervisor.add(broken), never)


async def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="once failed: no beer"):
        await run_once(python("once", "raise SystemExit('no beer')", tmp_path / "log"))


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from pourline.local.process import Command, start\n"
        f"command = Command(name='toy', argv=[sys.executable, '-S', '-c', {SLEEPER!r}],"
        f" environment=os.environ, log=Path({str(log)!r}))\n"
        "print(start(command).pid, flush=True)\n"
        "import time; time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout
        child = int(supervisor.stdout.readline())
        wait_until(lambda: "sleep" in " ".join(psutil.Process(child).cmdline()[-1:]))
        wait_until(lambda: "launch.py" not in " ".join(psutil.Process(child).cmdline()))
        supervisor.kill()
    wait_until(lambda: not is_alive(child))


async def never(pid: int) -> bool:
    del pid
    return False


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
