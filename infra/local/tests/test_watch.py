import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from pourline.local.process import Command
from pourline.local.servers import NatsServer, PostgresServer
from pourline.local.supervisor import Supervisor, ended
from pourline.local.watch import SILENCES_MAX, Watch
from pourline.testkit.until import until

SILENT = [False] * SILENCES_MAX


class Life:
    """A process that says what it is told to, and is born anew when it is ended."""

    def __init__(self) -> None:
        self.pid: int | None = 1
        self.ends = 0

    def end(self) -> None:
        self.ends += 1
        self.pid = (self.pid or 0) + 1


async def looked_at(life: Life, answers: Sequence[bool | None]) -> int:
    """Return how often a watch ended `life` that got these answers."""
    left = list(answers)

    async def next_answer() -> bool | None:
        return left.pop(0)

    watch = Watch("toy", life, next_answer)
    while left:
        await watch.look()
    return life.ends


async def test_a_process_that_answers_no_more_is_ended() -> None:
    assert await looked_at(Life(), [True, *SILENT]) == 1


async def test_one_that_is_only_slow_now_and_then_is_not() -> None:
    now_and_then = [True, *SILENT[1:], True, *SILENT[1:], True]
    assert await looked_at(Life(), now_and_then) == 0


async def test_one_that_has_never_answered_is_still_starting() -> None:
    assert await looked_at(Life(), [*SILENT, *SILENT]) == 0


async def test_its_next_life_is_still_starting_too() -> None:
    assert await looked_at(Life(), [True, *SILENT, *SILENT]) == 1


async def test_one_that_says_no_is_ended_even_if_it_never_said_yes() -> None:
    life, said = Life(), list(SILENT)

    async def next_answer() -> bool | None:
        return said.pop(0)

    watch = Watch("toy", life, next_answer, complaint="stores nothing any more")
    while said:
        await watch.look()

    assert life.ends == 1


async def test_nothing_is_known_of_a_process_that_cannot_be_asked() -> None:
    assert await looked_at(Life(), [True, None, None, None, None]) == 0


async def test_a_frozen_process_is_replaced(tmp_path: Path) -> None:
    frozen: set[int] = set()
    toy = Command(
        name="toy",
        argv=[sys.executable, "-S", "-c", "import time; time.sleep(600)"],
        environment=os.environ,
        log=tmp_path / "log",
    )
    async with Supervisor() as supervisor:
        child = supervisor.add(toy)

        async def answers() -> bool:
            return child.pid not in frozen

        watch = Watch("toy", child, answers)

        async def pid() -> int | None:
            return child.pid

        first = await until(pid)
        await watch.look()
        os.kill(first or 0, signal.SIGSTOP)
        frozen.add(first or 0)
        for _ in SILENT:
            await watch.look()

        await until(pid, lambda found: found not in (None, first))


async def test_a_task_that_overhears_the_order_to_stop_is_told_again() -> None:
    """Before Python 3.12 `asyncio.wait_for`, which the bus's client uses, does overhear it."""
    overheard = 0

    async def looks_for_ever() -> None:
        nonlocal overheard
        while overheard < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                overheard += 1

    looking = asyncio.create_task(looks_for_ever())
    await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await ended([looking])

    assert overheard == 2


@pytest.fixture(params=["nats", "postgres"])
async def server(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[NatsServer | PostgresServer]:
    server: NatsServer | PostgresServer = (
        NatsServer(tmp_path / "nats")
        if request.param == "nats"
        else PostgresServer(tmp_path / "postgres", password="test")
    )
    await server.start()
    yield server
    await server.stop()


def _is_stopped(pid: int) -> Callable[[], Awaitable[bool]]:
    """Ask whether every thread of a process stands still: the signal takes a moment."""

    async def look() -> bool:
        return _states(pid) == {"T"}

    return look


def _states(pid: int) -> set[str]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {(task / "stat").read_text().rsplit(")", 1)[1].split()[0] for task in tasks}


async def test_a_server_answers_until_it_is_frozen(server: NatsServer | PostgresServer) -> None:
    assert await server.answers()

    os.kill(server.pid, signal.SIGSTOP)
    try:
        await until(_is_stopped(server.pid))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.answers(), 0.3)
    finally:
        os.kill(server.pid, signal.SIGCONT)

    assert await server.answers()
