"""Services go by one server's time of day, whatever their own machines take the time for."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pourline.kit.clock import SystemClock
from pourline.kit.db import Database
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.until import until
from pourline.upkeep.time_of_day import STEP_S, ServerClock, clock_of

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Steady:
    """A steady clock that tests move."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


class AnHourAhead(SystemClock):
    def now(self) -> datetime:
        return super().now() + HOUR


def test_until_the_server_has_answered_it_is_the_machines_time() -> None:
    assert ServerClock(FakeClock(NOON)).now() == NOON


def test_what_the_server_says_goes_on_by_the_steady_clock_however_the_machine_jumps() -> None:
    machine, steady = FakeClock(NOON + HOUR), Steady()
    clock = ServerClock(machine, steady_s=steady)

    clock.learn(NOON, asked_s=steady.s)
    steady.s += 30
    machine.advance(hours=-5)

    assert clock.now() == NOON + timedelta(seconds=30)


@given(
    waited_s=some.floats(0, 5),
    taken_after=some.floats(0, 1),
    off_s=some.floats(-STEP_S, STEP_S),
)
def test_an_answer_that_may_agree_moves_nothing(
    waited_s: float, taken_after: float, off_s: float
) -> None:
    """Whenever on its way the server looked at its clock."""
    steady = Steady()
    clock = ServerClock(FakeClock(NOON), steady_s=steady)
    clock.learn(NOON, asked_s=steady.s)
    asked_s = steady.s
    steady.s += waited_s
    before = clock.now()

    clock.learn(NOON + timedelta(seconds=waited_s * taken_after + off_s * 0.99), asked_s=asked_s)

    assert clock.now() == before


def test_a_server_whose_clock_was_set_is_followed() -> None:
    steady = Steady()
    clock = ServerClock(FakeClock(NOON), steady_s=steady)
    clock.learn(NOON, asked_s=steady.s)
    steady.s += 10

    clock.learn(NOON + HOUR, asked_s=steady.s)

    assert clock.now() == NOON + HOUR


def test_a_machine_that_is_far_off_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    steady = Steady()
    clock = ServerClock(FakeClock(NOON + HOUR), steady_s=steady)

    for _ in range(3):
        clock.learn(NOON, asked_s=steady.s)

    assert [one.message for one in caplog.records] == ["machine_clock_is_wrong"]
    assert caplog.records[0].__dict__["ahead_s"] == 3600


def test_a_service_starts_with_its_database_servers_time(fresh_database: FreshDatabase) -> None:
    before = datetime.now(UTC)

    now = clock_of(fresh_database("shift")).now()

    assert before - HOUR / 2 < now < datetime.now(UTC) + HOUR / 2


def test_a_service_whose_database_is_away_starts_with_the_machines_time() -> None:
    before = datetime.now(UTC)

    assert clock_of("postgresql://127.0.0.1:1/nowhere").now() >= before


async def test_a_running_service_learns_the_time_as_soon_as_its_database_answers(
    fresh_database: FreshDatabase,
) -> None:
    clock = ServerClock(AnHourAhead())
    database = Database(url=fresh_database("shift"), service="shift", clock=clock)
    await database.open()
    following = asyncio.create_task(clock.follow(database))

    async def is_right() -> bool:
        return clock.now() < datetime.now(UTC) + HOUR / 2

    await until(is_right)
    following.cancel()
    await asyncio.wait([following])
    await database.close()
