"""Who is told to stop answers first what it took: nobody is left not knowing what was done."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial

import httpx
import psutil
import pytest
import pytest_asyncio
from pourline.testkit.bar import RunningBar, run_bar
from pourline.testkit.until import until

pytestmark = [pytest.mark.resilience, pytest.mark.asyncio(loop_scope="module")]

AT_ONCE = 24
STOPS = 5
MEANWHILE = 20
"""Orders between two stops: the part is at work when it is told."""


class Cashiers:
    """They put one cent each on a guest's account, one after another, and note what was said."""

    def __init__(self, bar: RunningBar, guest_id: str, token: str) -> None:
        self._bar, self._path = bar, f"/api/guests/{guest_id}/topup"
        self._headers = {"Authorization": f"Bearer {token}"}
        self.said: Counter[str] = Counter()
        self.over = False

    async def work(self) -> None:
        """Put money on until it is over, without a key: who is told nothing could not ask again."""
        async with httpx.AsyncClient(
            base_url=self._bar.base_url, headers=self._headers, timeout=30
        ) as web:
            while not self.over:
                try:
                    answer = await web.post(self._path, json={"amount": 1})
                except httpx.TransportError:
                    self.said["nobody is there"] += 1
                    await asyncio.sleep(0.01)
                else:
                    self.said["done" if answer.is_success else str(answer.status_code)] += 1

    async def more(self, count: int) -> None:
        """Wait until so many more have been told that it is done."""
        wanted = self.said["done"] + count

        async def done() -> int:
            return self.said["done"]

        await until(done, lambda found: found >= wanted, within_s=60)


async def running(bar: RunningBar, part: str) -> psutil.Process | None:
    with contextlib.suppress(AssertionError):
        return bar.process_of(part)
    return None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bar(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningBar]:
    async with run_bar(tmp_path_factory.mktemp("stops") / "bar") as running:
        yield running


@pytest.mark.parametrize("part", ["ledger", "console"])
async def test_money_put_on_while_a_part_is_started_anew_is_what_people_were_told(
    bar: RunningBar, part: str
) -> None:
    guest = await bar.seat_guest(amount=0)
    cashiers = Cashiers(bar, guest.guest_id, await bar.token(level=5))
    work = [asyncio.create_task(cashiers.work()) for _ in range(AT_ONCE)]
    for _ in range(STOPS):
        await cashiers.more(MEANWHILE)
        life = await until(partial(running, bar, part))
        assert life is not None
        life.terminate()
    await cashiers.more(MEANWHILE)
    cashiers.over = True
    await asyncio.gather(*work)
    await bar.ready()

    found = await bar.get(f"/api/guests/{guest.guest_id}")
    assert found["balance"] == cashiers.said["done"], cashiers.said
    assert cashiers.said.keys() <= {"done", "503", "nobody is there"}
    await bar.verified()
