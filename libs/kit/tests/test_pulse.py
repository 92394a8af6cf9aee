"""A loop that stands still ends its process; one that was stopped from outside does not."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence

from nats.aio.client import Client
from pourline.kit.db import Database
from pourline.kit.dead_letters import DeadLetters
from pourline.kit.gaps import GapWatch
from pourline.kit.nats import BatchConsumer, Message
from pourline.kit.outbox import Relay
from pourline.kit.pulse import EXIT_CODE, LOOK_EVERY_S, PULSE, STUCK_AFTER_S, Pulse, beat
from pourline.testkit.ending import end
from pourline.testkit.until import until


class Seconds:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_looking(self, pulse: Pulse, seconds: float) -> list[str]:
        """Let time pass as a watch that looks all along sees it."""
        stuck: list[str] = []
        end = self.now + seconds
        while self.now < end:
            self.now += LOOK_EVERY_S
            stuck = pulse.stuck()
        return stuck


def test_a_loop_that_beats_in_time_is_not_stuck() -> None:
    seconds = Seconds()
    pulse = Pulse(now=seconds)
    for _ in range(5):
        pulse.beat("outbox", 10)
        assert seconds.pass_looking(pulse, 9) == []


def test_a_loop_that_is_overdue_is_stuck_and_the_others_are_not() -> None:
    seconds = Seconds()
    pulse = Pulse(now=seconds)
    pulse.beat("outbox", 10)
    pulse.beat("retention", 1000)

    assert seconds.pass_looking(pulse, 12) == ["outbox"]


def test_time_in_which_the_whole_process_was_stopped_counts_for_no_loop() -> None:
    seconds = Seconds()
    pulse = Pulse(now=seconds)
    pulse.beat("outbox", 10)
    seconds.pass_looking(pulse, 5)

    seconds.now += 3600

    assert pulse.stuck() == []
    assert seconds.pass_looking(pulse, 8) == ["outbox"]


async def test_a_loop_is_known_by_the_name_of_its_task() -> None:
    seconds = Seconds()
    pulse = Pulse(now=seconds)
    PULSE.set(pulse)

    async def loop() -> None:
        beat()

    await asyncio.create_task(loop(), name="ledger--pour")

    assert seconds.pass_looking(pulse, STUCK_AFTER_S + 2) == ["ledger--pour"]


async def test_relay_reader_watch_and_who_waits_for_the_lead_are_heard_of(
    database: Database, database_url: str, bus: Client
) -> None:
    """Whoever of them stands still for a minute ends the process."""
    seconds = Seconds()
    pulse = Pulse(now=seconds)
    PULSE.set(pulse)

    async def nothing(messages: Sequence[Message]) -> None:
        del messages

    reader = BatchConsumer(
        bus=bus,
        stream="EVENTS",
        durable="ledger--events",
        handle=nothing,
        set_aside=DeadLetters(database=database, consumer="ledger--events"),
    )
    watch = GapWatch(
        bus=bus, database=database, stream="EVENTS", consumer="ledger--events", read={"ledger": []}
    )
    leading, waiting = (Relay(url=database_url, service="ledger", bus=bus) for _ in range(2))
    loops: dict[str, Relay | BatchConsumer | GapWatch] = {
        "leads": leading,
        "waits": waiting,
        "reads": reader,
        "watches": watch,
    }
    tasks = [asyncio.create_task(loop.run(), name=name) for name, loop in loops.items()]

    async def heard_of() -> set[str]:
        return set(pulse.due)

    await until(heard_of, loops.keys().__eq__)
    await end(*tasks)

    assert seconds.pass_looking(pulse, STUCK_AFTER_S + 2) == sorted(loops)


PROGRAM = """
import asyncio, signal, time
from pourline.kit import pulse, run
from pourline.kit.settings import ServiceSettings

pulse.LOOK_EVERY_S = 0.05

async def stuck():
    pulse.beat(within_s=0.3)
    {how}

async def build():
    return run.Service(loops={{"drinking": stuck}})

run.run_service(ServiceSettings(service="shift"), build)
"""


def run(how: str) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(how=how)
    return subprocess.run(  # noqa: S603 the program above
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )


def test_a_service_with_a_loop_that_waits_for_ever_ends_and_says_which() -> None:
    ended = run("await asyncio.Event().wait()")

    assert ended.returncode == EXIT_CODE
    assert '"event": "loop_stuck", "loops": ["drinking"]' in ended.stderr


def test_a_service_with_a_loop_that_never_yields_ends_and_shows_where() -> None:
    ended = run("time.sleep(20)")

    assert ended.returncode == EXIT_CODE
    assert "in stuck" in ended.stderr


def test_a_loop_that_overhears_the_order_to_stop_is_told_again() -> None:
    ended = run(
        "asyncio.get_running_loop().call_later(0.1, signal.raise_signal, signal.SIGTERM)\n"
        "    pulse.beat(within_s=20)\n"
        "    try:\n"
        "        await asyncio.Event().wait()\n"
        "    except asyncio.CancelledError:\n"
        "        await asyncio.Event().wait()"
    )

    assert ended.returncode == 0, ended.stderr
    assert '"event": "service_stopped"' in ended.stderr


UNBUILT = """
import asyncio
from pourline.kit import run
from pourline.kit.settings import ServiceSettings

async def deaf():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()

async def build():
    global left
    left = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    raise TimeoutError("the database is away")

run.run_service(ServiceSettings(service="shift"), build)
"""


def test_a_service_that_could_not_be_built_ends_whatever_it_had_begun() -> None:
    ended = subprocess.run(  # noqa: S603 the program above
        [sys.executable, "-c", UNBUILT], capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 1
    assert "the database is away" in ended.stderr
