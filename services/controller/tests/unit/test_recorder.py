import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from pourline.controller.clock import SystemClock
from pourline.controller.domain import Flow, Grant, Pour, Rules
from pourline.controller.recorder import Recorder
from pourline.controller.store import Seen, Store

from services.controller.tests.conftest import until

GRANT = Grant("g1", "q1", "04aa", Decimal(500))
RULES = Rules(ml_per_pulse=Decimal("0.5"), min_pour_ml=Decimal(5))


class Disk(Store):
    """A disk whose notes hang until they are let go; it knows what was written, in order."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.lets_go = threading.Event()
        self.written: list[object] = []
        self.is_full = False

    def note_flow(self, grant_id: str, flow: Flow, seen: Seen, *, lifetime_pulses: int) -> None:
        self.lets_go.wait()
        if self.is_full:
            raise sqlite3.OperationalError("disk full")
        self.written.append(flow.pulses)
        super().note_flow(grant_id, flow, seen, lifetime_pulses=lifetime_pulses)

    def end_grant(self, pour: Pour, *, lifetime_pulses: int) -> Pour:
        self.written.append("pour")
        return super().end_grant(pour, lifetime_pulses=lifetime_pulses)


class Desk:
    def __init__(self, path: Path) -> None:
        self.disk = Disk(path)
        self.executor = ThreadPoolExecutor(2)
        self.records = Recorder(self.disk, rules=RULES, clock=SystemClock(), executor=self.executor)

    async def rest(self) -> None:
        """Let the loop do what it has."""
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path / "tap.db")
    await desk.records.restart()
    await desk.records.open_grant(GRANT)
    notes = asyncio.create_task(desk.records.keep_notes())
    yield desk
    desk.disk.lets_go.set()
    notes.cancel()
    await asyncio.wait([notes])
    desk.executor.shutdown()
    desk.disk.close()


@pytest.mark.requirement("OP-1")
async def test_one_note_is_under_way_and_of_the_others_the_newest_is_kept(desk: Desk) -> None:
    for pulses in range(1, 101):
        desk.records.note(GRANT, Flow(pulses, 10 * pulses))
        await desk.rest()
    desk.disk.lets_go.set()
    await until(lambda: len(desk.disk.written) == 2)
    assert desk.disk.written == [1, 100]
    assert desk.disk.open_grants()[0].flow == Flow(100, 1_000)


@pytest.mark.requirement("OP-1")
async def test_a_pour_waits_behind_no_note_and_no_note_comes_after_it(desk: Desk) -> None:
    for pulses in range(1, 101):
        desk.records.note(GRANT, Flow(pulses, 10 * pulses))
        await desk.rest()
    pour = await desk.records.end(GRANT, Flow(120, 1_200), 0, offline=False)
    assert (pour.pulses, desk.disk.written) == (120, ["pour"])
    desk.disk.lets_go.set()
    await until(lambda: desk.disk.written == ["pour", 1])
    assert desk.disk.open_grants() == []


async def test_a_full_disk_costs_the_note_and_not_the_pour(desk: Desk) -> None:
    desk.disk.is_full = True
    desk.disk.lets_go.set()
    desk.records.note(GRANT, Flow(10, 100))
    pour = await desk.records.end(GRANT, Flow(20, 200), 0, offline=False)
    assert (pour.pulses, pour.volume_ml) == (20, Decimal(10))


async def test_less_than_the_minimum_ends_its_grant_with_nothing_and_keeps_its_pulses(
    desk: Desk,
) -> None:
    desk.records.lifetime_pulses += 9
    pour = await desk.records.end(GRANT, Flow(9, 200), 0, offline=False)
    assert (pour.volume_ml, pour.pulses) == (Decimal(0), 9)
    assert desk.records.stored_pulses == desk.disk.lifetime_pulses() == 9
    leak = await desk.records.end(None, Flow(9, 200), 0, offline=False)
    assert leak.volume_ml == Decimal("4.5")


async def test_what_is_told_of_the_lifetime_is_on_the_disk(desk: Desk) -> None:
    desk.records.lifetime_pulses += 40
    assert desk.records.stored_pulses == 0
    desk.records.note(None, Flow())
    await until(lambda: desk.records.stored_pulses == 40)
    assert desk.disk.lifetime_pulses() == 40
    again = Recorder(desk.disk, rules=RULES, clock=SystemClock(), executor=desk.executor)
    await again.restart()
    assert (again.lifetime_pulses, again.stored_pulses) == (40, 40)
