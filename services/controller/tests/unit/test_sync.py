import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pourline.controller import payloads
from pourline.controller.domain import Allowed, Backoff, Pour
from pourline.controller.sync import WINDOW, Sync, SyncHooks

AT = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)


def pour(number: int) -> Pour:
    return Pour(f"p{number}", "000001", Decimal(100), 200, AT, AT, 2_000, "boot", 0)


class Outside:
    """A link, a store and a clock that do as the test says."""

    def __init__(self, overdue_s: float | None = None) -> None:
        self.now_s = 1_000.0
        self.is_up = True
        self.sent: list[str] = []
        self.forgotten: list[str] = []
        self.overdue: list[list[str]] = []
        self.disk = asyncio.Event()
        self.disk.set()
        hooks = SyncHooks(self.send, self.forget, lambda: None, self.show)
        self.sync = Sync(
            hooks=hooks,
            now_s=lambda: self.now_s,
            backoff=Backoff(first_s=2.0, cap_s=30.0),
            overdue_s=overdue_s,
        )

    def send(self, pour: Pour) -> bool:
        if self.is_up:
            self.sent.append(pour.client_tx_id)
        return self.is_up

    async def forget(self, client_tx_ids: Iterable[str]) -> None:
        await self.disk.wait()
        self.forgotten += client_tx_ids

    def show(self, pours: tuple[Pour, ...]) -> None:
        self.overdue.append([pour.client_tx_id for pour in pours])

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in steps of a quarter second, the sync awake at each."""
        for _ in range(max(1, int(seconds * 4))):
            self.now_s += seconds / max(1, int(seconds * 4))
            self.sync._wake.set()  # noqa: SLF001 - virtual time wakes it, not the loop's clock
            for _ in range(4):
                await asyncio.sleep(0)


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    outside = Outside()
    run = asyncio.create_task(outside.sync.run())
    await asyncio.sleep(0)
    yield outside
    run.cancel()
    await asyncio.wait([run])


@pytest.mark.requirement("SY-2")
async def test_a_pour_is_sent_at_once_and_again_no_sooner_than_after_two_seconds(
    outside: Outside,
) -> None:
    outside.sync.add(pour(1))
    await outside.pass_time(1.75)
    assert outside.sent == ["p1"]
    await outside.pass_time(1)
    assert outside.sent == ["p1", "p1"]
    await outside.pass_time(120)
    assert 7 <= len(outside.sent) <= 9


async def test_a_pour_is_forgotten_only_with_its_status(outside: Outside) -> None:
    outside.sync.add(pour(1))
    await outside.pass_time(10)
    assert outside.forgotten == []
    assert outside.sync.answered("p1")
    assert not outside.sync.answered("p1")
    assert not outside.sync.answered("strange")
    await outside.pass_time(100)
    assert outside.forgotten == ["p1"]
    assert outside.sync.unanswered == 0


async def test_a_long_queue_is_sent_in_a_window_that_answers_move_on(outside: Outside) -> None:
    for number in range(WINDOW + 10):
        outside.sync.add(pour(number))
    await outside.pass_time(0.25)
    assert len(outside.sent) == WINDOW
    for number in range(5):
        outside.sync.answered(f"p{number}")
    await outside.pass_time(0.25)
    assert len(outside.sent) == WINDOW + 5


async def test_nothing_is_sent_without_a_link_and_all_when_it_is_back(outside: Outside) -> None:
    outside.is_up = False
    for number in range(3):
        outside.sync.add(pour(number))
    await outside.pass_time(60)
    assert outside.sent == []
    outside.is_up = True
    outside.sync.reconnected()
    await outside.pass_time(0.25)
    assert sorted(outside.sent) == ["p0", "p1", "p2"]


async def test_an_answer_after_a_silence_wakes_all_that_waits(outside: Outside) -> None:
    for number in range(3):
        outside.sync.add(pour(number))
    await outside.pass_time(40)
    outside.sent.clear()
    outside.sync.answered("p0")
    await outside.pass_time(2.25)
    assert {"p1", "p2"} <= set(outside.sent)


async def test_a_pour_counts_as_pending_when_its_answer_is_late(outside: Outside) -> None:
    outside.sync.add(pour(1))
    outside.sync.add(pour(2), age_s=3_600)
    assert (outside.sync.unanswered, outside.sync.pending) == (2, 1)
    await outside.pass_time(1)
    assert outside.sync.pending == 2


@pytest.mark.requirement("SY-4")
async def test_the_bar_says_after_how_long_pours_are_told_to_staff(outside: Outside) -> None:
    outside.sync.overdue_after(180)
    outside.sync.add(pour(1))

    await outside.pass_time(179)
    assert outside.overdue == []
    await outside.pass_time(2)

    assert outside.overdue == [["p1"]]


async def test_a_taps_own_timeout_goes_before_the_bars() -> None:
    outside = Outside(overdue_s=60.0)
    run = asyncio.create_task(outside.sync.run())
    outside.sync.overdue_after(180)
    outside.sync.add(pour(1))

    await outside.pass_time(61)
    run.cancel()

    assert outside.overdue == [["p1"]]


@pytest.mark.parametrize(("told", "kept"), [(120, 120.0), (5, 60.0), (9_999, 300.0), (None, None)])
def test_an_allow_names_the_bars_timeout(told: object, kept: float | None) -> None:
    body = {"request_id": "r", "decision": "allow", "grant_id": "g", "max_volume_ml": 500}
    allowed = payloads.answer(json.dumps(body | {"sync_timeout_s": told}).encode())

    assert isinstance(allowed, Allowed)
    assert allowed.grant.sync_timeout_s == kept


@pytest.mark.requirement("SY-4")
async def test_pours_are_told_to_staff_from_the_timeout_until_their_answers(
    outside: Outside,
) -> None:
    outside.sync.add(pour(1))
    await outside.pass_time(59)
    assert outside.overdue == []
    outside.sync.add(pour(2), age_s=3_600)
    await outside.pass_time(60)
    assert outside.overdue == [["p2"], ["p1", "p2"]]
    for number in (1, 2):
        outside.sync.answered(f"p{number}")
        await outside.pass_time(0.25)
    assert outside.overdue[2:] == [["p2"], []]


@pytest.mark.requirement("OP-1")
async def test_a_disk_that_is_slow_to_forget_holds_up_no_sending(outside: Outside) -> None:
    outside.disk.clear()
    outside.sync.add(pour(1))
    await outside.pass_time(0.25)
    outside.sync.answered("p1")
    await outside.pass_time(0.25)
    outside.sync.add(pour(2))
    await outside.pass_time(0.25)
    assert (outside.sent, outside.forgotten) == (["p1", "p2"], [])
    outside.disk.set()
    await outside.pass_time(0.25)
    assert outside.forgotten == ["p1"]
